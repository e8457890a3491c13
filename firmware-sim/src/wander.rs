//! One wearer who walks away from home, on and on, along streets: the pager in their pocket tells where
//! they are every few seconds. It takes the place of the same pager in a [`crate::fleet`].

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use town::dice::Dice;
use town::ground::{Point, along, length_m};
use wire::ydt::Fix;

use crate::clock;
use crate::fleet::client_id;
use crate::pager::{self, Event, Input, Pager, PagerError, Session};

/// From one corner to the next.
const BLOCK_M: (f64, f64) = (90.0, 200.0);
/// An old person's walk.
const PACE_M_S: f64 = 1.1;
const ACCURACY_M: f64 = 8.0;
/// Who is home again tells so as often as this before their pager is switched off: one position proves nothing.
const RESTS_FOR: f64 = 36.0;

/// What somebody does who has gone as far as they wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Then {
    /// Stands there until they are found.
    #[default]
    Stays,
    /// Walks home again and rests there for a while; then the walk is over.
    Returns,
}

/// A walk.
#[derive(Debug, Clone)]
pub struct Config {
    /// The pager, with a place to begin at: home.
    pub pager: pager::Config,
    /// How far from home, in metres.
    pub distance_m: f64,
    /// How many times faster than an old person walks.
    pub speed: f64,
    /// How often the pager tells where it is.
    pub fix_every: Duration,
    /// And then.
    pub then: Then,
    /// Which of many ways.
    pub seed: u64,
}

/// Why nobody wanders.
#[derive(Debug, thiserror::Error)]
pub enum WanderError {
    /// Nobody can leave a home that is not known.
    #[error("where home is has to be told: latitude and longitude")]
    NoHome,
    /// A number that leads nowhere.
    #[error("distance, speed and the time between fixes have to be positive numbers")]
    Pace,
    /// The pager does not start.
    #[error(transparent)]
    Pager(#[from] PagerError),
}

/// A way from home along streets that cross at right angles: always farther away, until it is far enough.
pub fn way(seed: u64, home: Point, distance_m: f64) -> Vec<Point> {
    let mut dice = Dice::new(seed);
    let heading = dice.within(0.0, std::f64::consts::TAU);
    let mut way = vec![home];
    let mut here = home;
    let mut along_heading = true;
    while here.distance_m(home) < distance_m {
        let block_m = dice.within(BLOCK_M.0, BLOCK_M.1) * if along_heading { 1.0 } else { 0.6 };
        let heading = if along_heading { heading } else { heading + std::f64::consts::FRAC_PI_2 };
        here = here.moved(block_m * heading.sin(), block_m * heading.cos());
        way.push(here);
        along_heading = !along_heading;
    }
    way
}

/// Walks until `stop`, or until they are home again. What the pager says goes to `events`.
pub async fn run(config: Config, events: mpsc::Sender<Event>, stop: CancellationToken) -> Result<(), WanderError> {
    let home = config.pager.place.ok_or(WanderError::NoHome)?;
    let is_walk = config.distance_m > 0.0 && config.distance_m.is_finite() && config.speed > 0.0;
    if !is_walk || !config.speed.is_finite() || config.fix_every.is_zero() {
        return Err(WanderError::Pace);
    }
    let out = way(config.seed, home, config.distance_m);
    let out_m = length_m(&out);
    let mut walk = out.clone();
    if config.then == Then::Returns {
        walk.extend(out.iter().rev().skip(1));
    }
    let client_id = client_id(&config.pager.device.serial);
    let pager = pager::Config { client_id, session: Session::Forgotten, ..config.pager };
    let mut pager = Pager::start(pager, stop)?;
    let mut looks = interval(config.fix_every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // From one look to the next they get so far, however late the look: a slow machine leaves out no part of the way.
    let step_m = config.fix_every.as_secs_f64() * PACE_M_S * config.speed;
    let mut along_m = 0.0;
    let mut dice = Dice::new(config.seed);
    loop {
        tokio::select! {
            event = pager.next() => match event {
                // Whoever does not listen misses it.
                Some(event) => drop(events.try_send(event)),
                None => break,
            },
            _ = looks.tick() => {
                pager.put(Input::Located(look(&mut dice, &walk, along_m))).await;
                if config.then == Then::Returns && along_m > 2.0 * out_m + RESTS_FOR * step_m {
                    pager.put(Input::SwitchedOff).await;
                }
                along_m += step_m;
            }
        }
    }
    pager.stopped().await;
    Ok(())
}

fn look(dice: &mut Dice, walk: &[Point], along_m: f64) -> Fix {
    let Some((place, ahead)) = along(walk, along_m) else { unreachable!("a walk begins at home") };
    let (east_m, north_m) = (dice.around() * ACCURACY_M / 2.0, dice.around() * ACCURACY_M / 2.0);
    let Point { lat, lon } = place.moved(east_m, north_m).rounded();
    let walking = place != ahead;
    Fix {
        lat,
        lon,
        acc_m: Some(ACCURACY_M),
        at: Some(clock::now()),
        source: Some("gnss".into()),
        speed_kmh: Some(if walking { (PACE_M_S * 36.0).round() / 10.0 } else { 0.0 }),
        course_deg: walking.then(|| place.course_deg(ahead).round()),
        alt_m: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_leads_ever_farther_from_home() {
        let home = Point { lat: 28.23, lon: 112.99 };
        for seed in 0..50 {
            let way = way(seed, home, 1500.0);
            let away_m: Vec<f64> = way.iter().map(|corner| corner.distance_m(home)).collect();
            assert!(away_m.is_sorted(), "{away_m:?}");
            assert!((1500.0..1750.0).contains(away_m.last().unwrap()), "{away_m:?}");
            assert!(way.windows(2).all(|leg| leg[0].distance_m(leg[1]) < 201.0));
        }
    }
}
