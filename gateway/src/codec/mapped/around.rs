//! Cells and access points: lists of objects, lists of lists, or a text cut into rows and fields.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use wire::report::{AccessPoint, Cell};

use super::super::reading;
use super::rule::{Page, Pointer};

/// Rows in one message.
const ROWS_MAX: usize = 64;

/// A list of rows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// Where: a list, one object, or a text.
    from: Pointer,
    /// What stands between rows, in a text.
    #[serde(default = "semicolon")]
    separator: String,
    /// What stands between the fields of a row, in a text.
    #[serde(default = "comma")]
    field_separator: String,
    /// The fields of a row in their order, in texts and lists; `-` for one of no interest.
    #[serde(default)]
    fields: Vec<String>,
    /// Where each field stands in an object.
    #[serde(default)]
    columns: BTreeMap<String, Pointer>,
    /// Fields that stand outside the rows and are the same for all.
    #[serde(default)]
    common: BTreeMap<String, Pointer>,
    /// Codes of cells are hexadecimal.
    #[serde(default)]
    hex: bool,
}

fn semicolon() -> String {
    ";".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

impl Table {
    /// What is wrong with the table itself.
    pub(super) fn fault(&self, names: &[&str]) -> Option<String> {
        let told = self.fields.iter().chain(self.columns.keys()).chain(self.common.keys());
        let unknown = told.map(String::as_str).find(|name| *name != "-" && !names.contains(name));
        if let Some(unknown) = unknown {
            return Some(format!("{unknown:?} is none of the fields {names:?}"));
        }
        (self.fields.is_empty() && self.columns.is_empty()).then(|| "it names neither fields nor columns".to_owned())
    }

    /// Where it stands.
    pub(super) fn place(&self) -> &Pointer {
        &self.from
    }

    /// The rows, each with its fields by name.
    fn rows(&self, page: &mut Page<'_>) -> Vec<BTreeMap<String, Value>> {
        let common: BTreeMap<String, Value> =
            self.common.iter().filter_map(|(name, at)| Some((name.clone(), page.value(at)?.clone()))).collect();
        let Some(value) = page.value(&self.from) else { return Vec::new() };
        let named = |values: &mut dyn Iterator<Item = Value>| {
            let mut row = common.clone();
            row.extend(self.fields.iter().cloned().zip(values));
            row
        };
        let split = |text: &str| named(&mut text.split(self.field_separator.as_str()).map(|field| field.trim().into()));
        let row = |value: &Value| match value {
            Value::String(text) => split(text),
            Value::Array(list) => named(&mut list.iter().cloned()),
            object => {
                let columns = self.columns.iter();
                let told = columns.filter_map(|(name, at)| Some((name.clone(), object.pointer(at.as_str())?.clone())));
                common.clone().into_iter().chain(told).collect()
            }
        };
        match value {
            Value::String(text) => {
                let rows = text.split(self.separator.as_str()).filter(|row| !row.trim().is_empty());
                rows.take(ROWS_MAX).map(split).collect()
            }
            Value::Array(list) => list.iter().take(ROWS_MAX).map(row).collect(),
            one => vec![row(one)],
        }
    }

    fn code(&self, value: &Value) -> Option<u64> {
        match value {
            Value::String(text) if self.hex => u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
    }
}

/// The fields of a cell.
pub(super) const CELL: &[&str] = &["mcc", "mnc", "lac", "cid", "signal"];
/// The fields of an access point.
pub(super) const ACCESS_POINT: &[&str] = &["mac", "rssi", "ssid"];

/// The cells that can be read; a row that cannot is a doubt.
pub(super) fn cells(table: &Table, page: &mut Page<'_>) -> Vec<Cell> {
    let rows = table.rows(page);
    let mut all_read = true;
    let mut cells = Vec::new();
    for row in &rows {
        let number =
            |name: &str| row.get(name).and_then(|value| reading::number(value)?.to_string().parse::<u64>().ok());
        let code = |name: &str| row.get(name).and_then(|value| table.code(value));
        let cell = (|| {
            Some(Cell {
                mcc: u16::try_from(number("mcc")?).ok()?,
                mnc: u16::try_from(number("mnc")?).ok()?,
                lac: u32::try_from(code("lac")?).ok()?,
                cid: code("cid")?,
                signal: signal(row.get("signal")),
            })
        })();
        all_read &= cell.is_some();
        cells.extend(cell);
    }
    if !all_read {
        page.doubt(&table.from);
    }
    cells
}

/// The access points that can be read; a row that cannot is a doubt.
pub(super) fn access_points(table: &Table, page: &mut Page<'_>) -> Vec<AccessPoint> {
    let rows = table.rows(page);
    let mut all_read = true;
    let mut access_points = Vec::new();
    for row in &rows {
        let mac = row.get("mac").and_then(|value| reading::mac(value.as_str()?));
        all_read &= mac.is_some();
        let ssid = row.get("ssid").and_then(Value::as_str).map(|name| reading::printable(name, 32));
        access_points.extend(mac.map(|mac| AccessPoint {
            mac,
            rssi_dbm: signal(row.get("rssi")),
            ssid: ssid.filter(|name| !name.is_empty()),
        }));
    }
    if !all_read {
        page.doubt(&table.from);
    }
    access_points
}

fn signal(value: Option<&Value>) -> Option<i16> {
    let number = reading::number(value?)?.round();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    (-1000.0..=1000.0).contains(&number).then_some(number as i16)
}
