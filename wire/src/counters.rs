//! What a part of the system counts, and the form in which the numbers leave its process.
//!
//! It leaves out where they go: whoever shows them gives them a prefix and a format.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// What a [`Sample`] of it says.
    pub const KIND: Kind = Kind::Counter;

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// So many more.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Relaxed);
    }

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }
}

/// A number that says how it is now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// What a [`Sample`] of it says.
    pub const KIND: Kind = Kind::Gauge;

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// It stands at this now.
    pub fn set(&self, now: usize) {
        self.0.store(now as u64, Relaxed);
    }

    /// One more.
    pub fn one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less, of those that were counted in.
    pub fn one_less(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It does.
    Counter,
    /// It says how it is now.
    Gauge,
}

/// One number as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its name within its part.
    pub name: &'static str,
    /// What it counts, in a sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// What it stood at.
    pub value: u64,
}

/// Declares a struct of [`Counter`]s and [`Gauge`]s that can be read as [`Sample`]s. What is documented about a
/// number is also what is told about it.
#[macro_export]
macro_rules! counters {
    ($(#[$about:meta])* $seen:vis struct $part:ident { $($(#[doc = $help:literal])+ $name:ident: $kind:ident,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        $seen struct $part { $($(#[doc = $help])+ $seen $name: $crate::counters::$kind,)+ }

        impl $part {
            /// Every number, in order of declaration.
            $seen fn read(&self) -> Vec<$crate::counters::Sample> {
                vec![$($crate::counters::Sample {
                    name: stringify!($name),
                    help: concat!($($help),+).trim_ascii(),
                    kind: $crate::counters::$kind::KIND,
                    value: self.$name.get(),
                }),+]
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    counters! {
        /// What a shop counts.
        struct Shop {
            /// People who came.
            came: Counter,
            /// People inside now,
            /// staff apart.
            inside: Gauge,
        }
    }

    #[test]
    fn what_is_documented_about_a_number_is_told_about_it() {
        let shop = Shop::default();
        shop.came.add(3);
        shop.inside.set(3);
        shop.inside.one_less();
        let came = Sample { name: "came", help: "People who came.", kind: Kind::Counter, value: 3 };
        let inside = Sample { name: "inside", help: "People inside now, staff apart.", kind: Kind::Gauge, value: 2 };
        assert_eq!(shop.read(), [came, inside]);
    }
}
