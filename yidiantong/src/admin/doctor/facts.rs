//! What the doctor looks at: the machine, the settings, the database. Gathered once, judged elsewhere.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dispatcher::clock;
use dispatcher::config::FIXES_KEPT_DAYS;
use dispatcher::store::archive;
use dispatcher::store::checkup::{self, District, Server};
use dispatcher::store::profiles::{Named, named};
use dispatcher::store::schema::{self, Standing};
use gateway::codec::mapped::Profiles;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::admin::backup::copies;
use crate::admin::{Database, Place, unless_stopped};
use crate::settings::{CentreSettings, Settings, unknown_variables};

/// How long something that listens here may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Everything that is looked at. What could not be had is missing.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) settings: Option<Settings>,
    pub(super) settings_error: Option<String>,
    pub(super) settings_from: String,
    pub(super) unknown_variables: Vec<String>,
    /// The profiles of mapped terminals, or why they cannot be used.
    pub(super) profiles: Result<Arc<Profiles>, String>,
    /// Those that terminals are listed with.
    pub(super) profiles_named: Vec<Named>,
    pub(super) data: PathBuf,
    pub(super) disk: Option<Disk>,
    pub(super) mqtt: Port,
    pub(super) http: Port,
    /// Whether a server works with this database.
    pub(super) is_served: bool,
    pub(super) is_console_built: bool,
    pub(super) database_error: Option<String>,
    pub(super) server: Option<Server>,
    /// The database's clock less this machine's.
    pub(super) clock_off_ms: Option<i64>,
    pub(super) standing: Option<Standing>,
    /// Only of tables that are up to date.
    pub(super) district: Option<District>,
    pub(super) backup_age_h: Option<i64>,
    /// This machine's clock.
    pub(super) now: Timestamp,
    pub(super) certificates: Vec<Certificate>,
    /// Whether the database is the one in the data folder.
    pub(super) is_database_ours: bool,
}

/// A certificate that the settings name.
#[derive(Debug)]
pub(super) struct Certificate {
    /// Whose it is.
    pub(super) of: &'static str,
    pub(super) file: PathBuf,
    /// When the first in the file expires, or why that cannot be told.
    pub(super) expires_at: Result<Timestamp, String>,
}

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) free_mb: u64,
    pub(super) inodes_free_pct: u64,
}

#[derive(Debug)]
pub(super) struct Port {
    pub(super) at: SocketAddr,
    pub(super) state: PortState,
}

#[derive(Debug)]
pub(super) enum PortState {
    /// Nobody listens, and we could.
    Free,
    /// Somebody answers.
    Served,
    /// We could not.
    Refused(String),
}

impl Facts {
    pub(super) async fn gather(place: &Place, stop: &CancellationToken) -> anyhow::Result<Self> {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        let read = place.settings();
        let settings_error = read.as_ref().err().map(|error| format!("{error:#}"));
        let settings = read.ok();
        let mut held = settings.clone().unwrap_or_default();
        if let Some(data) = &place.data {
            held.data.clone_from(data);
        }
        let mut facts = Self {
            settings_from: match &place.settings {
                Some(path) => format!("{} can be read", path.display()),
                None => "no file was given (--settings): the defaults hold".into(),
            },
            settings,
            settings_error,
            unknown_variables: unknown_variables(&environment).into_iter().map(str::to_owned).collect(),
            profiles: held.read_profiles().map_err(|error| whole(&error)),
            profiles_named: Vec::new(),
            disk: disk(&held.data),
            mqtt: port(held.mqtt_listen),
            http: port(held.http_listen),
            is_served: false,
            is_console_built: dispatcher::http::is_console_built(),
            database_error: None,
            server: None,
            clock_off_ms: None,
            standing: None,
            district: None,
            backup_age_h: copies(&held.backup_dir())
                .last()
                .map(|(_, manifest)| clock::now().duration_since(manifest.made_at).as_hours()),
            data: held.data.clone(),
            now: clock::now(),
            certificates: certificates(&held),
            is_database_ours: place.database_url.is_none(),
        };
        // A look must not make a cluster where there is none.
        if place.database_url.is_none() && !held.data.join("postgres").is_dir() {
            facts.database_error = Some(format!(
                "there is none in {} yet: `yidiantong serve` or `yidiantong migrate` makes it",
                held.data.display()
            ));
            return Ok(facts);
        }
        match Database::reach(place, &held, stop).await {
            Err(cause) => facts.database_error = Some(format!("{cause:#}")),
            Ok(database) => {
                let asked = unless_stopped(stop, facts.ask(&database)).await;
                database.leave().await?;
                if let Err(cause) = asked {
                    anyhow::ensure!(!stop.is_cancelled(), "stopped");
                    facts.database_error = Some(format!("{cause:#}"));
                }
            }
        }
        Ok(facts)
    }

    async fn ask(&mut self, database: &Database) -> anyhow::Result<()> {
        let mut conn = database.pool.acquire().await?;
        self.is_served = archive::others_connected(&mut conn).await? > 0;
        let before = clock::now();
        let server = checkup::server(&mut conn).await?;
        let after = clock::now();
        // Asked some time between the two.
        let between = before + after.duration_since(before) / 2;
        self.clock_off_ms = i64::try_from(server.now.duration_since(between).as_millis()).ok();
        self.server = Some(server);
        let standing = schema::standing(&mut conn).await?;
        if standing.is_current() {
            let kept_days = self.settings.as_ref().map_or(FIXES_KEPT_DAYS, |settings| settings.fixes_kept_days);
            self.district = Some(checkup::district(&mut conn, kept_days).await?);
            self.profiles_named = named(&mut conn).await?;
        }
        self.standing = Some(standing);
        Ok(())
    }
}

fn disk(data: &Path) -> Option<Disk> {
    let found = rustix::fs::statvfs(data).ok()?;
    // Some file systems do not count them.
    let inodes_free_pct = (found.f_favail * 100).checked_div(found.f_files).unwrap_or(100);
    Some(Disk { free_mb: found.f_bavail * found.f_frsize / 1_000_000, inodes_free_pct })
}

pub(super) fn certificates(settings: &Settings) -> Vec<Certificate> {
    let door = &settings.door;
    let of_door = [
        ("the door's certificate", &door.certificate_file),
        ("the authority of terminals' certificates", &door.client_ca_file),
    ];
    let of_centres = settings.centres.iter().flat_map(|centre| {
        [("our certificate for a centre", &centre.client_certificate_file), ("a centre's authority", &centre.ca_file)]
    });
    let named = of_door.into_iter().chain(of_centres).filter_map(|(of, file)| Some((of, file.clone()?)));
    let looked_at = |(of, file): (&'static str, PathBuf)| {
        let expires_at = broker::expires_at(&file).map_err(|error| whole(&error));
        Certificate { of, file, expires_at }
    };
    named.map(looked_at).collect()
}

fn port(at: SocketAddr) -> Port {
    let state = match TcpListener::bind(at) {
        Ok(_) => PortState::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => match TcpStream::connect_timeout(&at, ANSWERS_WITHIN) {
            Ok(_) => PortState::Served,
            Err(error) => PortState::Refused(format!("it is in use, and nothing answers ({error})")),
        },
        Err(error) => PortState::Refused(error.to_string()),
    };
    Port { at, state }
}

/// What keeps a centre from being reached as it is set up.
pub(super) fn link_fault(centre: &CentreSettings) -> Result<(), String> {
    centre.link().map(drop).map_err(|error| whole(&error))
}

/// An error with its causes.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |whole, cause| format!("{whole}: {cause}"))
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
pub(super) fn as_seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
