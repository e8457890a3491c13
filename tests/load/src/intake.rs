//! The intake alone: reports as a gateway hands them over, one position each, into the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dispatcher::config::Config;
use dispatcher::desk::Desk;
use dispatcher::{clock, start};
use domain::place::Source;
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;
use wire::directory::Dialect;
use wire::report::{Fix, Freshness, Report, Stamp, Surroundings, VERSION};
use wire::topics::Lane;

use town::crowd;

use crate::registry;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The database, empty but for its tables, or filled by an earlier run.
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
    #[arg(long, default_value_t = 500_000)]
    terminals: u32,
    /// Concentrators that speak for them.
    #[arg(long, default_value_t = 50)]
    concentrators: u32,
    /// Reports a call.
    #[arg(long, default_value_t = 500)]
    batch: u32,
    /// Calls under way at once.
    #[arg(long, default_value_t = 2)]
    at_once: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { database_url, terminals, concentrators, batch, at_once, seconds } = arguments;
    let pool = start::connect(database_url.parse::<PgConnectOptions>()?, at_once + 4);
    start::prepare(&pool).await?;
    let filled: i64 = sqlx::query_scalar("select count(*) from terminal").fetch_one(&pool).await?;
    if filled == 0 {
        registry::fill(&pool, terminals, concentrators).await?;
    }
    let desk = Desk::new(pool, Arc::new(Config::default()));
    desk.open();
    let next = Arc::new(AtomicU32::new(0));
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut takers = JoinSet::new();
    for _ in 0..at_once {
        let (desk, next) = (desk.clone(), Arc::clone(&next));
        takers.spawn(async move {
            let mut taken = 0;
            let mut slowest = Duration::ZERO;
            while Instant::now() < until {
                let first = next.fetch_add(batch, Ordering::Relaxed);
                let reports: Vec<Report> =
                    (first..first + batch).map(|number| report(number.wrapping_mul(7919) % terminals, first)).collect();
                let called = Instant::now();
                taken += desk.take(&reports).await?.len();
                slowest = slowest.max(called.elapsed());
            }
            anyhow::Ok((taken, slowest))
        });
    }
    let mut taken = 0;
    let mut slowest = Duration::ZERO;
    while let Some(ended) = takers.join_next().await {
        let (one, slow) = ended??;
        taken += one;
        slowest = slowest.max(slow);
    }
    let each = began.elapsed().div_f64(f64::from(u32::try_from(taken)?.max(1)));
    println!("{taken} taken, one in {each:.1?}, slowest call {slowest:.1?}");
    Ok(())
}

fn report(number: u32, salt: u32) -> Report {
    let serial = crowd::serial(number);
    let place = crowd::home(number).moved(f64::from(salt % 37), f64::from(salt % 41));
    Report {
        version: VERSION,
        id: clock::fresh_id(),
        dialect: Dialect::Ydt,
        authenticated: true,
        drill: false,
        lane: Lane::Telemetry,
        topic: format!("ydt/1/{serial}/fix"),
        received_at: clock::now(),
        repeated: false,
        raw: format!(r#"{{"fixes":[{{"lat":{},"lon":{},"acc_m":12.5,"source":"gnss"}}]}}"#, place.lat, place.lon)
            .into_bytes(),
        stamp: Stamp { boot: None, seq: None, device_at: None },
        event: None,
        fixes: vec![Fix {
            lat_deg: place.lat,
            lon_deg: place.lon,
            accuracy_m: Some(12.5),
            device_at: None,
            source: Source::Gnss,
            speed_kmh: None,
            course_deg: None,
            altitude_m: None,
            freshness: Freshness::Live,
        }],
        status: None,
        also: Vec::new(),
        surroundings: Surroundings::default(),
        vitals: Vec::new(),
        doubts: vec![],
        serial,
    }
}
