//! A crowd as large as one likes: people of whom everything follows from their number.
//!
//! Whoever registers them and whoever wears their pagers need not tell each other anything. They live in rows of
//! houses, stay at home or walk to a market and back, and carry pagers of the native dialect.

use crate::ground::Point;
use crate::people::{Habit, Haunt};

/// The south-western house.
pub const CORNER: Point = Point { lat: 28.10, lon: 112.80 };
/// Houses in a row, from west to east.
pub const ROW: u32 = 1000;
/// Between two houses, and between two rows, in degrees: some fifty metres.
pub const APART_DEG: f64 = 0.0005;
/// Between home and market, in metres to the east: still inside everybody's fence.
const MARKET_M: f64 = 240.0;

/// The serial of somebody's pager, which is its MQTT user name too.
pub fn serial(number: u32) -> String {
    format!("L{number:06}")
}

/// Its MQTT password.
pub fn secret(number: u32) -> String {
    format!("load-secret-of-pager-{number:06}")
}

/// The MQTT user name of a concentrator that speaks for many of them.
pub fn concentrator(number: u32) -> String {
    format!("LC{number:03}")
}

/// Its MQTT password.
pub fn concentrator_secret(number: u32) -> String {
    format!("load-secret-of-concentrator-{number:03}")
}

/// Where somebody lives.
pub fn home(number: u32) -> Point {
    Point {
        lat: CORNER.lat + f64::from(number / ROW) * APART_DEG,
        lon: CORNER.lon + f64::from(number % ROW) * APART_DEG,
    }
}

/// How their days go: three in ten go out.
pub const fn habit(number: u32) -> Habit {
    if number % 10 < 3 { Habit::Out } else { Habit::AtHome }
}

/// Where they go.
pub fn haunts(number: u32) -> Vec<Haunt> {
    match habit(number) {
        Habit::Out => {
            let home = home(number);
            vec![Haunt { kind: "market".into(), way: vec![home, home.moved(MARKET_M, 0.0)] }]
        }
        _ => Vec::new(),
    }
}
