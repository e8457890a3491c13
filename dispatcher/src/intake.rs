//! The intake commit: reports with their raw bytes, and the incidents that they open or are appended
//! to, in one transaction a batch. What to do about them is decided right after, elsewhere.
//!
//! A press is never refused for what is doubtful about it. A batch that fails is taken in one by one,
//! so that one bad row never holds up another's press.

use std::collections::{BTreeMap, HashMap};

use domain::id::{IncidentId, ResidentId, TerminalId};
use domain::incident::{Class, Origin};
use domain::place::{NoPosition, Position};
use domain::press::{AlertKind, Earlier, Repeated, Stamp, is_same_press};
use domain::word::Word;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use tracing::{error, info, warn};
use uuid::Uuid;
use wire::receipt::{Outcome, Receipt};
use wire::report::{Doubt, Event, Fix, Freshness, Heard, Report, Session, Unstored};
use wire::topics::Lane;

use crate::desk::Desk;
use crate::fences::{self, Judged, Remembered, Told, Way};
use crate::lines::{clean, clean_text};
use crate::store::fence_rules;
use crate::store::fence_turns::{self, Turned};
use crate::store::fences as fence_store;
use crate::store::intake::{self as store, Busy, Filed, Locked, Met, Opening, PlacedFix, State, Subject, Wearer};
use crate::store::positions::{self, Unresolved};
use crate::store::timeline::{self, Line};
use crate::store::{StoreError, commands, facts, outbox};
use crate::{alarm, clock};

impl Desk {
    /// Takes reports in. The answer has a receipt for each one that is durable now; what is missing in
    /// it is not, and is to be handed over again.
    pub async fn take(&self, reports: &[Report]) -> Result<Vec<Receipt>, StoreError> {
        let cause = match self.take_together(reports, Fences::Judged).await {
            Ok(receipts) => return Ok(receipts),
            Err(cause) => cause,
        };
        if cause.is_away() {
            warn!(%cause, reports = reports.len(), "reports could not be taken in");
            return Err(cause);
        }
        if let [report] = reports {
            return self.take_plainly(report, &cause).await;
        }
        warn!(%cause, reports = reports.len(), "a batch could not be taken in and is taken in one by one");
        let mut receipts = Vec::new();
        for report in reports {
            let taken = match self.take_together(std::slice::from_ref(report), Fences::Judged).await {
                Err(cause) if !cause.is_away() => self.take_plainly(report, &cause).await,
                taken => taken,
            };
            match taken {
                Ok(mut receipt) => receipts.append(&mut receipt),
                Err(cause) => error!(report.id = %report.id, %cause, "a report could not be taken in"),
            }
        }
        Ok(receipts)
    }

    /// Whatever is wrong with a fence keeps neither a press nor a position out.
    async fn take_plainly(&self, report: &Report, cause: &StoreError) -> Result<Vec<Receipt>, StoreError> {
        warn!(report.id = %report.id, %cause, "a report could not be taken in and is tried without its fences");
        self.take_together(std::slice::from_ref(report), Fences::Skipped).await
    }

    async fn take_together(&self, reports: &[Report], fences: Fences) -> Result<Vec<Receipt>, StoreError> {
        let is_urgent = reports.iter().any(|report| report.lane == Lane::Alert);
        let desk = if is_urgent { self.for_presses() } else { self.aside() };
        let mut tx = desk.begin().await?;
        let (batch, receipts) = self.take_within(&mut tx, reports, fences).await?;
        if !batch.concerns_incidents && reports.iter().all(|report| !is_kept(report)) {
            store::promise_nothing(&mut tx).await?;
        }
        tx.commit().await?;
        for (incident, entries) in &batch.pressed_for {
            info!(incident.id = %incident, entries, "a press was taken in");
        }
        let busy = batch.rows.iter().filter(|row| row.is_busy && row.same_as.is_none());
        let busy = busy.filter(|row| !batch.taken.contains_key(&row.report.id));
        let busy: Vec<Report> = busy.map(|row| without_press(row.report)).collect();
        if !busy.is_empty() {
            tokio::spawn(self.clone().follow_up(busy));
        }
        if batch.wonders {
            self.wondered.notify_waiters();
        }
        if batch.has_asked {
            self.unsent.notify_waiters();
        }
        if batch.concerns_incidents {
            self.wake();
        } else if reports.iter().any(|report| report.answers().next().is_some()) {
            self.live.nudge();
        }
        Ok(receipts)
    }

    /// Takes in what presses told besides, of terminals whose rows were in other hands: positions, battery, steps. Whoever
    /// was promised anything was promised the press, which is stored; where it came from is kept with the case.
    fn follow_up(self, told: Vec<Report>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Err(cause) = self.take(&told).await {
                warn!(%cause, reports = told.len(), "positions that came with presses could not be taken in");
            }
        })
    }

    /// The part of taking reports in that is one transaction, but for its end.
    async fn take_within<'r>(
        &self,
        tx: &mut PgConnection,
        reports: &'r [Report],
        fences: Fences,
    ) -> Result<(Batch<'r>, Vec<Receipt>), StoreError> {
        let mut batch = Batch::read(tx, reports).await?;
        batch.sort_out();
        if fences == Fences::Judged {
            batch.judge_fences(tx, &self.fences).await?;
        }
        let receipts = batch.write(tx, &self.fences).await?;
        Ok((batch, receipts))
    }

    /// Takes a press in within a transaction that will not be kept; the incident that it is about.
    pub(crate) async fn take_in_rehearsal(
        &self,
        tx: &mut PgConnection,
        press: &Report,
    ) -> Result<Option<IncidentId>, StoreError> {
        let (batch, _) = self.take_within(tx, std::slice::from_ref(press), Fences::Judged).await?;
        Ok(batch.rows.first().and_then(|row| row.incident))
    }

    /// The edge has heard terminals; who has just connected gets what waits for them.
    pub async fn hear(&self, heard: &[Heard]) -> Result<(), StoreError> {
        let mut tx = self.aside().begin().await?;
        store::note_heard(&mut tx, heard).await?;
        let opened: Vec<String> =
            heard.iter().filter(|heard| heard.session == Session::Opened).map(|heard| heard.serial.clone()).collect();
        if !opened.is_empty() {
            outbox::hasten(&mut tx, &opened).await?;
            commands::hasten(&mut tx, &opened).await?;
        }
        tx.commit().await?;
        if !opened.is_empty() {
            self.unsent.notify_waiters();
        }
        Ok(())
    }

    /// Terminals have acknowledged notices, or commands.
    pub async fn acknowledge(&self, notices: &[Uuid]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        outbox::acknowledge(&mut tx, notices).await?;
        commands::delivered(&mut tx, notices).await?;
        tx.commit().await?;
        self.live.nudge();
        Ok(())
    }

    /// An alert that could not be committed for some time rings from memory, and fires the alarm hook: also before
    /// the desk is open.
    pub fn tell_unstored(&self, alert: Unstored) {
        let is_new = !alert.stored;
        error!(report.id = %alert.id, stored = alert.stored, "an alert could not be stored in time");
        if let (true, Some(url)) = (is_new, self.config.alarm_hook.clone()) {
            alarm::fire(url, alert.clone());
        }
        self.live.tell_unstored(alert);
    }
}

/// Whether it is known where a terminal was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Placed,
    Nowhere,
}

/// Whether positions are held against fences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fences {
    Judged,
    Skipped,
}

/// What a press asks for.
#[derive(Debug, Clone, PartialEq)]
enum Wish {
    /// Opens an incident or is appended to the open one. The gravest kind comes first.
    Press { class: Class, kinds: Vec<AlertKind>, what: &'static str, category: Option<String> },
    /// Is appended to every open incident of the subject, and opens none.
    Remark { what: &'static str },
    /// Touches no incident.
    Nothing,
}

impl Wish {
    /// What is remarked, if that is all.
    fn remark(&self) -> Option<&'static str> {
        match self {
            Self::Remark { what } => Some(*what),
            Self::Press { .. } | Self::Nothing => None,
        }
    }

    /// The class of what is pressed for.
    fn class(&self) -> Option<Class> {
        match self {
            Self::Press { class, .. } => Some(*class),
            Self::Remark { .. } | Self::Nothing => None,
        }
    }
}

/// Reports on their way into the database.
struct Batch<'r> {
    now: Timestamp,
    rows: Vec<Row<'r>>,
    /// Reports with these ids were taken in before.
    taken: HashMap<Uuid, Option<Uuid>>,
    /// The rows of the terminals.
    locked: HashMap<TerminalId, Locked>,
    /// What the positions in it say about fences.
    judged: Judged,
    /// What was pressed for, and how many entries that has now.
    pressed_for: Vec<(IncidentId, i32)>,
    concerns_incidents: bool,
    /// Whether a position is to be looked up.
    wonders: bool,
    /// Whether a terminal was asked for more positions.
    has_asked: bool,
}

/// Something that opens an incident, or is appended to the open one.
struct Call {
    /// The row that tells of it.
    row: usize,
    class: Class,
    kinds: Vec<AlertKind>,
    category: Option<String>,
    line: Line,
}

struct Row<'r> {
    report: &'r Report,
    digest: [u8; 32],
    wearer: Option<Wearer>,
    subject: Subject,
    wish: Wish,
    /// What is asked for in the same message besides.
    besides: Vec<Wish>,
    doubts: Vec<Doubt>,
    places: Vec<PlacedFix>,
    /// Somebody else has the terminal's row in hand: what this tells of it is noted afterwards.
    is_busy: bool,
    /// The earlier report that this is a repetition of, and its incident.
    same_as: Option<(Uuid, Option<Uuid>)>,
    incident: Option<IncidentId>,
}

impl<'r> Batch<'r> {
    async fn read(tx: &mut PgConnection, reports: &'r [Report]) -> Result<Self, StoreError> {
        let mut serials: Vec<String> = reports.iter().map(|report| report.serial.clone()).collect();
        serials.sort_unstable();
        serials.dedup();
        let alert_serials: Vec<String> = {
            let mut serials: Vec<String> = reports
                .iter()
                .filter(|report| report.lane == Lane::Alert)
                .map(|report| report.serial.clone())
                .collect();
            serials.sort_unstable();
            serials.dedup();
            serials
        };
        // One press of a terminal at a time, so that a repetition cannot overtake what it repeats.
        store::serialize_presses(tx, &alert_serials).await?;
        // Terminals come first in every batch, before any incident is locked, so that two cannot wait for each other.
        // A press does not wait until somebody has done with a position: that follows it ([`Desk::follow_up`]).
        let busy = if reports.iter().all(is_press) { Busy::Left } else { Busy::Waited };
        let Met { wearers, placed, locked } = store::meet(tx, &serials, busy).await?;
        let now = facts::now(tx).await?;
        // Of telemetry only what is filed leaves a trace by which it would be known again.
        let ids: Vec<Uuid> = reports.iter().filter(|report| is_kept(report)).map(|report| report.id).collect();
        let taken = if ids.is_empty() { HashMap::new() } else { store::taken(tx, &ids).await? };
        let row = |report: &'r Report| {
            let wearer = wearers.get(&report.serial).cloned();
            let terminal = wearer.as_ref().map(|wearer| wearer.terminal);
            let is_placed = terminal.is_some_and(|terminal| placed.contains(&terminal));
            let before = if is_placed { Before::Placed } else { Before::Nowhere };
            let is_busy = terminal.is_some_and(|terminal| !locked.contains_key(&terminal));
            Row { is_busy, ..Row::new(report, wearer, (now, before)) }
        };
        let rows: Vec<Row<'r>> = reports.iter().map(row).collect();
        let mut batch = Self {
            now,
            rows,
            taken,
            locked,
            judged: Judged::default(),
            pressed_for: Vec::new(),
            concerns_incidents: false,
            wonders: false,
            has_asked: false,
        };
        batch.find_repetitions(tx).await?;
        Ok(batch)
    }

    /// Finds presses that came before, in the database or earlier in this very batch.
    async fn find_repetitions(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let (serials, digests): (Vec<String>, Vec<Vec<u8>>) = self
            .rows
            .iter()
            .filter(|row| row.report.lane == Lane::Alert)
            .map(|row| (row.report.serial.clone(), row.digest.to_vec()))
            .unzip();
        if serials.is_empty() {
            return Ok(());
        }
        let earlier = store::earlier(tx, &serials, &digests).await?;
        let mut in_batch: HashMap<(String, Vec<u8>), Uuid> = HashMap::new();
        for row in &mut self.rows {
            if row.report.lane != Lane::Alert || self.taken.contains_key(&row.report.id) {
                continue;
            }
            let key = (row.report.serial.clone(), row.digest.to_vec());
            let stamp = row.stamp();
            let repeated = if row.report.repeated { Repeated::Yes } else { Repeated::No };
            if let Some(found) = earlier.get(&key) {
                let seen = Earlier { received_at: found.received_at, incident_open: found.incident_open };
                if is_same_press(stamp, repeated, row.report.received_at, seen) {
                    row.same_as = Some((found.report, found.incident));
                    continue;
                }
            }
            if let Some(first) = in_batch.get(&key) {
                let seen = Earlier { received_at: row.report.received_at, incident_open: true };
                if is_same_press(stamp, repeated, row.report.received_at, seen) {
                    row.same_as = Some((*first, None));
                    continue;
                }
            }
            in_batch.insert(key, row.report.id);
        }
        Ok(())
    }

    /// What each report asks for.
    fn sort_out(&mut self) {
        for row in &mut self.rows {
            if self.taken.contains_key(&row.report.id) || row.same_as.is_some() {
                continue;
            }
            row.wish = wish(row.report);
            row.besides = besides(row.report);
            if row.wishes().any(|wish| *wish != Wish::Nothing) {
                self.concerns_incidents = true;
            }
        }
    }

    /// Holds positions against fences.
    async fn judge_fences(&mut self, tx: &mut PgConnection, remembered: &Remembered) -> Result<(), StoreError> {
        let told: Vec<Told<'_>> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.is_busy && !self.taken.contains_key(&row.report.id))
            .filter_map(|(index, row)| row.tells_of_fences(index))
            .collect();
        self.judged = fences::judge(tx, &told, &self.locked, remembered, self.now).await?;
        self.concerns_incidents |= !self.judged.crossed.is_empty();
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection, remembered: &Remembered) -> Result<Vec<Receipt>, StoreError> {
        self.open_incidents(tx).await?;
        self.note_returns(tx, remembered).await?;
        self.remark(tx).await?;
        self.file(tx).await?;
        let turned = self.judged.turned();
        self.note_states(tx).await?;
        fence_rules::nudge(tx, &turned).await?;
        self.wonder(tx).await?;
        self.has_asked = commands::watch(tx, &self.judged.suspected, self.now).await? > 0;
        let mut incidents: HashMap<Uuid, Option<Uuid>> = HashMap::new();
        let receipts = self
            .rows
            .iter()
            .map(|row| {
                let outcome = if let Some(incident) = self.taken.get(&row.report.id) {
                    Outcome::Committed { incident: *incident }
                } else if let Some((as_report, incident)) = row.same_as {
                    let incident = incident.or_else(|| incidents.get(&as_report).copied().flatten());
                    Outcome::Same { as_report, incident }
                } else {
                    Outcome::Committed { incident: row.incident.map(|incident| incident.0) }
                };
                incidents.insert(row.report.id, row.incident.map(|incident| incident.0));
                Receipt { report: row.report.id, outcome }
            })
            .collect();
        Ok(receipts)
    }

    async fn open_incidents(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let mut openings: Vec<(Opening, Vec<Line>)> = Vec::new();
        let mut places: HashMap<(Subject, Class, bool), usize> = HashMap::new();
        let mut slots: Vec<(usize, usize)> = Vec::new();
        for Call { row: index, class, kinds, category, line } in self.calls() {
            let row = &self.rows[index];
            let place = row.places.last().cloned();
            // A real press among exercises is a case of its own.
            let key = (row.subject.clone(), class, row.is_drill());
            let found = (class != Class::Service).then(|| places.get(&key)).flatten().copied();
            let slot = found.unwrap_or_else(|| {
                let opening = Opening {
                    id: clock::fresh_id(),
                    class,
                    origin: row.origin(),
                    subject: row.subject.clone(),
                    wearer: row.wearer.clone(),
                    kinds: Vec::new(),
                    category,
                    presses: 0,
                    place: None,
                    doubts: Vec::new(),
                    drill: row.is_drill(),
                    canary: row.is_canary(),
                };
                openings.push((opening, Vec::new()));
                openings.len() - 1
            });
            places.insert(key, slot);
            let (opening, lines) = &mut openings[slot];
            opening.presses += 1;
            opening.origin = opening.origin.or(row.origin());
            for kind in kinds {
                if !opening.kinds.contains(&kind) {
                    opening.kinds.push(kind);
                }
            }
            opening.place = place.or(opening.place.take());
            opening.doubts.clone_from(&row.doubts);
            lines.push(line);
            slots.push((index, slot));
        }
        if openings.is_empty() {
            return Ok(());
        }
        // A press that also shows that somebody left belongs to what was pressed for.
        slots.retain(|&(index, slot)| self.rows[index].wishes().find_map(Wish::class) == Some(openings[slot].0.class));
        let opened = store::open_or_append(tx, openings, self.now).await?;
        for (index, slot) in slots {
            self.rows[index].incident = Some(opened[slot].incident);
        }
        self.pressed_for = opened.iter().map(|opened| (opened.incident, opened.entries)).collect();
        Ok(())
    }

    /// What opens incidents or is appended to open ones: presses, and people who left where they should be.
    /// In the order of the rows.
    fn calls(&self) -> Vec<Call> {
        let wishes =
            self.rows.iter().enumerate().flat_map(|(index, row)| row.wishes().map(move |wish| (index, row, wish)));
        let pressed = wishes.filter_map(|(index, row, wish)| match wish {
            Wish::Press { class, kinds, what, category } => Some(Call {
                row: index,
                class: *class,
                kinds: kinds.clone(),
                category: category.clone(),
                line: row.line_called(what),
            }),
            Wish::Remark { .. } | Wish::Nothing => None,
        });
        let left = self.judged.crossed.iter().filter(|crossed| crossed.way == Way::Out).map(|crossed| Call {
            row: crossed.row,
            class: Class::Wandering,
            kinds: vec![AlertKind::FenceExit],
            category: None,
            line: crossed.line.clone(),
        });
        let mut calls: Vec<Call> = pressed.chain(left).collect();
        calls.sort_by_key(|call| call.row);
        calls
    }

    /// Notes on the open wandering incidents of those who came back that they did.
    async fn note_returns(&mut self, tx: &mut PgConnection, remembered: &Remembered) -> Result<(), StoreError> {
        let mut back: BTreeMap<ResidentId, Vec<Line>> = BTreeMap::new();
        for crossed in self.judged.crossed.iter().filter(|crossed| crossed.way == Way::Back) {
            back.entry(crossed.resident).or_default().push(crossed.line.clone());
        }
        if back.is_empty() {
            return Ok(());
        }
        let residents: Vec<Uuid> = back.keys().map(|resident| resident.0).collect();
        let wanderings = fence_store::open_wanderings(tx, &residents).await?;
        if wanderings.is_empty() {
            return Ok(());
        }
        let away = self.judged.away(tx, &residents, remembered).await?;
        let incidents: Vec<Uuid> = wanderings.iter().map(|(_, incident, _)| incident.0).collect();
        let returned: Vec<bool> = wanderings.iter().map(|(resident, ..)| !away.contains(resident)).collect();
        fence_store::note_returned(tx, &incidents, &returned).await?;
        let lines = wanderings
            .into_iter()
            .map(|(resident, incident, head)| (incident, head, back.get(&resident).cloned().unwrap_or_default()));
        timeline::append_all(tx, self.now, lines).await
    }

    async fn remark(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        for row in &mut self.rows {
            let remarks: Vec<&'static str> = row.wishes().filter_map(Wish::remark).collect();
            for what in remarks {
                let open = store::open_incidents(tx, &row.subject, what == "cancelled").await?;
                row.incident = row.incident.or(open.first().copied());
                for incident in open {
                    timeline::append(tx, incident, self.now, &[row.line_called(what)]).await?;
                }
            }
        }
        Ok(())
    }

    async fn file(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let filed: Vec<Filed<'_>> = self
            .rows
            .iter()
            .filter(|row| is_kept(row.report) && !self.taken.contains_key(&row.report.id))
            .map(|row| Filed {
                report: row.report,
                terminal: row.wearer.as_ref().map(|wearer| wearer.terminal),
                digest: &row.digest,
                event: event_word(row.report.event.as_ref()),
                device_at: row.report.stamp.device_at.and_then(sane),
                same_as: row.same_as.map(|(first, _)| first),
                incident: row.incident.or(row.same_as.and_then(|(_, incident)| incident).map(IncidentId)),
                doubts: clean(serde_json::to_value(&row.doubts).unwrap_or(Value::Null)),
            })
            .collect();
        store::file(tx, &filed).await?;
        let fixes: Vec<(TerminalId, &PlacedFix)> = self
            .rows
            .iter()
            .filter(|row| !row.is_busy && row.same_as.is_none() && !self.taken.contains_key(&row.report.id))
            .filter_map(|row| row.wearer.as_ref().map(|wearer| (wearer.terminal, &row.places)))
            .flat_map(|(terminal, places)| places.iter().map(move |place| (terminal, place)))
            .collect();
        store::file_fixes(tx, &fixes).await
    }

    /// Has it looked up where those are who told what they hear, and not where they are.
    async fn wonder(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let rows = self.rows.iter().filter(|row| row.same_as.is_none() && !self.taken.contains_key(&row.report.id));
        let wondered: Vec<Unresolved> = rows.filter_map(|row| row.wonders(self.now)).collect();
        self.wonders = !wondered.is_empty();
        positions::wonder(tx, &wondered).await
    }

    async fn note_states(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let mut states: BTreeMap<TerminalId, State> = BTreeMap::new();
        let (mut acknowledged, mut answered) = (Vec::new(), Vec::new());
        for row in &self.rows {
            if let Some(Event::NoticeAcknowledged { notice }) = &row.report.event {
                acknowledged.push(*notice);
            }
            let Some(wearer) = &row.wearer else { continue };
            answered.extend(row.report.answers().map(|answer| (wearer.terminal, answer)));
            // A will is said by the door, when its terminal is heard no more.
            if row.report.event == Some(Event::Offline) {
                continue;
            }
            let state = states.entry(wearer.terminal).or_insert_with(|| State::heard(row.report.received_at));
            state.heard_at = state.heard_at.max(row.report.received_at);
            if let Some(status) = &row.report.status {
                state.battery_pct = status.battery_pct.map(|pct| pct.min(100)).or(state.battery_pct);
                state.worn = status.worn.or(state.worn);
                state.charging = status.charging.or(state.charging);
            }
            state.steps = row.report.steps().map(i64::from).or(state.steps);
            if row.report.event == Some(Event::CheckIn) {
                state.checked_in_at = Some(row.report.received_at);
            }
            state.place = row.places.last().cloned().or(state.place.take());
            // What walks about or stands for nothing is kept with the report, and no home learns it.
            if let Some(kept) = positions::kept(&row.report.surroundings.usable()) {
                state.surroundings = Some((kept, row.report.received_at.min(self.now)));
            }
        }
        let mut turned = Vec::new();
        for (terminal, mut believed) in self.judged.believed() {
            // Judged is only whose row is held.
            if let Some(state) = states.get_mut(&terminal) {
                let of = believed.of;
                let turns = std::mem::take(&mut believed.turns).into_iter();
                turned.extend(turns.map(|(fence, turn)| Turned { terminal, fence, of, turn }));
                state.believed = Some(believed);
            }
        }
        let noted = states.into_iter().filter_map(|(terminal, state)| Some((self.locked.get(&terminal)?, state)));
        store::note_states(tx, &noted.collect::<Vec<_>>()).await?;
        fence_turns::keep(tx, &turned, self.now).await?;
        if !acknowledged.is_empty() {
            outbox::acknowledge(tx, &acknowledged).await?;
        }
        commands::answered(tx, &answered).await?;
        Ok(())
    }
}

impl<'r> Row<'r> {
    fn new(report: &'r Report, wearer: Option<Wearer>, (now, before): (Timestamp, Before)) -> Self {
        let mut doubts = report.doubts.clone();
        let mut doubt = |new: Doubt| {
            if !doubts.contains(&new) {
                doubts.push(new);
            }
        };
        let subject = match &wearer {
            None => {
                doubt(Doubt::UnknownTerminal);
                Subject::Source(report.serial.clone())
            }
            Some(Wearer { resident: None, terminal, .. }) => {
                doubt(Doubt::NotAssigned);
                Subject::Terminal(*terminal)
            }
            Some(Wearer { resident: Some(resident), .. }) => Subject::Resident(*resident),
        };
        let mut places = Vec::new();
        for fix in &report.fixes {
            // A terminal that repeats its last position without its time says nothing that is not known.
            let is_undated = fix.freshness == Freshness::LastKnown && fix.device_at.is_none();
            if is_undated && before == Before::Placed {
                doubt(Doubt::FixOld);
                continue;
            }
            match Position::new(fix.lat_deg, fix.lon_deg) {
                Ok(position) => places.push(placed(fix, position, report.received_at.min(now))),
                Err(NoPosition::Null) => doubt(Doubt::FixAtZero),
                Err(NoPosition::OutOfRange) => doubt(Doubt::FixOutOfRange),
            }
        }
        Self {
            report,
            digest: Sha256::digest(&report.raw).into(),
            wearer,
            subject,
            wish: Wish::Nothing,
            besides: Vec::new(),
            doubts,
            places,
            is_busy: false,
            same_as: None,
            incident: None,
        }
    }

    fn stamp(&self) -> Stamp {
        let stamp = &self.report.stamp;
        Stamp { boot_seq: stamp.boot.zip(stamp.seq), device_at: stamp.device_at }
    }

    /// An unlisted or unauthenticated source opens its incident, and never calls 120 by itself. A worn terminal whose
    /// dialect knows no proof sends for those near by all the same, and so does whoever calls itself by its name: a
    /// person looks before an ambulance is sent.
    fn origin(&self) -> Origin {
        match &self.wearer {
            Some(_) if self.report.authenticated => Origin::Listed,
            Some(Wearer { resident: Some(_), .. }) if !self.report.dialect.proves_itself() => Origin::Unproved,
            _ => Origin::Unlisted,
        }
    }

    /// A press of our own terminal, which proved that it is.
    fn is_canary(&self) -> bool {
        self.report.authenticated && self.wearer.as_ref().is_some_and(|wearer| wearer.canary)
    }

    /// An exercise: it says so, or nobody else presses there.
    fn is_drill(&self) -> bool {
        self.report.drill || self.is_canary()
    }

    /// What it says about the fences of its wearer: of somebody who has some, told once, by a terminal that proved who it
    /// is, or whose dialect knows no proof. The watch of somebody who may wander off is mostly of that kind: without its
    /// word nobody would be missed, and with a forged one an operator looks in vain.
    fn tells_of_fences(&self, row: usize) -> Option<Told<'_>> {
        let wearer = self.wearer.as_ref().filter(|wearer| wearer.fences > 0)?;
        let is_believed = self.report.authenticated || !self.report.dialect.proves_itself();
        let counts = is_believed && self.same_as.is_none() && !self.places.is_empty();
        let told = Told {
            row,
            report: self.report,
            resident: wearer.resident?,
            terminal: wearer.terminal,
            since: wearer.since?,
            version: wearer.fences,
            places: &self.places,
        };
        counts.then_some(told)
    }

    /// What is to be looked up about it: of a terminal that is listed, and measured no position for this message.
    fn wonders(&self, now: Timestamp) -> Option<Unresolved> {
        let wearer = self.wearer.as_ref().filter(|_| !self.report.surroundings.is_empty())?;
        let is_placed = self.places.iter().any(|place| place.was_at == place.received_at)
            && self.report.fixes.iter().any(|fix| fix.freshness == Freshness::Live);
        (!is_placed).then(|| Unresolved {
            terminal: wearer.terminal,
            resident: wearer.resident,
            incident: self.incident,
            heard: self.report.surroundings.clone(),
            at: self.report.received_at.min(now),
            tries: 0,
        })
    }

    /// Everything that it asks for.
    fn wishes(&self) -> impl Iterator<Item = &Wish> {
        std::iter::once(&self.wish).chain(&self.besides)
    }

    fn line_called(&self, what: &'static str) -> Line {
        let mut data = json!({
            "report": self.report.id,
            "serial": self.report.serial,
            "received_at": self.report.received_at,
            "doubts": self.doubts,
        });
        let mut kinds = alerts(self.report).map(AlertKind::as_str);
        if let Some(kind) = kinds.next() {
            data["kind"] = json!(kind);
        }
        let also: Vec<&str> = kinds.collect();
        if !also.is_empty() {
            data["also"] = json!(also);
        }
        for event in self.report.event.iter().chain(&self.report.also) {
            match event {
                Event::Request { category } => data["category"] = json!(category),
                Event::Unreadable { why } => data["why"] = json!(why),
                _ => {}
            }
        }
        if let Some(battery_pct) = self.report.status.and_then(|status| status.battery_pct) {
            data["battery_pct"] = json!(battery_pct);
        }
        if let Some(place) = self.places.last() {
            data["place"] = json!({
                "lat": place.position.lat_deg(),
                "lon": place.position.lon_deg(),
                "accuracy_m": place.accuracy_m,
            });
        }
        Line { what, who: None, data: clean(data) }
    }
}

/// Whether the bytes are kept: all of the alert lane, and of telemetry what nobody could read.
fn is_kept(report: &Report) -> bool {
    report.lane == Lane::Alert || matches!(report.event, Some(Event::Unreadable { .. } | Event::Transition { .. }))
}

/// Whether it is a press and nothing else that a terminal's row has to tell.
fn is_press(report: &Report) -> bool {
    let mut events = report.event.iter().chain(&report.also);
    report.lane == Lane::Alert
        && report.event.is_some()
        && events.all(|event| matches!(event, Event::Alert { .. } | Event::Request { .. }))
        && report.answers().next().is_none()
}

/// What a press tells besides: a report of its own that opens nothing.
fn without_press(report: &Report) -> Report {
    Report { lane: Lane::Telemetry, event: None, also: Vec::new(), raw: Vec::new(), ..report.clone() }
}

/// Every alarm in a message, the gravest first.
fn alerts(report: &Report) -> impl Iterator<Item = AlertKind> {
    report.event.iter().chain(&report.also).filter_map(|event| match event {
        Event::Alert { kind } => Some(*kind),
        _ => None,
    })
}

/// What a message asks for. However many alarms are in it, it is one press, of the gravest class.
fn wish(report: &Report) -> Wish {
    let kinds: Vec<AlertKind> = alerts(report).collect();
    if let Some(class) = kinds.iter().map(|kind| Class::of(*kind)).min() {
        return Wish::Press { class, kinds, what: "pressed", category: None };
    }
    report.event.as_ref().map_or(Wish::Nothing, |event| wish_of(report, event))
}

/// What it asks for beside its alarms, or beside the first thing.
fn besides(report: &Report) -> Vec<Wish> {
    let first = usize::from(alerts(report).next().is_none());
    let events = report.event.iter().chain(&report.also).skip(first);
    events.map(|event| wish_of(report, event)).filter(|wish| *wish != Wish::Nothing).collect()
}

/// What an event asks for that is no alarm.
fn wish_of(report: &Report, event: &Event) -> Wish {
    match event {
        Event::Unreadable { .. } if report.lane == Lane::Alert => Wish::Press {
            class: Class::Emergency,
            kinds: vec![AlertKind::Unreadable],
            what: "unreadable",
            category: None,
        },
        Event::Request { category } => Wish::Press {
            class: Class::Service,
            kinds: Vec::new(),
            what: "requested",
            category: Some(clean_text(category.clone())),
        },
        Event::Cancel => Wish::Remark { what: "cancelled" },
        Event::CheckIn => Wish::Remark { what: "checked_in" },
        _ => Wish::Nothing,
    }
}

fn event_word(event: Option<&Event>) -> &'static str {
    match event {
        None => "telemetry",
        Some(Event::Alert { .. }) => "alert",
        Some(Event::Cancel) => "cancel",
        Some(Event::CheckIn) => "check_in",
        Some(Event::Request { .. }) => "request",
        Some(Event::NoticeAcknowledged { .. }) => "notice_acknowledged",
        Some(Event::Transition { .. }) => "transition",
        Some(Event::CommandAnswered(_)) => "command_answered",
        Some(Event::Offline) => "offline",
        Some(Event::Unreadable { .. }) => "unreadable",
        Some(Event::Other { .. }) => "other",
    }
}

/// A terminal's time that the database can hold and that is worth keeping. A clock may be off by
/// anything; the doubt about it is kept in words.
fn sane(at: Timestamp) -> Option<Timestamp> {
    let year_2200 = Timestamp::from_second(7_258_118_400).unwrap_or(Timestamp::MAX);
    (Timestamp::UNIX_EPOCH..year_2200).contains(&at).then_some(at)
}

fn placed(fix: &Fix, position: Position, received_at: Timestamp) -> PlacedFix {
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
    PlacedFix {
        position,
        accuracy_m: finite(fix.accuracy_m).filter(|accuracy_m| *accuracy_m >= 0.0),
        source: fix.source,
        received_at,
        was_at: match fix.freshness {
            Freshness::Live => received_at,
            Freshness::Stored | Freshness::LastKnown => {
                fix.device_at.and_then(sane).map_or(received_at, |at| at.min(received_at))
            }
        },
        device_at: fix.device_at.and_then(sane),
        speed_kmh: finite(fix.speed_kmh),
        course_deg: finite(fix.course_deg),
        altitude_m: finite(fix.altitude_m),
    }
}
