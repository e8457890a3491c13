//! What the invented district promises to those who build upon it.

use std::collections::{BTreeMap, BTreeSet};

use geo::algorithm::{Area as _, Contains as _, Relate as _, Validation as _};
use geo::{Coord, Polygon};
use sha2::{Digest as _, Sha256};
use town::ground::Point;
use town::map::{COMMUNITIES, COURTYARDS, GRIDS, Level, STREETS, holds};
use town::people::{Category, RESIDENTS, Shape};
use town::{SEED, Town};

fn polygon(ring: &[Point]) -> Polygon {
    let corners = ring.iter().map(|corner| Coord { x: corner.lon, y: corner.lat });
    Polygon::new(corners.collect(), Vec::new())
}

fn digest(town: &Town) -> String {
    hex::encode(Sha256::digest(serde_json::to_vec(town).expect("a town is JSON")))
}

#[test]
fn a_seed_means_the_same_town_to_the_last_byte() {
    let town = Town::new(SEED);
    assert_eq!(digest(&town), digest(&Town::new(SEED)));
    assert_ne!(digest(&town), digest(&Town::new(SEED + 1)));
    // Pictures, tests and printed lines know this town: whoever changes it does so on purpose.
    assert_eq!(digest(&town), include_str!("town.sha256").trim());
}

#[test]
fn what_lies_in_a_place_tiles_it() {
    for seed in [SEED, 1, 2, 3] {
        let map = Town::new(seed).map;
        let polygons: Vec<Polygon> = map.nodes.iter().map(|node| polygon(&node.ring)).collect();
        for (node, whole) in polygons.iter().enumerate() {
            assert!(whole.is_valid(), "{} is crooked", map.nodes[node].name);
            assert!(whole.signed_area() > 0.0, "{} runs the wrong way round", map.nodes[node].name);
            let parts: Vec<usize> = (0..map.nodes.len()).filter(|part| map.nodes[*part].parent == Some(node)).collect();
            if parts.is_empty() {
                assert_eq!(map.nodes[node].level, Level::Courtyard);
                continue;
            }
            let sum: f64 = parts.iter().map(|part| polygons[*part].unsigned_area()).sum();
            assert!((sum / whole.unsigned_area() - 1.0).abs() < 1e-9, "{} is not its parts", map.nodes[node].name);
            for (index, part) in parts.iter().enumerate() {
                for other in &parts[index + 1..] {
                    let overlap = polygons[*part].relate(&polygons[*other]);
                    assert!(!overlap.is_overlaps() && !overlap.is_within() && !overlap.is_contains());
                }
            }
        }
    }
}

#[test]
fn the_tree_has_as_many_places_as_a_district_has() {
    let map = Town::new(SEED).map;
    for (level, count) in [
        (Level::District, 1),
        (Level::Street, STREETS),
        (Level::Community, COMMUNITIES),
        (Level::Grid, GRIDS),
        (Level::Courtyard, COURTYARDS),
    ] {
        assert_eq!(map.on(level).count(), count, "{level:?}");
    }
    let names: BTreeSet<_> = map.nodes.iter().map(|node| (node.parent, &node.name)).collect();
    assert_eq!(names.len(), map.nodes.len());
    for yard in map.on(Level::Courtyard) {
        let ring = &map.nodes[yard].ring;
        assert!(ring.len() >= 3 && map.middle(yard).distance_m(ring[0]) < 700.0, "{}", map.nodes[yard].name);
    }
}

#[test]
fn everybody_lives_where_they_belong_and_their_ways_lie_inside_their_fences() {
    let town = Town::new(SEED);
    assert_eq!(town.residents.len(), RESIDENTS);
    for resident in &town.residents {
        let courtyard = polygon(&town.map.nodes[resident.courtyard].ring);
        let home = geo::Point::new(resident.home.lon, resident.home.lat);
        assert!(courtyard.contains(&home), "{} does not live at home", resident.name);
        assert!((1..=3).contains(&resident.contacts.len()));
        assert!(resident.contacts.iter().all(|contact| contact.email.ends_with(".example")));
        let age = 2026 - resident.born_in;
        match resident.category {
            Category::Child => assert!((6..14).contains(&age), "a child of {age}"),
            Category::Alone | Category::EmptyNest | Category::Veteran => assert!(age >= 60, "{age}"),
            Category::Disabled | Category::Handicapped => assert!(age >= 8),
        }
        let ways = resident.haunts.iter().flat_map(|haunt| &haunt.way).chain([&resident.home]);
        for corner in ways {
            for fence in &resident.fences {
                let is_inside = match &fence.shape {
                    Shape::Circle { middle, radius_m } => middle.distance_m(*corner) < radius_m - 100.0,
                    Shape::Polygon { ring } => {
                        assert!(polygon(ring).is_valid() && polygon(ring).signed_area() > 0.0);
                        holds(ring, *corner)
                    }
                };
                assert!(is_inside, "{} walks out of {:?}", resident.name, fence.name);
            }
        }
    }
    let elsewhere = town
        .residents
        .iter()
        .filter(|resident| town.map.above(resident.courtyard, Level::Community) != resident.registered);
    assert!((12..=34).contains(&elsewhere.count()));
    let fenced = town.residents.iter().filter(|resident| !resident.fences.is_empty()).count();
    assert!((130..=230).contains(&fenced), "{fenced} have a fence");
    let of_category = town.residents.iter().fold(BTreeMap::new(), |mut counts, resident| {
        *counts.entry(resident.category.as_str()).or_insert(0) += 1;
        counts
    });
    assert_eq!(of_category.len(), 6, "{of_category:?}");
}

#[test]
fn no_two_residents_and_no_two_responders_have_one_name() {
    let town = Town::new(SEED);
    let residents: BTreeSet<_> = town.residents.iter().map(|resident| &resident.name).collect();
    assert_eq!(residents.len(), RESIDENTS);
    let responders: Vec<_> = town.providers.iter().flat_map(|provider| &provider.responders).collect();
    let names: BTreeSet<_> = responders.iter().map(|responder| &responder.name).collect();
    assert_eq!((names.len(), responders.len()), (120, 120));
    assert_eq!((town.providers.len(), town.stations.len()), (40, 6));
    let providers: BTreeSet<_> = town.providers.iter().map(|provider| &provider.name).collect();
    assert_eq!(providers.len(), 40);
}

#[test]
fn every_kind_of_help_is_contracted_in_every_street() {
    let town = Town::new(SEED);
    for street in town.map.on(Level::Street) {
        for category in ["emergency", "meal", "repair"] {
            let serves = town.providers.iter().any(|provider| {
                provider.categories.contains(&category)
                    && provider.areas.iter().any(|area| town.map.above(*area, Level::Street) == street || *area == 0)
            });
            assert!(serves, "nobody does {category} in {}", town.map.nodes[street].name);
        }
    }
}
