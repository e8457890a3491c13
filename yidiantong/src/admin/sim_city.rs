//! `yidiantong sim-city`: what our own policy does with the days of an invented city, for judging how well
//! people are sent. `docs/dispatch-quality.md` has the figures.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write as _, stdin, stdout};
use std::path::PathBuf;

use anyhow::Context as _;
use city::{City, Play, play};

/// Let the days of an invented city pass, and print what our policy did, one event a line.
#[derive(Debug, clap::Args)]
pub struct SimCity {
    /// The city, as `make-city` writes it; `-` reads it from standard input.
    file: PathBuf,
    /// Without the plan for everybody: whoever would be there first, one at a time.
    #[arg(long)]
    no_plan: bool,
}

impl SimCity {
    /// Reads, plays, prints.
    pub fn run(&self) -> anyhow::Result<()> {
        let lines: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(&self.file).with_context(|| self.file.display().to_string())?))
        };
        let city = City::read(lines).with_context(|| self.file.display().to_string())?;
        let rules = if self.no_plan { Play { weights: None, ..Play::default() } } else { Play::default() };
        let mut out = BufWriter::new(stdout().lock());
        for event in play(&city, &rules) {
            serde_json::to_writer(&mut out, &event)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(())
    }
}
