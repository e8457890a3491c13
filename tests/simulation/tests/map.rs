//! The pages that lead a newcomer through the tree name nothing that is not there.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands in backticks or as a link's address, and looks like a path in this tree.
fn paths(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let linked = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let is_path = |name: &str| {
        let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
        let is_ours = [
            "domain",
            "wire",
            "broker",
            "gateway",
            "dispatcher",
            "console",
            "firmware-sim",
            "yidiantong",
            "tests",
            "docs",
        ]
        .iter()
        .any(|folder| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
        plain && (is_ours || Path::new(name).extension().is_some_and(|ending| ending == "md"))
    };
    quoted.chain(linked).filter(|name| is_path(name)).collect()
}

#[test]
fn every_path_that_the_map_names_exists() {
    for (page, at_least) in [("README.md", 5), ("ARCHITECTURE.md", 15)] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let named = paths(&text);
        assert!(named.len() >= at_least, "{page}: {named:?}");
        let missing: Vec<&str> = named.into_iter().filter(|name| !root().join(name).exists()).collect();
        assert!(missing.is_empty(), "{page} names what is not there: {missing:?}");
    }
}
