//! What a simulated centre does with what it is sent.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a simulated centre does with what it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Behaviour {
    /// Takes it, and reports each step.
    Normal {
        /// When.
        #[serde(default)]
        delays: Delays,
    },
    /// As `normal`, but takes its time: also with the answer to the message itself.
    Slow {
        /// How long the HTTP answer takes, in seconds.
        #[serde(default = "slow_answer_s")]
        answer_s: f64,
        /// When.
        #[serde(default = "Delays::slow")]
        delays: Delays,
    },
    /// Takes the message, and then will not come.
    Refuse {
        /// Decides after this, in seconds.
        #[serde(default)]
        after_s: f64,
        /// Why.
        reason: String,
    },
    /// Answers 200, and never says another word.
    Lie,
    /// Is not there.
    Down {
        /// In which way.
        #[serde(default)]
        how: Down,
    },
    /// As `normal`, but reports every step twice.
    Twice {
        /// When.
        #[serde(default)]
        delays: Delays,
    },
    /// Answers 500 to the first copies of each message, then behaves as `normal`.
    Stutter {
        /// To how many.
        times: u32,
        /// When.
        #[serde(default)]
        delays: Delays,
    },
}

/// The ways of not being there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// Every message is answered with 500.
    #[default]
    Fails,
    /// Connections are refused.
    Refuses,
    /// Messages are read and never answered.
    Hangs,
}

/// When each step is reported, in seconds since the one before. A step without a time is never
/// reported, nor any after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// A person has taken it: since the message.
    pub acknowledged_s: Option<f64>,
    /// A vehicle is on the way.
    pub dispatched_s: Option<f64>,
    /// The minutes that are told with it.
    pub minutes: u16,
    /// It is there.
    pub arrived_s: Option<f64>,
    /// The centre has finished.
    pub closed_s: Option<f64>,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            acknowledged_s: Some(2.0),
            dispatched_s: Some(5.0),
            minutes: 8,
            arrived_s: Some(60.0),
            closed_s: Some(120.0),
        }
    }
}

impl Delays {
    /// Later than the 15 s after which a person has to telephone.
    pub fn slow() -> Self {
        Self { acknowledged_s: Some(40.0), dispatched_s: Some(60.0), minutes: 25, ..Self::default() }
    }

    /// Everything at once: for tests.
    pub fn none() -> Self {
        Self {
            acknowledged_s: Some(0.0),
            dispatched_s: Some(0.0),
            minutes: 8,
            arrived_s: Some(0.0),
            closed_s: Some(0.0),
        }
    }
}

/// A behaviour that is no word of ours and no JSON of one.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is none of normal, slow, refuse, lie, down, down:refuses, down:hangs, twice, stutter, and no JSON of one"
)]
pub struct UnknownBehaviour(String);

impl FromStr for Behaviour {
    type Err = UnknownBehaviour;

    fn from_str(text: &str) -> Result<Self, UnknownBehaviour> {
        let delays = Delays::default();
        match text {
            "normal" => Ok(Self::Normal { delays }),
            "slow" => Ok(Self::Slow { answer_s: slow_answer_s(), delays: Delays::slow() }),
            "refuse" => Ok(Self::Refuse { after_s: 2.0, reason: "no vehicle is free".into() }),
            "lie" => Ok(Self::Lie),
            "down" | "down:fails" => Ok(Self::Down { how: Down::Fails }),
            "down:refuses" => Ok(Self::Down { how: Down::Refuses }),
            "down:hangs" => Ok(Self::Down { how: Down::Hangs }),
            "twice" => Ok(Self::Twice { delays }),
            "stutter" => Ok(Self::Stutter { times: 2, delays }),
            json => serde_json::from_str(json).map_err(|_| UnknownBehaviour(text.into())),
        }
    }
}

/// Seconds from outside as a wait; a number that is no time is no wait.
pub(super) fn wait(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

const fn slow_answer_s() -> f64 {
    3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_a_word_or_json_with_defaults() {
        assert_eq!("lie".parse::<Behaviour>().unwrap(), Behaviour::Lie);
        assert_eq!("down:hangs".parse::<Behaviour>().unwrap(), Behaviour::Down { how: Down::Hangs });
        let delays = Delays { acknowledged_s: Some(0.5), ..Delays::default() };
        let json = r#"{"is":"normal","delays":{"acknowledged_s":0.5}}"#;
        assert_eq!(json.parse::<Behaviour>().unwrap(), Behaviour::Normal { delays });
        let json = r#"{"is":"slow"}"#;
        assert_eq!(json.parse::<Behaviour>().unwrap(), "slow".parse::<Behaviour>().unwrap());
        assert!("norml".parse::<Behaviour>().is_err());
    }
}
