//! Why a rule had a terminal asked, as data: a page says it in its reader's language and by their clock.

use domain::rules::{Breach, Expect};
use domain::usual::Unusual;
use domain::whereabouts::Turn;
use domain::word::Word as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::fence_turns::TurnView;

/// Why a terminal was asked without a person asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Because {
    /// Its wearer may be where they should not be.
    Turned {
        /// By which fence.
        fence: Uuid,
        /// How it came to that.
        turn: TurnView,
    },
    /// A rule is not kept, or soon is not.
    Rule {
        /// Of which fence.
        fence: Uuid,
        /// `inside`, `outside`, `not_leave`, `not_away`.
        #[serde(with = "wire::word")]
        #[schema(value_type = String)]
        expect: Expect,
        /// The minute of the day from which it holds, 0 to 1439…
        from_minute: i32,
        /// …and up to which, 1 to 1440.
        until_minute: i32,
        /// For `not_away`: for how many seconds they may be away.
        allowed_s: i64,
    },
    /// They are out when they never are.
    Unusual {
        /// Since when.
        since: Timestamp,
        /// How far from home, metres.
        distance_m: f64,
        /// The hour that it is where they live.
        hour: i16,
        /// Which days are counted: `working`, `off`, `both`.
        of_days: String,
        /// On how many of them they were at home around that hour.
        home_days: i32,
        /// Of how many.
        known_days: i32,
    },
}

impl From<&Turn> for Because {
    fn from(turn: &Turn) -> Self {
        Self::Turned { fence: turn.zone.0, turn: TurnView::from(turn) }
    }
}

impl From<&Breach> for Because {
    fn from(breach: &Breach) -> Self {
        let asks = &breach.asks;
        Self::Rule {
            fence: breach.fence.0,
            expect: asks.expect,
            from_minute: i32::from(asks.hours.from()),
            until_minute: i32::from(asks.hours.until()),
            allowed_s: asks.allowed.as_secs(),
        }
    }
}

impl From<&Unusual> for Because {
    fn from(Unusual { around, absence }: &Unusual) -> Self {
        Self::Unusual {
            since: absence.since,
            distance_m: absence.distance.0.round(),
            hour: i16::from(around.hour),
            of_days: around.of.as_str().to_owned(),
            home_days: i32::from(around.known) - i32::from(around.away),
            known_days: i32::from(around.known),
        }
    }
}
