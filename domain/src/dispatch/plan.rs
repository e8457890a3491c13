//! The plan: a cheapest matching of cases and people, in which what was promised is cheaper to keep
//! than to break, whoever will soon be free can be waited for, and taking somebody away from where they
//! are likely to be needed next costs what it is likely to cost.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::arrival::{Plane, Spot, travel_s};
use super::matching::{Costs, assign};
use super::{Board, Case, Kind, Outlook, Person, Standing, Urgency};
use crate::id::{IncidentId, ResponderId};
use crate::incident::Advice;

/// How long a case waits for another one to let go of somebody.
const HANDING_ON: SignedDuration = SignedDuration::from_secs(5);

/// A case to which nobody can be sent for now looks again after this long at the latest.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// What is best for everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Who is to be asked now, and to go where.
    pub moves: Vec<Move>,
    /// Which cases wait for somebody who will be free then, or have to look again then because everybody
    /// who is free is needed more by another.
    pub waits: Vec<(IncidentId, Timestamp)>,
    /// Which cases go on counting on whom they have asked, or on who goes there.
    pub kept: Vec<(IncidentId, ResponderId)>,
}

impl Plan {
    /// What it says of one incident, `now`.
    pub fn advice(&self, incident: IncidentId, now: Timestamp) -> Advice {
        let own = self.moves.iter().find(|step| step.incident == incident);
        let waits = self.waits.iter().find(|(waiting, _)| *waiting == incident).map(|(_, until)| *until);
        Advice {
            ask: own.filter(|step| step.from.is_none()).map(|step| step.responder),
            let_go: self.moves.iter().find(|step| step.from == Some(incident)).map(|step| step.responder),
            wait_until: own.filter(|step| step.from.is_some()).map(|_| now + HANDING_ON).or(waits),
            counts_on: self.kept.iter().find(|(keeping, _)| *keeping == incident).map(|(_, responder)| *responder),
        }
    }
}

/// Somebody is to be asked to go to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// To which.
    pub incident: IncidentId,
    /// Who.
    pub responder: ResponderId,
    /// Which case has to let them go first.
    pub from: Option<IncidentId>,
}

/// What counts how much in a plan. Seconds, unless said otherwise; the defaults were found over cities of
/// `make-city` (`docs/dispatch-quality.md` has what each is worth).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// An urgent second is worth so many others.
    pub urgent: f64,
    /// From the question to the answer, when one comes.
    pub answer: f64,
    /// What a question in vain costs: the silence, and the next one's longer way.
    pub in_vain: f64,
    /// Whoever has not answered for so long is reckoned with no more, and somebody else is asked beside.
    pub patience: f64,
    /// What is lost when they do answer after all.
    pub overdue: f64,
    /// Keeping to a question that was put is better than putting another by so much.
    pub keep: f64,
    /// Somebody is taken from daily help for an urgent case when so much is gained…
    pub take_for_urgent: f64,
    /// …and for other daily help when so much is.
    pub take_for_routine: f64,
    /// Whoever says yes to fewer questions than this is not taken from anywhere: from 0 to 1.
    pub take_above: f64,
    /// Somebody else is asked beside one who goes already when they would be there so much sooner,
    /// urgent…
    pub upgrade_urgent: f64,
    /// …and routine.
    pub upgrade_routine: f64,
    /// So often at most, for one case.
    pub upgrades_max: usize,
    /// Somebody who will be free within this time may be waited for…
    pub wait: f64,
    /// …when that is better by so much.
    pub wait_gain: f64,
    /// Whoever may be sent to an emergency goes to daily help as if they were so much farther away.
    pub reserve: f64,
    /// How much of the likely loss elsewhere counts: 0 is living for the moment, 1 what is expected.
    pub foresight: f64,
    /// The same where it is an urgent case that somebody goes to.
    pub foresight_urgent: f64,
    /// A second that a likely urgent call would wait is worth so many others. Less than the second of one
    /// that is there: much can happen before it is.
    pub urgent_ahead: f64,
    /// Nobody's absence costs a likely call more than this.
    pub loss_max: f64,
    /// How much a queue favours what is done quickly: 0 not at all.
    pub quick_first: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            urgent: 2.0,
            answer: 12.0,
            in_vain: 200.0,
            patience: 20.0,
            overdue: 200.0,
            keep: 135.0,
            take_for_urgent: 45.0,
            take_for_routine: 700.0,
            take_above: 0.3,
            upgrade_urgent: 15.0,
            upgrade_routine: 500.0,
            upgrades_max: 3,
            wait: 3000.0,
            wait_gain: 30.0,
            reserve: 130.0,
            foresight: 1.0,
            foresight_urgent: 0.5,
            urgent_ahead: 0.5,
            loss_max: 1500.0,
            quick_first: 0.2,
        }
    }
}

/// Nobody waits this long for a better chance: the price of sending nobody for now.
const NOBODY: f64 = 1e5;

/// Who is to be asked now, and to go where.
///
/// The plan looks ahead, but only what is to be done at once comes out of it. Asked again with the moves
/// made it says nothing more, so every incident may look at it for itself.
pub fn plan(board: &Board, weights: &Weights) -> Plan {
    let is_anybody_free = board.people.iter().any(|person| person.standing == Standing::Free);
    if board.cases.is_empty() || !is_anybody_free && board.cases.iter().all(|case| case.going.is_some()) {
        return Plan::default();
    }
    let plane = Plane::around(board.cases[0].at);
    let columns = columns(board, weights, plane);
    let scale = Scale::new(board, weights, plane);
    let rows = board.cases.len();
    let mut costs = Costs::new(rows, columns.len() + rows);
    for (row, case) in board.cases.iter().enumerate() {
        let able: Vec<bool> = {
            let mut able = vec![false; board.people.len()];
            for index in &case.able {
                able[*index] = true;
            }
            able
        };
        for (column, candidate) in columns.iter().enumerate() {
            if let Some(cost) = scale.cost(case, plane.spot(case.at), candidate, able[candidate.index]) {
                costs.set(row, column, cost);
            }
        }
        costs.set(row, columns.len() + row, NOBODY * scale.worth(case.urgency));
    }
    let given = assign(&costs);
    let mut plan = Plan::default();
    for (case, column) in board.cases.iter().zip(given) {
        let Some(candidate) = columns.get(column) else {
            if columns.iter().any(|candidate| candidate.is_free_now() && case.able.contains(&candidate.index)) {
                plan.waits.push((case.incident, board.now + LOOK_AGAIN));
            }
            continue;
        };
        let from = match (candidate.chance, candidate.person.standing) {
            (Chance::Later { free_at, .. }, _) => {
                plan.waits.push((case.incident, free_at));
                continue;
            }
            (Chance::Now, Standing::Free) => None,
            (Chance::Now, Standing::Asked(other) | Standing::Going(other)) if other != case.incident => Some(other),
            _ => {
                plan.kept.push((case.incident, candidate.person.responder));
                continue;
            }
        };
        plan.moves.push(Move { incident: case.incident, responder: candidate.person.responder, from });
    }
    plan
}

/// Somebody, now or at their next opportunity.
#[derive(Clone, Copy)]
struct Candidate<'b> {
    index: usize,
    person: &'b Person,
    /// From where they would set out.
    from: Spot,
    chance: Chance,
}

impl Candidate<'_> {
    fn is_free_now(&self) -> bool {
        matches!((self.chance, self.person.standing), (Chance::Now, Standing::Free))
    }
}

#[derive(Clone, Copy)]
enum Chance {
    /// As things stand.
    Now,
    /// When they have finished what they do.
    Later { free_at: Timestamp },
}

fn columns<'b>(board: &'b Board, weights: &Weights, plane: Plane) -> Vec<Candidate<'b>> {
    let cases: HashMap<IncidentId, &Case> = board.cases.iter().map(|case| (case.incident, case)).collect();
    let is_on = |person: &Person, at: Timestamp| person.until.is_none_or(|until| at < until);
    let mut columns = Vec::new();
    for (index, person) in board.people.iter().enumerate() {
        let from = plane.spot(person.at);
        let now = Candidate { index, person, from, chance: Chance::Now };
        let later = |free_at: Timestamp, from: Spot| {
            // Whoever should have finished by now has at least a little left to do.
            let free_at = free_at.max(board.now + SignedDuration::from_mins(1));
            let is_soon = seconds(free_at.duration_since(board.now)) < weights.wait;
            let chance = Chance::Later { free_at };
            (is_soon && is_on(person, free_at)).then_some(Candidate { index, person, from, chance })
        };
        match person.standing {
            Standing::Busy { free_at } => columns.extend(later(free_at, from)),
            Standing::Free if !is_on(person, board.now) => {}
            Standing::Free | Standing::Asked(_) => columns.push(now),
            Standing::Going(incident) => {
                columns.push(now);
                if let Some(case) = cases.get(&incident)
                    && let Some((_, expected_at)) = case.going
                {
                    columns.extend(later(expected_at.max(board.now) + case.lasts, plane.spot(case.at)));
                }
            }
        }
    }
    columns
}

/// What things cost on this board.
struct Scale<'b> {
    board: &'b Board,
    weights: &'b Weights,
    urgency_of: HashMap<IncidentId, Urgency>,
    /// What a second of each person's absence is likely to cost, in seconds of somebody's waiting.
    loss: Vec<f64>,
    /// How many cases wait beyond the first, for each person.
    queue: f64,
}

impl<'b> Scale<'b> {
    fn new(board: &'b Board, weights: &'b Weights, plane: Plane) -> Self {
        let waiting = board.cases.iter().filter(|case| case.going.is_none() && case.asked.is_empty()).count();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
        let queue = waiting.saturating_sub(1) as f64 / board.people.len().max(1) as f64;
        Self {
            board,
            weights,
            urgency_of: board.cases.iter().map(|case| (case.incident, case.urgency)).collect(),
            loss: loss(board, weights, plane),
            queue,
        }
    }

    fn worth(&self, urgency: Urgency) -> f64 {
        match urgency {
            Urgency::Urgent => self.weights.urgent,
            Urgency::Routine => 1.0,
        }
    }

    /// What it costs to have a case served by somebody; `None` where that cannot be, or is not done.
    fn cost(&self, case: &Case, there: Spot, candidate: &Candidate<'_>, is_able: bool) -> Option<f64> {
        let (weights, person) = (self.weights, candidate.person);
        let is_urgent = case.urgency == Urgency::Urgent;
        let asking = weights.answer + (1.0 - person.yes) * weights.in_vain + seconds(person.handicap);
        let wait_s = match candidate.chance {
            Chance::Now => 0.0,
            Chance::Later { free_at } => seconds(free_at.duration_since(self.board.now)) + weights.wait_gain,
        };
        let known = case.ways.get(&candidate.index).filter(|_| person.standing == Standing::Free);
        let way = known.map_or_else(|| travel_s(candidate.from, there, person.mode), |way| seconds(*way));
        let (mut wait, mut elsewhere) = match (candidate.chance, person.standing) {
            // What was promised.
            (Chance::Now, Standing::Going(incident)) if incident == case.incident => {
                let (_, expected_at) = case.going?;
                return Some(self.worth(case.urgency) * seconds(expected_at.duration_since(self.board.now)));
            }
            (Chance::Now, Standing::Asked(incident)) if incident == case.incident => {
                let (_, asked_at) = case.asked.iter().find(|(asked, _)| *asked == person.responder)?;
                let is_overdue = seconds(self.board.now.duration_since(*asked_at)) >= weights.patience - 1e-6;
                let kept = if is_overdue { weights.overdue } else { -weights.keep };
                return Some(self.worth(case.urgency) * (way + asking + kept).max(0.0));
            }
            _ if !is_able => return None,
            (Chance::Later { .. }, _) if case.going.is_some() => return None,
            (Chance::Later { .. }, _) => (wait_s + way + asking, 0.0),
            (Chance::Now, Standing::Free) => (way + asking, self.loss_of(case, candidate.index, way)),
            // Taken from somewhere else: never from somebody whose life may hang on it.
            (Chance::Now, Standing::Asked(other) | Standing::Going(other)) => {
                let is_taken_from_routine = self.urgency_of.get(&other) == Some(&Urgency::Routine);
                let is_sure = matches!(person.standing, Standing::Asked(_)) || person.yes >= weights.take_above;
                if !is_taken_from_routine || !is_sure {
                    return None;
                }
                let gain = if is_urgent { weights.take_for_urgent } else { weights.take_for_routine };
                (way + asking + gain, 0.0)
            }
            (Chance::Now, Standing::Busy { .. }) => return None,
        };
        if !is_urgent && person.is_first_aider {
            wait += weights.reserve;
        }
        if case.going.is_some() {
            if case.upgrades >= weights.upgrades_max || !case.asked.is_empty() {
                return None;
            }
            if !is_urgent && person.standing != Standing::Free {
                return None;
            }
            wait += if is_urgent { weights.upgrade_urgent } else { weights.upgrade_routine };
        }
        elsewhere += weights.quick_first * self.queue * (way + seconds(case.lasts));
        Some(self.worth(case.urgency) * wait + elsewhere)
    }

    /// What others are likely to wait longer because somebody goes to this case.
    fn loss_of(&self, case: &Case, index: usize, way: f64) -> f64 {
        let foresight = match case.urgency {
            Urgency::Urgent => self.weights.foresight_urgent,
            Urgency::Routine => 1.0,
        } * self.weights.foresight;
        let left =
            self.board.people[index].until.map_or(f64::INFINITY, |until| seconds(until.duration_since(self.board.now)));
        foresight * self.loss[index] * (way + seconds(case.lasts)).min(left.max(0.0))
    }
}

/// For each free person: what a second without them is likely to cost, in seconds of waiting. For each
/// place where help is likely to be wanted, whoever would be there first is missed by as much as the
/// second would take longer.
fn loss(board: &Board, weights: &Weights, plane: Plane) -> Vec<f64> {
    let mut loss = vec![0.0; board.people.len()];
    let Outlook { calls_an_hour, places, kinds } = &board.outlook;
    if weights.foresight <= 0.0 || places.is_empty() {
        return loss;
    }
    let cases: HashMap<IncidentId, &Case> = board.cases.iter().map(|case| (case.incident, case)).collect();
    // From where each person could set out, and after how long; `None` for whoever may be off again.
    let starts: Vec<Option<(Spot, f64)>> = board
        .people
        .iter()
        .map(|person| match person.standing {
            Standing::Free => Some((plane.spot(person.at), 0.0)),
            Standing::Asked(_) => None,
            Standing::Busy { free_at } => {
                Some((plane.spot(person.at), seconds(free_at.duration_since(board.now)).max(120.0)))
            }
            Standing::Going(incident) => {
                let case = cases.get(&incident)?;
                let (_, expected_at) = case.going?;
                Some((
                    plane.spot(case.at),
                    seconds(expected_at.duration_since(board.now)).max(0.0) + seconds(case.lasts),
                ))
            }
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
    let calls_a_second = calls_an_hour / 3600.0 / places.len() as f64;
    for Kind { urgency, share, able } in kinds {
        let worth = if *urgency == Urgency::Urgent { weights.urgent_ahead } else { 1.0 };
        for place in places.iter().map(|place| plane.spot(*place)) {
            let (mut first, mut second) = ((weights.loss_max, None), weights.loss_max);
            for index in able {
                let Some((from, wait)) = starts[*index] else { continue };
                let there = wait + travel_s(from, place, board.people[*index].mode);
                if there < first.0 {
                    second = first.0;
                    first = (there, Some(*index));
                } else if there < second {
                    second = there;
                }
            }
            if let (there, Some(index)) = first
                && board.people[index].standing == Standing::Free
            {
                loss[index] += calls_a_second * share * worth * (second - there);
            }
        }
    }
    loss
}

fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64()
}
