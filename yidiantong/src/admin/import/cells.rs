//! Tables of cells, in the order of columns that OpenCelliD's files have, with or without its row of headings:
//! `radio,mcc,net,area,cell,unit,lon,lat,range,…`. Read as it comes, a few thousand rows at a time.

use std::fs::File;

use anyhow::Context as _;
use csv::StringRecord;
use dispatcher::store;
use dispatcher::store::positions::{self, Tower};
use domain::place::{Metres, Position};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use wire::report::Cell;

use super::super::{Place, say, say_json, with_database};
use super::Import;

/// Rows in one statement.
const AT_ONCE: usize = 5_000;
/// So many problems are told; the others are counted.
const PROBLEMS_SHOWN: usize = 20;
/// No mast is heard further away.
const RANGE_MAX_M: f64 = 100_000.0;

/// What was found in a file.
#[derive(Debug, Default, Serialize)]
struct Found {
    cells: u64,
    problems: u64,
    /// The first of them.
    shown: Vec<String>,
    applied: bool,
}

impl Import {
    /// Brings in a table of cells: all of it in one transaction, or nothing.
    pub(super) async fn bring_in_cells(&self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        let file = File::open(&self.file).with_context(|| format!("{} cannot be read", self.file.display()))?;
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
        with_database(place, stop, async |_, database| {
            let mut found = Found::default();
            let mut tx = store::begin(&database.pool).await?;
            let mut towers = Vec::with_capacity(AT_ONCE);
            for (row, record) in (1_u64..).zip(reader.into_records()) {
                let read = record.map_err(|cause| cause.to_string()).and_then(|record| tower(&record));
                match read {
                    // The first row may be headings.
                    Err(_) if row == 1 => {}
                    Err(why) => {
                        found.problems += 1;
                        if found.shown.len() < PROBLEMS_SHOWN {
                            found.shown.push(format!("row {row}: {why}"));
                        }
                    }
                    Ok(tower) => {
                        found.cells += 1;
                        towers.push(tower);
                    }
                }
                if self.apply && towers.len() == AT_ONCE {
                    positions::put_towers(&mut tx, &towers).await.context("nothing was changed")?;
                }
                if towers.len() == AT_ONCE {
                    towers.clear();
                }
            }
            found.applied = self.apply && (self.skip_problems || found.problems == 0);
            if found.applied {
                positions::put_towers(&mut tx, &towers).await.context("nothing was changed")?;
                tx.commit().await.context("nothing was changed")?;
            }
            tell(&found, self)
        })
        .await
    }
}

fn tell(found: &Found, import: &Import) -> anyhow::Result<()> {
    if import.json {
        return say_json(found);
    }
    for problem in &found.shown {
        say(problem);
    }
    say(format_args!("{} cells, {} rows that are none", found.cells, found.problems));
    say(match (found.applied, import.apply) {
        (true, _) => "written",
        (false, true) => "nothing was written; --skip-problems writes the others",
        (false, false) => "nothing was written; --apply writes them",
    });
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} is {text:?}"))
}

/// What a row says.
fn tower(record: &StringRecord) -> Result<Tower, String> {
    let cell = |at: usize, name: &str| record.get(at).map(str::trim).ok_or_else(|| format!("there is no {name}"));
    let place = Position::new(number(cell(7, "lat")?, "lat")?, number(cell(6, "lon")?, "lon")?);
    let range: f64 = number(cell(8, "range")?, "range")?;
    if !(0.0..=RANGE_MAX_M).contains(&range) {
        return Err(format!("range is {range}"));
    }
    Ok(Tower {
        cell: Cell {
            mcc: number(cell(1, "mcc")?, "mcc")?,
            mnc: number(cell(2, "net")?, "net")?,
            lac: number(cell(3, "area")?, "area")?,
            cid: number(cell(4, "cell")?, "cell")?,
            signal: None,
        },
        position: place.map_err(|why| format!("lat and lon: {why}"))?,
        range: Metres(range),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Tower, String> {
        tower(&StringRecord::from(line.split(',').collect::<Vec<_>>()))
    }

    #[test]
    fn a_row_of_opencellids_is_a_cell() {
        let tower = read("LTE,460,0,9720,28373001,0,112.9388,28.2282,800,12,1,1700000000,1760000000,0").unwrap();
        assert_eq!((tower.cell.mcc, tower.cell.mnc, tower.cell.lac, tower.cell.cid), (460, 0, 9720, 28_373_001));
        assert_eq!((tower.position.lat_deg(), tower.range), (28.2282, Metres(800.0)));
    }

    #[test]
    fn what_is_no_cell_is_told_by_its_column() {
        let headings = "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal";
        assert_eq!(read(headings), Err("lat is \"lat\"".into()));
        assert_eq!(read("LTE,460"), Err("there is no lat".into()));
        assert_eq!(read("LTE,460,0,9720,1,0,112.9,28.2,-1"), Err("range is -1".into()));
        assert_eq!(read("LTE,460,x,9720,1,0,112.9,28.2,800"), Err("net is \"x\"".into()));
        assert!(read("LTE,460,0,9720,1,0,0,0,800").unwrap_err().starts_with("lat and lon: 0/0"));
    }
}
