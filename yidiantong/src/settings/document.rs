//! The settings as a page to be filled in: made from the types and their descriptions, so that it cannot say anything
//! else than they do.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Settings;

/// What every variable in the environment that is a setting begins with.
pub(super) const PREFIX: &str = "YDT_";

const HEAD: &str = "\
# Settings of yidiantong. Each line that is not a comment is a default; a line that begins with `#` and no space is a
# setting without one, with an example. A variable in the environment overrides what stands here, and the command line
# overrides both. `yidiantong doctor` says what is wrong with a file.
";

/// A setting, as the environment can say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The keys that lead to it.
    pub(super) path: Vec<String>,
    /// Its variable in the environment.
    pub(super) variable: String,
    /// It is written in quotes.
    pub(super) is_text: bool,
}

/// Descriptions of every field, nested in one another.
fn schema() -> Value {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Settings>().to_value()
}

/// The commented TOML, with every setting.
pub fn document() -> String {
    let defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
    let mut page = HEAD.to_owned();
    write_table(&mut page, &schema(), &defaults, &[]);
    page
}

fn properties(schema: &Value) -> Vec<(&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten().collect()
}

/// A table that may be missing is described beside nothing.
fn some(schema: &Value) -> &Value {
    let variants = schema["anyOf"].as_array().into_iter().flatten();
    variants.into_iter().find(|variant| variant["type"] != "null").unwrap_or(schema)
}

fn is_table(schema: &Value) -> bool {
    some(schema)["properties"].is_object()
}

/// A list of tables: what one of them looks like.
fn row(schema: &Value) -> Option<&Value> {
    Some(&schema["items"]).filter(|items| items["properties"].is_object())
}

fn write_table(page: &mut String, schema: &Value, defaults: &Value, path: &[&str]) {
    let fields = properties(schema);
    let (tables, plain): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|(_, field)| is_table(field) || row(field).is_some());
    for (name, field) in plain {
        write_field(page, name, field, &defaults[name], path, Shown::AsItIs);
    }
    for (name, field) in tables {
        let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        let title = path.join(".");
        page.push('\n');
        comment(page, &field["description"]);
        if let Some(row) = row(field) {
            comment(page, &Value::from("One such table for each."));
            let _ = writeln!(page, "#[[{title}]]");
            for (name, field) in properties(row) {
                write_field(page, name, field, &Value::Null, &[&path[..], &["<number>"]].concat(), Shown::AsExample);
            }
        } else if defaults[name].is_null() {
            let _ = writeln!(page, "#[{title}]");
            for (name, field) in properties(some(field)) {
                write_field(page, name, field, &Value::Null, &path, Shown::AsExample);
            }
        } else {
            let _ = writeln!(page, "[{title}]");
            write_table(page, some(field), &defaults[name], &path);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    AsItIs,
    AsExample,
}

fn write_field(page: &mut String, name: &str, field: &Value, default: &Value, path: &[&str], shown: Shown) {
    page.push('\n');
    comment(page, &field["description"]);
    let path: Vec<&str> = path.iter().copied().chain([name]).collect();
    // A table of a list is named in a variable by its number, which is therefore not a setting there.
    if path.last() != Some(&"number") {
        comment(page, &Value::from(variable(&path)));
    }
    let (mark, value) = match default {
        Value::Null => ("#", field["examples"].get(0).or(field.get("default")).filter(|value| !value.is_null())),
        some => (if shown == Shown::AsExample { "#" } else { "" }, Some(some)),
    };
    let value = value.map_or_else(|| "\"…\"".to_owned(), toml_of);
    let _ = writeln!(page, "{mark}{name} = {value}");
}

fn comment(page: &mut String, text: &Value) {
    for line in text.as_str().into_iter().flat_map(str::lines) {
        let _ = writeln!(page, "# {}", line.replace('`', ""));
    }
}

fn toml_of(value: &Value) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

fn variable(path: &[&str]) -> String {
    format!("{PREFIX}{}", path.join("_").to_uppercase())
}

/// Every setting that is not in a list.
pub(super) fn leaves() -> Vec<Leaf> {
    let mut found = Vec::new();
    gather(&mut found, &schema(), &[]);
    found
}

fn gather(found: &mut Vec<Leaf>, schema: &Value, path: &[&str]) {
    for (name, field) in properties(schema) {
        let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        if is_table(field) {
            gather(found, some(field), &path);
        } else if row(field).is_none() {
            found.push(leaf(&path, field));
        }
    }
}

fn leaf(path: &[&str], field: &Value) -> Leaf {
    let kinds = match &field["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    Leaf {
        path: path.iter().map(|&key| key.to_owned()).collect(),
        variable: variable(path),
        is_text: kinds.iter().any(|kind| kind == "string"),
    }
}

/// The settings of each centre, by its number, as the environment can say them.
pub(super) fn centre_leaves(number: &str) -> Vec<Leaf> {
    let schema = schema();
    let Some(row) = row(&schema["properties"]["centre"]) else { return Vec::new() };
    let fields: Map<String, Value> = row["properties"].as_object().cloned().unwrap_or_default();
    let others = fields.iter().filter(|(name, _)| *name != "number");
    others.map(|(name, field)| leaf(&["centre", number, name], field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page with every setting switched on.
    fn filled_in() -> String {
        let on = |line: &str| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
            _ => line.to_owned(),
        };
        document().lines().map(on).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_printed_reads_back_as_the_defaults() {
        let read: Settings = toml::from_str(&document()).unwrap_or_else(|error| panic!("{error}\n{}", document()));
        assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(Settings::default()).unwrap());
    }

    #[test]
    fn every_setting_is_printed_with_what_it_is_for_and_its_variable() {
        let page = document();
        let filled_in: toml::Table = toml::from_str(&filled_in()).unwrap_or_else(|error| panic!("{error}\n{page}"));
        toml::from_str::<Settings>(&self::filled_in()).unwrap_or_else(|error| panic!("an example is wrong: {error}"));
        for leaf in leaves() {
            let mut at = &toml::Value::Table(filled_in.clone());
            for key in &leaf.path {
                at = at.get(key).unwrap_or_else(|| panic!("{:?} is not printed", leaf.path));
            }
            assert!(page.contains(&format!("# {}\n", leaf.variable)), "{}", leaf.variable);
        }
        for leaf in centre_leaves("120") {
            assert!(filled_in["centre"][0].get(&leaf.path[2]).is_some(), "{:?}", leaf.path);
        }
        let undescribed: Vec<String> = undescribed(&schema(), "");
        assert_eq!(undescribed, [""; 0], "settings without a description");
    }

    fn undescribed(schema: &Value, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (name, field) in properties(schema) {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            found.extend(undescribed(row(field).unwrap_or(some(field)), &path));
        }
        found
    }
}
