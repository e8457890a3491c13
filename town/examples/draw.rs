//! Draws the town as SVG on the standard output: `cargo run -p town --example draw > town.svg`.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use town::ground::Point;
use town::map::Level;
use town::{SEED, Town};

fn main() {
    let town = Town::new(SEED);
    let xy = |point: &Point| ((point.lon - 112.965) * 22_000.0, (28.256 - point.lat) * 25_000.0);
    println!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 1220" style="background:white">"#);
    for (level, width) in [(Level::Courtyard, 0.6), (Level::Grid, 1.5), (Level::Community, 3.0), (Level::Street, 6.0)] {
        for node in town.map.on(level) {
            let corners = town.map.nodes[node].ring.iter().map(xy).map(|(x, y)| format!("{x:.1},{y:.1}"));
            let corners: Vec<String> = corners.collect();
            println!(r##"<polygon points="{}" fill="none" stroke="#456" stroke-width="{width}"/>"##, corners.join(" "));
        }
    }
    for resident in &town.residents {
        let (x, y) = xy(&resident.home);
        println!(r##"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="#c33"/>"##);
        for haunt in &resident.haunts {
            let corners = haunt.way.iter().map(xy).map(|(x, y)| format!("{x:.1},{y:.1}"));
            let corners: Vec<String> = corners.collect();
            println!(r##"<polyline points="{}" fill="none" stroke="#3a6" stroke-width="1"/>"##, corners.join(" "));
        }
    }
    for responder in town.providers.iter().flat_map(|provider| &provider.responders) {
        let (x, y) = xy(&responder.place);
        println!(r##"<rect x="{x:.1}" y="{y:.1}" width="6" height="6" fill="#36c"/>"##);
    }
    println!("</svg>");
}
