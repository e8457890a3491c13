//! `yidiantong import`: lists brought in from files, as often as somebody likes.
//!
//! Without `--apply` nothing is written: every problem is told with its row, field and value. With it, everything is
//! written in one transaction, or nothing. [`sheet`] turns bytes into rows, [`cell`] reads what a cell says,
//! [`residents`], [`providers`] and [`responders`] know what the columns mean; all of them are pure; [`written`] puts a
//! row into the database, and makes the secrets that it needs. Terminals come by `yidiantong terminal provision`. A table
//! of cells has a million rows and no headings that matter: [`cells`] reads it as it comes.

pub(super) mod cell;
mod cells;
mod columns;
mod providers;
mod residents;
mod responders;
pub(super) mod sheet;
mod written;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dispatcher::store::orders;
use dispatcher::store::roll::{self, Resident};
use dispatcher::store::{self, accounts, tree};
use domain::datum::Datum;
use domain::place::Position;
use serde::Serialize;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::columns::Columns;
use self::sheet::{Row, Sheet};
use self::written::{Made, Written};
use super::node::{Tree, datum};
use super::{Over, Place, say, say_json, with_database, write_private};

/// Bring in a list of residents, providers or responders, or a table of cells. Without --apply it is only looked at.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// What it is a list of.
    kind: Kind,
    /// A CSV file: UTF-8, UTF-16 or GBK; commas, semicolons or tabs; headings in Chinese or English.
    file: PathBuf,
    /// Write it. Refused while any row has a problem.
    #[arg(long)]
    apply: bool,
    /// Write the rows without a problem, and put the others into FILE.problems.csv.
    #[arg(long, requires = "apply")]
    skip_problems: bool,
    /// Where those belong whose row does not say it: a path of names or an id.
    #[arg(long)]
    node: Option<String>,
    /// In which terms places are said where no column says it.
    #[arg(long, value_parser = datum, default_value = "wgs84")]
    datum: Datum,
    /// Where to write the passwords, tokens and webhook keys that are made for rows: a new file that only you can read.
    #[arg(long, requires = "apply")]
    credentials: Option<PathBuf>,
    /// Tell everything as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Those who are to be helped, with their contacts.
    Residents,
    /// Companies whose people go.
    Providers,
    /// The people who go.
    Responders,
    /// Cells of mobile networks with their places, in the columns of OpenCelliD's files.
    Cells,
}

/// What bringing a list in would do.
#[derive(Debug)]
struct Plan<T> {
    planned: Vec<Planned<T>>,
    unchanged: usize,
    problems: Vec<Problem>,
    repairs: Vec<Repair>,
}

impl<T> Default for Plan<T> {
    fn default() -> Self {
        Self { planned: Vec::new(), unchanged: 0, problems: Vec::new(), repairs: Vec::new() }
    }
}

impl<T: PartialEq> Plan<T> {
    /// Plans what a row makes of whoever was there before: under which identity, and as what.
    fn take(
        &mut self,
        row: u64,
        before: Option<(Option<Uuid>, &T)>,
        after: T,
        differences: impl FnOnce(&T, &T) -> Vec<&'static str>,
    ) {
        let (id, changes) = match before {
            Some((_, before)) if *before == after => {
                self.unchanged += 1;
                return;
            }
            Some((id, before)) => (id, differences(before, &after)),
            None => (None, Vec::new()),
        };
        self.planned.push(Planned { row, id, changes, entry: after });
    }
}

/// A row that is to be written.
#[derive(Debug)]
struct Planned<T> {
    row: u64,
    /// Whom it changes; none: new.
    id: Option<Uuid>,
    changes: Vec<&'static str>,
    entry: T,
}

/// Why a row cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Problem {
    row: u64,
    /// The heading; empty when it is the row as such.
    field: String,
    value: String,
    why: String,
}

impl Problem {
    fn new(sheet: &Sheet, row: &Row, column: Option<usize>, why: String) -> Self {
        let cell = |cells: &[String]| column.and_then(|column| cells.get(column)).cloned().unwrap_or_default();
        Self { row: row.line, field: cell(&sheet.headings), value: cell(&row.cells), why }
    }
}

/// What was wrong with a row, and is not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Repair {
    row: u64,
    what: &'static str,
}

/// What is told of it.
#[derive(Debug, Serialize)]
struct Report<'r> {
    file: &'r Path,
    encoding: &'static str,
    delimiter: char,
    rows: usize,
    columns_unknown: &'r [String],
    new: usize,
    changed: usize,
    unchanged: usize,
    problems: &'r [Problem],
    repairs: &'r [Repair],
    applied: bool,
}

/// More problems than this are a wrong file, not slips: the rest is counted.
const PROBLEMS_SHOWN: usize = 200;

impl Import {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        if self.kind == Kind::Cells {
            return self.bring_in_cells(place, stop).await;
        }
        let bytes = std::fs::read(&self.file).with_context(|| format!("{} cannot be read", self.file.display()))?;
        let sheet = Sheet::read(&bytes).with_context(|| format!("{} cannot be brought in", self.file.display()))?;
        with_database(place, stop, async |_, database| {
            let mut tx = store::begin(&database.pool).await?;
            // Held while it is only looked at, too, but then for a moment only.
            match self.kind {
                Kind::Residents | Kind::Providers => roll::hold(&mut tx).await?,
                Kind::Responders => roll::hold_responders(&mut tx).await?,
                Kind::Cells => {}
            }
            let known = Tree::read(&mut tx).await?;
            let default_node = self.node.as_deref().map(|text| known.find(text)).transpose()?.map(|node| node.id);
            match self.kind {
                Kind::Residents => {
                    let columns = residents::columns(&sheet)?;
                    needs(&columns, residents::Key::Name, "姓名")?;
                    let plan = self.plan_residents(&mut tx, &sheet, &columns, &known, default_node).await?;
                    self.carry_out(tx, &sheet, &columns.unknown, plan).await
                }
                Kind::Providers => {
                    let columns = providers::columns(&sheet)?;
                    needs(&columns, providers::Key::Name, "名称")?;
                    let there = roll::providers(&mut tx).await?;
                    let services = providers::Services(orders::categories(&mut tx).await?);
                    let plan = providers::plan(&sheet, &columns, &known, &services, default_node, &there);
                    self.carry_out(tx, &sheet, &columns.unknown, plan).await
                }
                Kind::Responders => {
                    let columns = responders::columns(&sheet)?;
                    needs(&columns, responders::Key::Name, "姓名")?;
                    needs(&columns, responders::Key::Provider, "服务商")?;
                    let logins = accounts::list(&mut tx).await?.into_iter().map(|account| account.login);
                    let around = responders::Surroundings {
                        tree: &known,
                        default_node,
                        providers: &roll::providers(&mut tx).await?,
                        logins: &logins.collect::<Vec<_>>(),
                        there: &roll::responders(&mut tx).await?,
                    };
                    let plan = responders::plan(&sheet, &columns, &around);
                    self.carry_out(tx, &sheet, &columns.unknown, plan).await
                }
                Kind::Cells => Ok(()),
            }
        })
        .await
    }

    async fn plan_residents(
        &self,
        conn: &mut PgConnection,
        sheet: &Sheet,
        columns: &Columns<residents::Key>,
        known: &Tree,
        default_node: Option<Uuid>,
    ) -> anyhow::Result<Plan<Resident>> {
        let there = roll::residents(conn).await?;
        let this_year = store::watch::look(conn).await?.now.to_zoned(jiff::tz::TimeZone::UTC).year();
        let around = residents::Surroundings {
            tree: known,
            default_node,
            datum: self.datum,
            there: &there,
            centre: tree::centre(conn).await?,
            this_year,
        };
        // Planned twice: which places the list speaks of is known when it has been read, and who covers them only the
        // database knows.
        let asked = std::cell::RefCell::new(Vec::new());
        residents::plan(sheet, columns, &around, |at| {
            asked.borrow_mut().push(at);
            None
        });
        let key = |at: Position| (at.lat_deg().to_bits(), at.lon_deg().to_bits());
        let mut covered = HashMap::new();
        for at in asked.into_inner() {
            covered.insert(key(at), tree::node_at(conn, at.lat_deg(), at.lon_deg()).await?);
        }
        Ok(residents::plan(sheet, columns, &around, |at| covered.get(&key(at)).copied().flatten()))
    }

    /// Tells of a plan, and carries it out when that is wanted.
    async fn carry_out<T: Written>(
        &self,
        mut tx: sqlx::Transaction<'static, sqlx::Postgres>,
        sheet: &Sheet,
        unknown: &[String],
        plan: Plan<T>,
    ) -> anyhow::Result<()> {
        let has_problems = !plan.problems.is_empty();
        let is_applied = self.apply && (self.skip_problems || !has_problems);
        let new = plan.planned.iter().filter(|planned| planned.id.is_none()).count();
        let report = Report {
            file: &self.file,
            encoding: sheet.encoding,
            delimiter: sheet.delimiter,
            rows: sheet.rows.len(),
            columns_unknown: unknown,
            new,
            changed: plan.planned.len() - new,
            unchanged: plan.unchanged,
            problems: &plan.problems,
            repairs: &plan.repairs,
            applied: is_applied,
        };
        let secrets: usize = plan.planned.iter().map(T::secrets_needed).sum();
        let mut left_out = None;
        if is_applied {
            anyhow::ensure!(
                secrets == 0 || self.credentials.is_some(),
                "nothing was written: {secrets} passwords, tokens or keys are to be made; say with --credentials FILE where to"
            );
            if has_problems {
                // First: a file that cannot be written leaves the database as it was.
                let path = problems_path(&self.file);
                write_private(&path, &problems_csv(sheet, &plan.problems)?, Over::Write)
                    .with_context(|| format!("{} cannot be written; nothing was changed", path.display()))?;
                left_out = Some(path);
            }
            let mut made = Vec::new();
            for planned in &plan.planned {
                let put = T::put(&mut tx, planned, &mut made).await;
                put.with_context(|| format!("row {}: nothing was changed", planned.row))?;
            }
            // Before the commit: secrets that nobody could read would be lost.
            if let (Some(path), false) = (&self.credentials, made.is_empty()) {
                write_private(path, &Made::csv(&made)?, Over::Refuse)
                    .with_context(|| format!("{} cannot be written; nothing was changed", path.display()))?;
            }
            tx.commit().await.context("nothing was changed")?;
        }
        if self.json {
            say_json(&report)?;
        } else {
            tell(&report, &plan.planned);
            if let Some(path) = &left_out {
                say(format_args!("the rows that were left out are in {}", path.display()));
            }
            if let (Some(path), true, true) = (&self.credentials, is_applied, secrets > 0) {
                say(format_args!("{secrets} passwords, tokens or keys were made; they are in {}", path.display()));
            }
        }
        if has_problems && !is_applied && self.apply {
            anyhow::bail!("nothing was written: put the rows above right, or leave them out with --skip-problems");
        }
        if !self.apply && !self.json {
            let apply = if has_problems { "--apply --skip-problems" } else { "--apply" };
            let credentials = if secrets > 0 { " --credentials FILE" } else { "" };
            say(format_args!("\nNothing was written. The same with {apply}{credentials} writes it."));
        }
        Ok(())
    }
}

fn needs<F: Copy + PartialEq>(columns: &Columns<F>, field: F, heading: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        columns.column(field).is_some(),
        "no column says {heading}; the first row must hold the headings, and these mean nothing here: {}",
        columns.unknown.join(", ")
    );
    Ok(())
}

fn tell<T>(report: &Report<'_>, planned: &[Planned<T>]) {
    let between = match report.delimiter {
        '\t' => "tabs".to_owned(),
        other => format!("“{other}”"),
    };
    say(format_args!(
        "{}: {} rows ({}, {between} between the cells)",
        report.file.display(),
        report.rows,
        report.encoding
    ));
    if !report.columns_unknown.is_empty() {
        say(format_args!("columns that mean nothing here and are left out: {}", report.columns_unknown.join(", ")));
    }
    let with_problems: BTreeSet<u64> = report.problems.iter().map(|problem| problem.row).collect();
    let done = if report.applied { "written" } else { "would be written" };
    say(format_args!(
        "{done}: {} new, {} changed; unchanged: {}; with problems: {}",
        report.new,
        report.changed,
        report.unchanged,
        with_problems.len()
    ));
    for planned in planned.iter().filter(|planned| planned.id.is_some()).take(PROBLEMS_SHOWN) {
        say(format_args!("  row {} changes {}", planned.row, planned.changes.join(", ")));
    }
    for repair in report.repairs.iter().take(PROBLEMS_SHOWN) {
        say(format_args!("  row {} was put right: {}", repair.row, repair.what));
    }
    for problem in report.problems.iter().take(PROBLEMS_SHOWN) {
        let Problem { row, field, value, why } = problem;
        match (field.is_empty(), value.is_empty()) {
            (true, _) => say(format_args!("  row {row}: {why}")),
            (false, true) => say(format_args!("  row {row}, {field}: {why}")),
            (false, false) => say(format_args!("  row {row}, {field} “{value}”: {why}")),
        }
    }
    if report.problems.len() > PROBLEMS_SHOWN {
        say(format_args!("  … and {} more problems", report.problems.len() - PROBLEMS_SHOWN));
    }
}

/// `list.csv` → `list.csv.problems.csv`, beside it.
fn problems_path(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".problems.csv");
    file.with_file_name(name)
}

/// The rows that were left out, as they were, with what is wrong; with a mark, so that every spreadsheet reads it.
fn problems_csv(sheet: &Sheet, problems: &[Problem]) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::WriterBuilder::new().flexible(true).from_writer("\u{feff}".as_bytes().to_vec());
    let more = ["row", "problem"].map(str::to_owned);
    out.write_record(sheet.headings.iter().chain(&more))?;
    for row in &sheet.rows {
        let whys: Vec<String> = problems
            .iter()
            .filter(|problem| problem.row == row.line)
            .map(|problem| format!("{} {}", problem.field, problem.why).trim().to_owned())
            .collect();
        if !whys.is_empty() {
            let cells = row.cells.iter().take(sheet.headings.len());
            out.write_record(cells.chain(&[row.line.to_string(), whys.join("; ")]))?;
        }
    }
    Ok(out.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_left_out_read_as_the_list_did_with_two_columns_more() {
        let sheet = Sheet::read("姓名,电话\n甲,1\n乙,2\n".as_bytes()).unwrap();
        let problems = [
            Problem::new(&sheet, &sheet.rows[1], Some(1), "is wrong".into()),
            Problem::new(&sheet, &sheet.rows[1], None, "is odd, too".into()),
        ];
        let left_out = Sheet::read(&problems_csv(&sheet, &problems).unwrap()).unwrap();
        assert_eq!(left_out.headings, ["姓名", "电话", "row", "problem"]);
        assert_eq!(left_out.rows.len(), 1);
        assert_eq!(left_out.rows[0].cells, ["乙", "2", "3", "电话 is wrong; is odd, too"]);
        assert_eq!(problems_path(Path::new("/a/list.csv")), Path::new("/a/list.csv.problems.csv"));
    }
}
