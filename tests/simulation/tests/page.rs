//! The page that lists what must hold names everything that is checked, and every mutant.

use domain::invariant::Invariant;
use domain::word::Word;
use simulation::property::Property;

const PAGE: &str = include_str!("../../../docs/invariants.md");
const MUTANTS: &str = include_str!("../mutants.toml");

#[test]
fn the_page_names_every_invariant_property_and_mutant() {
    let invariants = Invariant::ALL.iter().map(|invariant| format!("{invariant} {invariant:?}"));
    let properties = Property::ALL.iter().map(ToString::to_string);
    let mutants =
        MUTANTS.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).map(str::to_owned);
    let missing: Vec<_> = invariants.chain(properties).chain(mutants).filter(|name| !PAGE.contains(name)).collect();
    assert!(missing.is_empty(), "docs/invariants.md does not name {missing:?}");
}
