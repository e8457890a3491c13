//! Where things lie on this machine.

use std::path::{Path, PathBuf};

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout is where it was built")
}

/// One of the workspace's executables, which lies beside the folder of the running test.
pub fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first, because `cargo test` does not build it",
        path.display()
    );
    path
}

/// The Python that has paho-mqtt.
pub fn python() -> PathBuf {
    let path = std::env::var_os("PYTHON").map_or_else(|| root().join("target/venv/bin/python"), PathBuf::from);
    assert!(path.is_file(), "{} is missing: run `make venv`", path.display());
    path
}

/// The browser.
pub fn chromium() -> PathBuf {
    std::env::var_os("CHROMIUM").map_or_else(|| "/usr/bin/chromium".into(), PathBuf::from)
}

/// The balancer, which lies where administrators' programs are.
pub fn haproxy() -> PathBuf {
    let path = std::env::var_os("HAPROXY").map_or_else(|| "/usr/sbin/haproxy".into(), PathBuf::from);
    assert!(path.is_file(), "{} is missing: run `scripts/install-packages test`", path.display());
    path
}

/// What makes a program believe in another time.
pub fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("there are libraries");
    let mut found = folders.filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketimeMT.so.1")));
    found.find(|path| path.is_file()).expect("libfaketime is missing: run `scripts/install-packages test`")
}

/// A file of this package.
pub fn of_this_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where pictures go.
pub fn shots() -> PathBuf {
    let folder = root().join("target/shots");
    std::fs::create_dir_all(&folder).expect("a folder for pictures can be made");
    folder
}
