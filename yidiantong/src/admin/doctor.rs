//! `yidiantong doctor`: looks at everything, and says in a sentence what is wrong and what to do.
//!
//! What is looked at is gathered once ([`Facts`]); each check is a small function over it, in the table [`CHECKS`]. A
//! check whose facts cannot be had, because the database is away, is left out: that the database is away is said.

mod facts;

use dispatcher::store::checkup;
use dispatcher::store::profiles::Named;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use wire::directory::Dialect;

use self::facts::Facts;
use super::terminal::profiles::fault;
use super::{Place, say, say_json};

/// Look at everything, and say what is wrong and what to do. Exit status 1 when anything is wrong.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Tell everything as JSON.
    #[arg(long)]
    json: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Fine(String),
    /// It works, but somebody should see to it.
    Warn { says: String, todo: String },
    /// It does not work, or will not.
    Wrong { says: String, todo: String },
    /// There is nothing to look at.
    Nothing,
}

/// What is told of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    level: &'static str,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

fn fine(says: impl Into<String>) -> Verdict {
    Verdict::Fine(says.into())
}

fn warn(says: impl Into<String>, todo: impl Into<String>) -> Verdict {
    Verdict::Warn { says: says.into(), todo: todo.into() }
}

fn wrong(says: impl Into<String>, todo: impl Into<String>) -> Verdict {
    Verdict::Wrong { says: says.into(), todo: todo.into() }
}

type Check = (&'static str, fn(&Facts) -> Verdict);

/// Every check, in the order in which they are told.
const CHECKS: &[Check] = &[
    ("settings", settings),
    ("variables", variables),
    ("profiles", profiles),
    ("profiles of terminals", profiles_of_terminals),
    ("disk", disk),
    ("certificates", certificates),
    ("mqtt port", |facts| port(facts, "terminals connect", &facts.mqtt)),
    ("http port", |facts| port(facts, "console and API answer", &facts.http)),
    ("console", console),
    ("centres", centres),
    ("mail", mail),
    ("sms", texts),
    ("database", database),
    ("PostgreSQL", postgresql),
    ("PostGIS", postgis),
    ("durability", durability),
    ("clock", clock),
    ("tables", tables),
    ("partitions", partitions),
    ("growth", growth),
    ("doors", doors),
    ("overdue", overdue),
    ("outbox", outbox),
    ("users", users),
    ("residents", residents),
    ("homes", homes),
    ("contacts", contacts),
    ("wearers", wearers),
    ("terminals", terminals),
    ("providers", providers),
    ("areas", areas),
    ("overlaps", overlaps),
    ("backup", backup),
];

impl Doctor {
    /// Does it. False: something is wrong.
    pub async fn run(&self, place: &Place, stop: &CancellationToken) -> anyhow::Result<bool> {
        let facts = Box::pin(Facts::gather(place, stop)).await?;
        let findings = examine(&facts);
        let is_well = findings.iter().all(|finding| finding.level != "wrong");
        if self.json {
            say_json(&findings)?;
            return Ok(is_well);
        }
        for Finding { check, level, says, todo } in &findings {
            match todo {
                None => say(format_args!("{level:<5} {check}: {says}")),
                Some(todo) => say(format_args!("{level:<5} {check}: {says}. {todo}.")),
            }
        }
        Ok(is_well)
    }
}

fn examine(facts: &Facts) -> Vec<Finding> {
    let finding = |(check, look): &Check| {
        let (level, says, todo) = match look(facts) {
            Verdict::Fine(says) => ("ok", says, None),
            Verdict::Warn { says, todo } => ("warn", says, Some(todo)),
            Verdict::Wrong { says, todo } => ("wrong", says, Some(todo)),
            Verdict::Nothing => return None,
        };
        Some(Finding { check, level, says, todo })
    };
    CHECKS.iter().filter_map(finding).collect()
}

// ---- the machine -----------------------------------------------------------------------------------

fn settings(facts: &Facts) -> Verdict {
    match &facts.settings_error {
        None => fine(facts.settings_from.clone()),
        Some(why) => wrong(
            why.clone(),
            "`yidiantong config` prints a file with every setting; what follows goes by the defaults",
        ),
    }
}

fn variables(facts: &Facts) -> Verdict {
    match &facts.unknown_variables[..] {
        [] => Verdict::Nothing,
        some => warn(
            format!("{} looks like a setting and is none", some.join(", ")),
            "`yidiantong config` lists the variables that there are",
        ),
    }
}

fn profiles(facts: &Facts) -> Verdict {
    match &facts.profiles {
        Err(why) => wrong(why.clone(), "Put it right: nothing starts with it (docs/dialects/mapped.md)"),
        Ok(profiles) => {
            let names: Vec<&str> = profiles.iter().map(|profile| profile.name()).collect();
            fine(format!("terminals with JSON of their own: {}", names.join(", ")))
        }
    }
}

/// Terminals whose profile there is not any more.
fn profiles_of_terminals(facts: &Facts) -> Verdict {
    let Ok(profiles) = &facts.profiles else { return Verdict::Nothing };
    let fault = |named: &Named| {
        let dialect = Dialect::parse(&named.dialect)?;
        let fault = fault(dialect, &named.profile, profiles)?;
        let more = usize::try_from(named.terminals).unwrap_or(usize::MAX).saturating_sub(named.serials.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!("{}{more}: {fault}", named.serials.join(", ")))
    };
    let faults: Vec<String> = facts.profiles_named.iter().filter_map(fault).collect();
    match &faults[..] {
        [] if facts.profiles_named.is_empty() => Verdict::Nothing,
        [] => fine("there is every profile that terminals are listed with"),
        faults => warn(
            faults.join("; "),
            "A mapped terminal of these is not heard: define its profile (`profiles = [...]`), or list it with another",
        ),
    }
}

const DISK_LEAST_MB: u64 = 1_000;
const DISK_ROOMY_MB: u64 = 10_000;

fn disk(facts: &Facts) -> Verdict {
    let Some(disk) = &facts.disk else {
        return warn(
            format!("the data folder {} is not there yet", facts.data.display()),
            "`yidiantong serve` makes it; with --data you can name another",
        );
    };
    let says = format!("{} MB free in {}", disk.free_mb, facts.data.display());
    let todo = "Make room or move the data folder to a larger disk: on a full disk no press can be stored";
    match disk.free_mb {
        free if free < DISK_LEAST_MB || disk.inodes_free_pct < 2 => wrong(says, todo),
        free if free < DISK_ROOMY_MB => warn(says, todo),
        _ => fine(says),
    }
}

/// A certificate that expires sooner than this, in days, is to be renewed.
const RENEW_DAYS: i64 = 21;

fn certificates(facts: &Facts) -> Verdict {
    let told = |certificate: &facts::Certificate, how: &str| {
        format!("{} ({}) {how}", certificate.of, certificate.file.display())
    };
    let days = |certificate: &facts::Certificate| {
        certificate.expires_at.as_ref().ok().map(|at| at.duration_since(facts.now).as_secs().div_euclid(86_400))
    };
    for certificate in &facts.certificates {
        if let Err(why) = &certificate.expires_at {
            return wrong(told(certificate, &format!("cannot be used: {why}")), "Put it right in the settings");
        }
    }
    let first = facts.certificates.iter().min_by_key(|certificate| days(certificate));
    let Some((first, days)) = first.and_then(|first| Some((first, days(first)?))) else { return Verdict::Nothing };
    let todo = "Put a new one in its place; the door takes a changed file over within ten seconds, everything else at \
                the next start";
    match days {
        ..0 => wrong(told(first, &format!("expired {} days ago", -days)), todo),
        0..RENEW_DAYS => warn(told(first, &format!("expires in {days} days")), todo),
        _ => fine(told(first, &format!("is the first to expire, in {days} days"))),
    }
}

fn port(facts: &Facts, what: &str, port: &facts::Port) -> Verdict {
    let at = port.at;
    match (&port.state, facts.is_served) {
        (facts::PortState::Served, true) => fine(format!("{what} at {at}")),
        (facts::PortState::Free, false) => fine(format!("{at} is free for where {what}")),
        (facts::PortState::Free, true) => wrong(
            format!("a server runs, but nothing answers at {at}, where {what}"),
            "Look into its log for what it says of this address",
        ),
        (facts::PortState::Served, false) => warn(
            format!("another program answers at {at}, where {what}"),
            "End it, or choose another address in the settings, unless it is a server over another data folder",
        ),
        (facts::PortState::Refused(why), _) => {
            wrong(format!("{at} cannot be listened on: {why}"), "Choose another address in the settings")
        }
    }
}

fn console(facts: &Facts) -> Verdict {
    if facts.is_console_built {
        fine("the pages are in this executable")
    } else {
        wrong(
            "this executable was built without the console's pages",
            "Build it with `make release`, which builds them first",
        )
    }
}

fn centres(facts: &Facts) -> Verdict {
    let Some(settings) = &facts.settings else { return Verdict::Nothing };
    if settings.centres.is_empty() {
        return warn(
            "no centre is reached by data: 120 is a telephone call every time",
            "Put a [[centre]] into the settings once yours takes our message (docs/120.md)",
        );
    }
    for centre in &settings.centres {
        if let Err(why) = facts::link_fault(centre) {
            return wrong(format!("{}: {why}", centre.number), "Put it right in the settings");
        }
        if centre.secret.len() < 16 {
            return warn(
                format!("the secret between us and {} has {} characters", centre.number, centre.secret.len()),
                "Agree on one with at least 16 that nobody can guess",
            );
        }
    }
    let numbers: Vec<String> = settings.centres.iter().map(|centre| centre.number.to_string()).collect();
    fine(format!("{} reached by data", numbers.join(", ")))
}

fn mail(facts: &Facts) -> Verdict {
    let Some(settings) = &facts.settings else { return Verdict::Nothing };
    let Some(mail) = &settings.mail else {
        return warn(
            "there is none: contacts are told by webhook only, if at all",
            "Put [mail] into the settings with the server that takes our mails",
        );
    };
    match mail.link() {
        Ok(_) => fine(format!("from {}", mail.from)),
        Err(why) => wrong(facts::whole(&why), "Put it right in the settings: the server does not start with it"),
    }
}

fn texts(facts: &Facts) -> Verdict {
    let Some(settings) = &facts.settings else { return Verdict::Nothing };
    let Some(sms) = &settings.sms else {
        return warn(
            "nobody takes our text messages: contacts with a telephone only are telephoned by the operator, or not told",
            "Put [sms] into the settings with your provider (docs/channels.md)",
        );
    };
    match sms.link() {
        Ok(_) => fine("a provider takes them"),
        Err(why) => wrong(facts::whole(&why), "Put it right in the settings: the server does not start with it"),
    }
}

// ---- the database ----------------------------------------------------------------------------------

fn database(facts: &Facts) -> Verdict {
    match (&facts.database_error, facts.is_served) {
        (None, true) => fine("it answers, and a server works with it"),
        (None, false) => fine("it answers; no server runs"),
        (Some(why), _) => wrong(
            why.clone(),
            "Nothing can be stored without it: see docs/runbook.md, \"The database is gone\"; what is in it was not looked at",
        ),
    }
}

const OLDEST_POSTGRESQL: i32 = 140_000;

fn postgresql(facts: &Facts) -> Verdict {
    let Some(server) = &facts.server else { return Verdict::Nothing };
    let version = format!("version {}.{}", server.version_num / 10_000, server.version_num % 10_000);
    if server.version_num < OLDEST_POSTGRESQL {
        return wrong(format!("{version} is older than 14"), "Move the data to a newer one with pg_upgrade");
    }
    fine(format!("{version}, {} MB of data", server.size_bytes / 1_000_000))
}

fn postgis(facts: &Facts) -> Verdict {
    let Some(server) = &facts.server else { return Verdict::Nothing };
    match &server.postgis {
        Some(version) => fine(format!("version {version}")),
        None => wrong(
            "the extension is not in this database",
            "Install `postgresql-postgis`, then `create extension postgis` as the database's owner",
        ),
    }
}

fn durability(facts: &Facts) -> Verdict {
    let Some(server) = &facts.server else { return Verdict::Nothing };
    if server.not_durable.is_empty() {
        return fine("what is acknowledged survives a loss of power");
    }
    wrong(
        format!("{} is off: an acknowledged press could be lost", server.not_durable.join(", ")),
        "Set it to on; the server does not start before",
    )
}

/// More than a network and a busy machine explain.
const CLOCK_OFF_MS: i64 = 2_000;

fn clock(facts: &Facts) -> Verdict {
    let Some(off_ms) = facts.clock_off_ms else { return Verdict::Nothing };
    if off_ms.abs() < CLOCK_OFF_MS {
        return fine(format!("the database's and this machine's differ by {} ms", off_ms.abs()));
    }
    warn(
        format!("the database's clock and this machine's differ by {:.1} s", facts::as_seconds(off_ms)),
        "Let both follow a time server (`timedatectl set-ntp true`): deadlines go by the database's, signatures by this machine's",
    )
}

fn tables(facts: &Facts) -> Verdict {
    let Some(standing) = &facts.standing else { return Verdict::Nothing };
    if let [version, ..] = standing.unknown[..] {
        return wrong(
            format!("they are of version {version}, which a newer yidiantong has made"),
            "Use that one; this one refuses to work with them",
        );
    }
    if let [version, ..] = standing.failed[..] {
        return wrong(
            format!("migration {version} began and did not finish"),
            "Restore the last backup, or see what it left in the database, and run `yidiantong migrate` again",
        );
    }
    if let [version, ..] = standing.changed[..] {
        return wrong(
            format!("migration {version} was carried out in another wording than is known here"),
            "Use the executable that made the tables",
        );
    }
    if standing.version.is_none() {
        return warn("there are none yet", "`yidiantong migrate` makes them, and so does `yidiantong serve`");
    }
    if !standing.pending.is_empty() {
        return wrong(
            format!("{} migrations are pending", standing.pending.len()),
            "Make a backup, then run `yidiantong migrate`; the server does the same when it starts",
        );
    }
    fine(format!("version {}", standing.version.unwrap_or_default()))
}

/// Fewer days than these with a place for positions, today among them, are too few: tomorrow must have one, and the day
/// after, so that nobody has to come at night.
const PARTITIONS_FEW: i64 = 3;

fn partitions(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    let stray = if district.unfiled_fixes > 0 {
        format!(", {} fixes lie in none", district.unfiled_fixes)
    } else {
        String::new()
    };
    let says = match district.partition_days {
        0 => format!("positions of today have no place of their own{stray}"),
        1 => format!("positions of today have a place, those of tomorrow have none{stray}"),
        days => format!("positions of today and the next {} days have a place{stray}", days - 1),
    };
    let look = "The server makes them when it starts and each day: look into its log, and into the default partition \
                (`fix_default`), which keeps a day from being made that it holds fixes of";
    match (district.partition_days, facts.is_served) {
        (0, true) => wrong(says, look),
        (days, true) if days < PARTITIONS_FEW => warn(says, look),
        (days, false) if days < PARTITIONS_FEW => warn(says, "The server makes them when it starts"),
        _ if district.unfiled_fixes > 0 => {
            warn(says, "They are read as the others are, and given up later: look into the log of that day")
        }
        _ => fine(says),
    }
}

/// What the disk must have left besides what positions will take.
const DISK_SPARE_MB: u64 = DISK_LEAST_MB;

fn growth(facts: &Facts) -> Verdict {
    let (Some(server), Some(district), Some(settings)) = (&facts.server, &facts.district, &facts.settings) else {
        return Verdict::Nothing;
    };
    let mb = |bytes: i64| u64::try_from(bytes).unwrap_or(0) / 1_000_000;
    let size_mb = mb(server.size_bytes);
    let Some(a_day) = district.fix_bytes_a_day else {
        return fine(format!("{size_mb} MB; no whole day of positions has been filed yet to tell by"));
    };
    let kept_days = i64::from(settings.fixes_kept_days.get());
    let to_come_mb = mb(a_day.saturating_mul((kept_days - district.fix_days).max(0)));
    let says = format!(
        "{size_mb} MB, {} MB a day of positions: {to_come_mb} MB more until {kept_days} days are kept",
        mb(a_day)
    );
    // What an outside database has left cannot be asked in SQL.
    match &facts.disk {
        Some(disk) if facts.is_database_ours && disk.free_mb < to_come_mb + DISK_SPARE_MB => warn(
            format!("{says}, and {} MB are free", disk.free_mb),
            "Make room, move the data folder to a larger disk, or keep positions for fewer days (`fixes_kept_days`)",
        ),
        _ if facts.is_database_ours => fine(says),
        _ => fine(format!("{says}; how much room the database's own machine has is to be watched there")),
    }
}

fn doors(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    let names = |doors: &[checkup::Door], is: fn(&checkup::Door) -> bool| {
        doors.iter().filter(|door| is(door)).map(|door| door.name.clone()).collect::<Vec<_>>().join(", ")
    };
    if facts.is_served && district.doors.iter().any(|door| door.is_silent) {
        return warn(
            format!("not heard of any more: {}", names(&district.doors, |door| door.is_silent)),
            "Start it again, or wait: a door that has been taken away is forgotten after a week",
        );
    }
    let is_over = |door: &checkup::Door| door.certificate_days.is_some_and(|days| days < 0);
    let is_soon = |door: &checkup::Door| door.certificate_days.is_some_and(|days| days < RENEW_DAYS);
    if district.doors.iter().any(is_over) {
        return wrong(
            format!("the certificate that they show has expired: {}", names(&district.doors, is_over)),
            "Put a new one in its place: a changed file counts within ten seconds",
        );
    }
    if district.doors.iter().any(is_soon) {
        return warn(
            format!(
                "the certificate that they show expires within {RENEW_DAYS} days: {}",
                names(&district.doors, is_soon)
            ),
            "Put a new one in its place: a changed file counts within ten seconds",
        );
    }
    match district.doors.len() {
        0 => Verdict::Nothing,
        count => fine(format!("{count} known")),
    }
}

fn overdue(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match (district.overdue, facts.is_served) {
        (0, _) => fine(format!("{} open cases, none waits longer than it should", district.open)),
        (late, true) => wrong(
            format!("{late} of {} open cases should have been woken more than a minute ago", district.open),
            "The server is stuck or overloaded: look into its log, then restart it; nothing is lost by that",
        ),
        (late, false) => wrong(
            format!("{late} of {} open cases wait for a server, and none runs", district.open),
            "Start it: people are waiting",
        ),
    }
}

fn outbox(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match (district.unsent, facts.is_served) {
        (0, _) => fine("nothing waits to be sent"),
        (count, true) => warn(
            format!("{count} messages should have left more than a minute ago"),
            "A far end is deaf, or the network is down: the ledger on each case says what it answered",
        ),
        (count, false) => warn(format!("{count} messages wait to be sent"), "Start the server"),
    }
}

// ---- the district ----------------------------------------------------------------------------------

fn users(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    let says = format!(
        "{} can log in, {} of them answer calls, {} administer",
        district.users, district.answering, district.admins
    );
    match (district.answering, district.admins) {
        (0, _) => wrong(
            format!("{says}: a press rings for nobody"),
            "`yidiantong user add LOGIN --role operator` adds somebody",
        ),
        (_, 0) => warn(says, "`yidiantong user add LOGIN --role admin` adds an administrator"),
        _ => fine(says),
    }
}

fn residents(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match district.residents {
        0 => warn("there are none", "`yidiantong import residents FILE.csv` brings in a list"),
        count => fine(count.to_string()),
    }
}

fn homes(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match (district.residents_without_home, district.residents) {
        (_, 0) => Verdict::Nothing,
        (0, _) => fine("every resident has one"),
        (count, of) => warn(
            format!(
                "{count} of {of} residents have no home on the map: without a position nobody can be sent to them by distance"
            ),
            "Bring in a list with their coordinates",
        ),
    }
}

fn contacts(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match (district.residents_without_contact, district.residents) {
        (_, 0) => Verdict::Nothing,
        (0, _) => fine("every resident has somebody to be told"),
        (count, of) => warn(
            format!("{count} of {of} residents have nobody to be told"),
            "Bring in a list with 联系人 and 联系人电话",
        ),
    }
}

fn wearers(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match (district.residents_without_terminal, district.residents) {
        (_, 0) => Verdict::Nothing,
        (0, _) => fine("every resident has a terminal"),
        (count, of) => warn(
            format!("{count} of {of} residents have no terminal that may connect"),
            "`yidiantong terminal assign SERIAL RESIDENT` gives them one",
        ),
    }
}

fn terminals(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match district.idle_terminals_count {
        0 => fine("each that may connect is worn by somebody"),
        count => warn(
            format!("{count} may connect and are worn by nobody ({})", some_of(&district.idle_terminals, count)),
            "A press from one is a case without a person: assign it, or revoke it",
        ),
    }
}

fn providers(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match &district.idle_providers[..] {
        [] => fine("each has a contract somewhere"),
        some => warn(
            format!("without a contract that runs, and so never asked: {}", some.join(", ")),
            "`yidiantong import providers FILE.csv` with 区域 and 类别 gives them one",
        ),
    }
}

fn areas(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match (&district.nodes_without_area[..], district.nodes_with_area) {
        (_, 0) => warn(
            "no place has an area: where somebody is cannot be told from their position",
            "`yidiantong node area PATH FILE.geojson` gives one",
        ),
        ([], count) => fine(format!("{count} places have one")),
        (some, _) => warn(
            format!("places without one: {}", some.join(", ")),
            "`yidiantong node area PATH FILE.geojson` gives one",
        ),
    }
}

fn overlaps(facts: &Facts) -> Verdict {
    let Some(district) = &facts.district else { return Verdict::Nothing };
    match &district.overlaps[..] {
        [] => Verdict::Nothing,
        some => warn(
            format!("places lie over one another: {}", some.join("; ")),
            "Draw one of each pair anew: whoever is in both belongs to either",
        ),
    }
}

const BACKUP_OLD_H: i64 = 26;
const BACKUP_TOO_OLD_H: i64 = 24 * 8;

fn backup(facts: &Facts) -> Verdict {
    let Some(settings) = &facts.settings else { return Verdict::Nothing };
    let folder = settings.backup_dir();
    let todo = format!(
        "`yidiantong backup` makes one in {}; let a timer do it each night (docs/runbook.md)",
        folder.display()
    );
    match facts.backup_age_h {
        None => warn("there is none", todo),
        Some(hours) if hours > BACKUP_TOO_OLD_H => wrong(format!("the last is {} days old", hours / 24), todo),
        Some(hours) if hours > BACKUP_OLD_H => warn(format!("the last is {hours} hours old"), todo),
        Some(hours) => fine(format!("the last is {hours} hours old, in {}", folder.display())),
    }
}

fn some_of(names: &[String], count: i64) -> String {
    let more = count - i64::try_from(names.len()).unwrap_or(count);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

#[cfg(test)]
mod tests {
    use dispatcher::store::checkup::{District, Door, Server};
    use dispatcher::store::schema::Standing;
    use jiff::{SignedDuration, Timestamp};

    use std::sync::Arc;

    use gateway::codec::mapped::Profiles;

    use super::facts::{Certificate, Disk, Port, PortState};
    use super::*;
    use crate::settings::Settings;

    /// An installation as it should be.
    fn well() -> Facts {
        Facts {
            settings: Some(Settings::default()),
            settings_error: None,
            settings_from: "defaults".into(),
            unknown_variables: Vec::new(),
            profiles: Ok(Arc::new(Profiles::shipped())),
            profiles_named: Vec::new(),
            data: "/var/lib/yidiantong".into(),
            disk: Some(Disk { free_mb: 50_000, inodes_free_pct: 90 }),
            mqtt: Port { at: "127.0.0.1:1883".parse().unwrap(), state: PortState::Served },
            http: Port { at: "127.0.0.1:8080".parse().unwrap(), state: PortState::Served },
            is_served: true,
            is_console_built: true,
            database_error: None,
            server: Some(Server {
                version_num: 150_018,
                postgis: Some("3.3.2".into()),
                not_durable: Vec::new(),
                now: jiff::Timestamp::UNIX_EPOCH,
                size_bytes: 1,
            }),
            clock_off_ms: Some(3),
            standing: Some(Standing { version: Some(8), ..Standing::default() }),
            district: Some(District {
                users: 3,
                admins: 1,
                answering: 2,
                residents: 277,
                nodes_with_area: 5,
                partition_days: 4,
                fix_bytes_a_day: Some(100_000_000),
                fix_days: 10,
                doors: door(false, Some(200)),
                ..District::default()
            }),
            backup_age_h: Some(3),
            now: NOW,
            certificates: vec![certificate(Ok(NOW + SignedDuration::from_hours(24 * 200)))],
            is_database_ours: true,
        }
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn certificate(expires_at: Result<Timestamp, String>) -> Certificate {
        Certificate { of: "the door's", file: "/etc/yidiantong/door.pem".into(), expires_at }
    }

    fn expiring(days: i64) -> Vec<Certificate> {
        let late = certificate(Ok(NOW + SignedDuration::from_hours(24 * 200)));
        vec![late, certificate(Ok(NOW + SignedDuration::from_hours(24 * days)))]
    }

    fn door(is_silent: bool, certificate_days: Option<i64>) -> Vec<Door> {
        vec![Door { name: "east".into(), is_silent, certificate_days }]
    }

    fn level(facts: &Facts, check: &str) -> &'static str {
        let findings = examine(facts);
        findings.into_iter().find(|finding| finding.check == check).map_or("nothing", |finding| finding.level)
    }

    #[test]
    fn an_installation_as_it_should_be_has_nothing_wrong() {
        let findings = examine(&well());
        let amiss: Vec<_> = findings.iter().filter(|finding| finding.level != "ok").collect();
        // Without a centre 120 is a telephone call, and nobody is mailed: that is said of every new installation.
        assert_eq!(amiss.iter().map(|finding| finding.check).collect::<Vec<_>>(), ["centres", "mail", "sms"]);
    }

    fn named(dialect: &str, profile: &str) -> Named {
        let serials = vec!["W1".to_owned(), "W2".to_owned()];
        Named { dialect: dialect.into(), profile: profile.into(), terminals: 7, serials }
    }

    #[test]
    fn terminals_whose_profile_is_gone_are_named() {
        let facts = Facts { profiles_named: vec![named("mapped", "g617"), named("gt06", "language")], ..well() };
        let Verdict::Warn { says, .. } = profiles_of_terminals(&facts) else { panic!("nothing is said") };
        assert!(
            says.starts_with("W1, W2 and 5 more: no profile is called \"g617\"; these settings have g616"),
            "{says}"
        );
        assert!(!says.contains("language"), "{says}");
    }

    #[test]
    fn each_thing_that_can_be_amiss_is_found_by_its_check() {
        type Spoil = fn(&mut Facts);
        let cases: &[(&str, &str, Spoil)] = &[
            ("settings", "wrong", |facts| facts.settings_error = Some("no".into())),
            ("variables", "warn", |facts| facts.unknown_variables = vec!["YDT_X".into()]),
            ("profiles", "wrong", |facts| facts.profiles = Err("line 3: no".into())),
            ("profiles of terminals", "nothing", |facts| facts.profiles_named = Vec::new()),
            ("profiles of terminals", "ok", |facts| facts.profiles_named = vec![named("mapped", "g616")]),
            ("profiles of terminals", "warn", |facts| facts.profiles_named = vec![named("mapped", "g617")]),
            ("profiles of terminals", "warn", |facts| facts.profiles_named = vec![named("jt808", "utc,g616")]),
            ("disk", "wrong", |facts| facts.disk = Some(Disk { free_mb: 10, inodes_free_pct: 90 })),
            ("disk", "warn", |facts| facts.disk = Some(Disk { free_mb: 5_000, inodes_free_pct: 90 })),
            ("mqtt port", "wrong", |facts| facts.mqtt.state = PortState::Free),
            ("http port", "warn", |facts| facts.is_served = false),
            ("console", "wrong", |facts| facts.is_console_built = false),
            ("database", "wrong", |facts| facts.database_error = Some("gone".into())),
            ("PostgreSQL", "wrong", |facts| facts.server.as_mut().unwrap().version_num = 130_004),
            ("PostGIS", "wrong", |facts| facts.server.as_mut().unwrap().postgis = None),
            ("durability", "wrong", |facts| facts.server.as_mut().unwrap().not_durable = vec!["fsync".into()]),
            ("clock", "warn", |facts| facts.clock_off_ms = Some(-5_000)),
            ("tables", "wrong", |facts| facts.standing.as_mut().unwrap().pending = vec![9]),
            ("tables", "wrong", |facts| facts.standing.as_mut().unwrap().failed = vec![8]),
            ("tables", "wrong", |facts| facts.standing.as_mut().unwrap().unknown = vec![99]),
            ("tables", "warn", |facts| facts.standing.as_mut().unwrap().version = None),
            ("partitions", "wrong", |facts| facts.district.as_mut().unwrap().partition_days = 0),
            ("partitions", "warn", |facts| facts.district.as_mut().unwrap().partition_days = 1),
            ("partitions", "warn", |facts| facts.district.as_mut().unwrap().partition_days = 2),
            ("partitions", "ok", |facts| facts.district.as_mut().unwrap().partition_days = 3),
            ("partitions", "warn", |facts| facts.district.as_mut().unwrap().unfiled_fixes = 1),
            // 80 days of 100 MB are still to come.
            ("growth", "ok", |facts| facts.disk = Some(Disk { free_mb: 9_000, inodes_free_pct: 90 })),
            ("growth", "warn", |facts| facts.disk = Some(Disk { free_mb: 8_900, inodes_free_pct: 90 })),
            ("growth", "ok", |facts| {
                (facts.disk, facts.is_database_ours) = (Some(Disk { free_mb: 8_900, inodes_free_pct: 90 }), false);
            }),
            ("growth", "ok", |facts| facts.district.as_mut().unwrap().fix_bytes_a_day = None),
            ("certificates", "wrong", |facts| facts.certificates.push(certificate(Err("no".into())))),
            ("certificates", "wrong", |facts| facts.certificates = expiring(-1)),
            ("certificates", "warn", |facts| facts.certificates = expiring(0)),
            ("certificates", "warn", |facts| facts.certificates = expiring(20)),
            ("certificates", "ok", |facts| facts.certificates = expiring(21)),
            ("certificates", "nothing", |facts| facts.certificates = Vec::new()),
            ("doors", "warn", |facts| facts.district.as_mut().unwrap().doors = door(true, None)),
            ("doors", "wrong", |facts| facts.district.as_mut().unwrap().doors = door(false, Some(-1))),
            ("doors", "warn", |facts| facts.district.as_mut().unwrap().doors = door(false, Some(20))),
            ("doors", "nothing", |facts| facts.district.as_mut().unwrap().doors = Vec::new()),
            ("overdue", "wrong", |facts| facts.district.as_mut().unwrap().overdue = 1),
            ("outbox", "warn", |facts| facts.district.as_mut().unwrap().unsent = 1),
            ("users", "wrong", |facts| facts.district.as_mut().unwrap().answering = 0),
            ("users", "warn", |facts| facts.district.as_mut().unwrap().admins = 0),
            ("residents", "warn", |facts| facts.district.as_mut().unwrap().residents = 0),
            ("homes", "warn", |facts| facts.district.as_mut().unwrap().residents_without_home = 1),
            ("contacts", "warn", |facts| facts.district.as_mut().unwrap().residents_without_contact = 1),
            ("wearers", "warn", |facts| facts.district.as_mut().unwrap().residents_without_terminal = 1),
            ("terminals", "warn", |facts| facts.district.as_mut().unwrap().idle_terminals_count = 1),
            ("providers", "warn", |facts| facts.district.as_mut().unwrap().idle_providers = vec!["x".into()]),
            ("areas", "warn", |facts| facts.district.as_mut().unwrap().nodes_without_area = vec!["x".into()]),
            ("overlaps", "warn", |facts| facts.district.as_mut().unwrap().overlaps = vec!["x and y".into()]),
            ("backup", "warn", |facts| facts.backup_age_h = None),
            ("backup", "wrong", |facts| facts.backup_age_h = Some(1_000)),
        ];
        for (check, expected, spoil) in cases {
            let mut facts = well();
            spoil(&mut facts);
            assert_eq!(level(&facts, check), *expected, "{check}");
        }
        // Each check is seen to find something, but for the two that do so above.
        for (check, _) in CHECKS {
            assert!(
                ["centres", "mail", "sms"].contains(check) || cases.iter().any(|(tried, ..)| tried == check),
                "{check} is never tried"
            );
        }
    }

    #[test]
    fn certificates_are_read_from_the_files_that_the_settings_name() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let until = |year: i32| {
            let mut params = rcgen::CertificateParams::new(["door.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
        };
        let mut settings = Settings::default();
        assert!(facts::certificates(&settings).is_empty());
        // The chain holds for as long as all of it does.
        settings.door.certificate_file = write("door.pem", &(until(2041) + &until(2031)));
        settings.door.client_ca_file = write("ca.pem", "no certificate");
        let found = facts::certificates(&settings);
        assert_eq!(found[0].expires_at, Ok("2031-03-01T00:00:00Z".parse().unwrap()));
        assert!(found[1].expires_at.as_ref().is_err_and(|why| why.contains("ca.pem")), "{:?}", found[1]);
    }

    #[test]
    fn without_a_database_only_that_is_said_of_it() {
        let facts = Facts {
            database_error: Some("gone".into()),
            server: None,
            clock_off_ms: None,
            standing: None,
            district: None,
            ..well()
        };
        assert_eq!(
            (level(&facts, "database"), level(&facts, "tables"), level(&facts, "users")),
            ("wrong", "nothing", "nothing")
        );
    }
}
