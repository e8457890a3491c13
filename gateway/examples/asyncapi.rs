//! Writes `docs/asyncapi.json` anew.

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.json");
    let text = serde_json::to_string_pretty(&gateway::asyncapi::document())?;
    std::fs::write(path, text + "\n")
}
