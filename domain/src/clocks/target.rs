//! What a standard or a contract asks for.

use jiff::SignedDuration;

use super::{Calls, Clock};
use crate::word::words;

/// A share of cases, in ten-thousandths: 97.5 % is 9750. Whole numbers, so that 95 of 100 is 95 % and not a bit less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    const WHOLE: u16 = 10_000;

    /// From a fraction above 0 and up to 1, such as 0.975: `None` for any other number, and for one with more than
    /// four places.
    pub fn new(fraction: f64) -> Option<Self> {
        let scaled = fraction * f64::from(Self::WHOLE);
        let whole = (1..=Self::WHOLE).find(|whole| (f64::from(*whole) - scaled).abs() < 1e-6)?;
        Some(Self(whole))
    }

    /// As a fraction.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    /// Whether `met` of `counted` is at least this share.
    pub fn is_met(self, met: u32, counted: u32) -> bool {
        u64::from(met) * u64::from(Self::WHOLE) >= u64::from(counted) * u64::from(self.0)
    }

    /// How many of `counted` may be late.
    pub fn allows(self, counted: u32) -> u32 {
        let late = u64::from(counted) * u64::from(Self::WHOLE - self.0) / u64::from(Self::WHOLE);
        u32::try_from(late).unwrap_or(u32::MAX)
    }
}

/// In this share of these calls this clock ends within this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// What is measured.
    pub clock: Clock,
    /// In which calls.
    pub calls: Calls,
    /// In what share of them.
    pub share: Share,
    within_s: u32,
}

/// Why something is no target. The text is the sentence that whoever typed it reads.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BadTarget {
    /// No share.
    #[error("a share lies above 0 and is at most 1, with no more than four places: 0.95 is 95 %, and this is {0}")]
    Share(f64),
    /// No time.
    #[error("a time is at least one second and at most {} days", Target::WITHIN_MAX_S / 86_400)]
    Within,
}

impl Target {
    /// The longest time that makes sense: 31 days.
    pub const WITHIN_MAX_S: u32 = 31 * 86_400;

    /// A target of somebody's own.
    pub fn new(clock: Clock, calls: Calls, share: f64, within_s: i64) -> Result<Self, BadTarget> {
        let share = Share::new(share).ok_or(BadTarget::Share(share))?;
        let within_s = u32::try_from(within_s).ok().filter(|within_s| (1..=Self::WITHIN_MAX_S).contains(within_s));
        Ok(Self { clock, calls, share, within_s: within_s.ok_or(BadTarget::Within)? })
    }

    const fn help(clock: Clock, ten_thousandths: u16, within_s: u32) -> Self {
        Self { clock, calls: Calls::Help, share: Share(ten_thousandths), within_s }
    }

    /// The time that is allowed.
    pub fn within(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.within_s))
    }

    /// The same in seconds.
    pub const fn within_s(&self) -> u32 {
        self.within_s
    }
}

words! {
    /// A published standard.
    pub enum Profile ("profile") {
        /// North America's emergency call centres.
        Nena = "nena",
        /// Britain's telecare monitoring centres.
        Tsa = "tsa",
        /// China's 120.
        Nhc = "nhc_2020_19",
        /// Somebody at the door.
        Door = "door",
    }
}

impl Profile {
    /// Where it is written.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Nena => "NENA-STA-020.1-2020, Standard for 9-1-1 Call Processing",
            Self::Tsa => "TEC Services Association (TSA), Quality Standards Framework, TEC Monitoring",
            Self::Nhc => "国卫医发〔2020〕19号 关于进一步完善院前医疗急救服务的指导意见",
            Self::Door => "TEC Services Association (TSA), Quality Standards Framework, TEC Response",
        }
    }

    /// What it asks for. A call is answered when an operator has it, not when a machine has.
    pub const fn targets(self) -> &'static [Target] {
        match self {
            Self::Nena => {
                const { &[Target::help(Clock::PressedClaimed, 9_000, 15), Target::help(Clock::PressedClaimed, 9_500, 20)] }
            }
            Self::Tsa => {
                const { &[Target::help(Clock::PressedClaimed, 9_750, 60), Target::help(Clock::PressedClaimed, 9_900, 180)] }
            }
            Self::Nhc => {
                const { &[Target::help(Clock::CentreAnswered, 9_500, 10), Target::help(Clock::VehicleOut, 9_500, 180)] }
            }
            Self::Door => const { &[Target::help(Clock::AskedOnScene, 9_000, 45 * 60)] },
        }
    }
}
