//! Compiles anew when what is embedded has changed: the migrations and the console's built pages.

fn main() {
    // A folder that is not there would count as changed at every build. When it cannot be made, it does.
    let _ = std::fs::create_dir_all("../console/dist");
    println!("cargo::rerun-if-changed=../console/dist");
    println!("cargo::rerun-if-changed=migrations");
}
