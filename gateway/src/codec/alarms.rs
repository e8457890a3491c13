//! Alarms as terminals name them, the gravest first.

/// Declares the alarms and their names.
macro_rules! alarms {
    ($($(#[$meta:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// One alarm of a terminal's. Declared in order of gravity.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Alarm { $($(#[$meta])* $name),+ }

        impl Alarm {
            /// All of them, the gravest first.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

alarms! {
    /// The wearer pressed the key.
    Sos = "sos",
    /// A fall detector.
    Fall = "fall",
    /// Smoke or fire.
    Smoke = "smoke",
    /// Gas, carbon monoxide.
    Gas = "gas",
    /// A heart rate (or another vital sign) outside its limits.
    HeartRate = "heart_rate",
    /// An alarm, and nobody knows which.
    General = "general",
    /// Taken off.
    Removed = "removed",
    /// Opened or unscrewed.
    Tamper = "tamper",
    /// Left a fence of its own.
    FenceExit = "fence_exit",
    /// Entered or left one, which is not said.
    Fence = "fence",
    /// Nearly flat, or switching off because of that.
    LowBattery = "low_battery",
    /// Entered a fence of its own.
    FenceEnter = "fence_enter",
    /// Hit something.
    Collision = "collision",
    /// Turned over.
    Rollover = "rollover",
    /// Outside power is gone.
    PowerCut = "power_cut",
    /// Outside power is low.
    LowPower = "low_power",
    /// Switched off.
    PowerOff = "power_off",
    /// Switched on.
    PowerOn = "power_on",
    /// Shaken.
    Vibration = "vibration",
    /// Moved when it should not be.
    Movement = "movement",
    /// Towed away.
    Tow = "tow",
    /// Too fast.
    Overspeed = "overspeed",
    /// Sped up, braked or turned harshly.
    Harsh = "harsh",
    /// Driven for too long.
    Fatigue = "fatigue",
    /// A door is open.
    Door = "door",
    /// Unplugged from its charger.
    Unplugged = "unplugged",
    /// Another SIM card.
    Sim = "sim",
    /// A base station that is none.
    FakeCell = "fake_cell",
    /// Radio is jammed.
    Jamming = "jamming",
    /// Something in it is broken.
    Fault = "fault",
    /// Parked for too long.
    Parking = "parking",
    /// Its ignition was switched.
    Ignition = "ignition",
    /// It went to sleep or woke up.
    Sleep = "sleep",
}

/// A set of alarms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alarms(u64);

impl Alarms {
    /// Adds one.
    pub const fn add(&mut self, alarm: Alarm) {
        self.0 |= 1 << alarm as u64;
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is among them.
    pub const fn contains(self, alarm: Alarm) -> bool {
        self.0 & (1 << alarm as u64) != 0
    }

    /// Each of them, the gravest first.
    pub fn iter(self) -> impl Iterator<Item = Alarm> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            // Most messages raise none: nothing is looked at then.
            let alarm = Alarm::ALL.get(usize::try_from(left.trailing_zeros()).ok()?).copied()?;
            left &= left - 1;
            Some(alarm)
        })
    }
}

impl From<Alarm> for Alarms {
    fn from(alarm: Alarm) -> Self {
        Self(1 << alarm as u64)
    }
}

impl std::ops::BitOr for Alarms {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Alarm> for Alarms {
    fn from_iter<I: IntoIterator<Item = Alarm>>(alarms: I) -> Self {
        alarms.into_iter().fold(Self::default(), |set, alarm| set | alarm.into())
    }
}
