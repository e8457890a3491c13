//! An invented district, whole: the ground that it stands on, who lives there and who helps.
//!
//! Pure, and nothing but its seed: no clock, no chance of its own, so that the demonstration, its
//! pictures and its tests see the same town each time. It knows nothing of how a district is stored
//! (`dispatcher`) nor of secrets (`yidiantong`), and no name in it belongs to anybody.

pub mod crowd;
pub mod dice;
pub mod ground;
pub mod helpers;
pub mod map;
pub mod names;
pub mod people;

use crate::dice::Dice;
use crate::helpers::{Provider, Station};
use crate::map::Map;
use crate::people::Resident;

/// The demonstration's seed.
pub const SEED: u64 = 277;

/// A district with everybody in it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Town {
    /// The places, a tree that tiles.
    pub map: Map,
    /// Who is to be helped; the first wears the first terminal.
    pub residents: Vec<Resident>,
    /// Who helps every day.
    pub providers: Vec<Provider>,
    /// Where ambulances stand.
    pub stations: Vec<Station>,
}

impl Town {
    /// The town that `seed` stands for.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let map = Map::new(&mut dice);
        let residents = people::settle(&mut dice, &map);
        let (providers, stations) = (helpers::settle(&mut dice, &map), helpers::stations(&map));
        Self { map, residents, providers, stations }
    }
}
