//! `yidiantong replay-fences`: what the fence engine says of recorded days, for judging how well it knows who has left.
//! `docs/wandering.md` has the figures.

pub mod case;
mod picture;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write as _, stdin, stdout};
use std::path::PathBuf;

use anyhow::Context as _;

use self::case::Case;

/// Let recorded days pass, and print what the fence engine said of each case, one a line, decided fix by fix with what
/// had arrived by then.
#[derive(Debug, clap::Args)]
pub struct ReplayFences {
    /// The cases, as `make-traces` writes them; `-` reads them from standard input.
    file: PathBuf,
    /// Draw one case instead, as SVG: its fixes, the truth, and the belief over them.
    #[arg(long, value_name = "CASE")]
    picture: Option<String>,
    /// The picture begins at this second of the case.
    #[arg(long, requires = "picture", default_value_t = 0.0)]
    from: f64,
    /// The picture ends at this second of the case.
    #[arg(long, requires = "picture")]
    to: Option<f64>,
}

impl ReplayFences {
    /// Reads, plays, prints.
    pub fn run(&self) -> anyhow::Result<()> {
        let lines: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(&self.file).with_context(|| self.file.display().to_string())?))
        };
        let mut out = BufWriter::new(stdout().lock());
        let mut is_drawn = false;
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let place = || format!("{}, line {number}", self.file.display());
            let case: Case = serde_json::from_str(&line).with_context(place)?;
            match &self.picture {
                None => {
                    serde_json::to_writer(&mut out, &case.play().with_context(place)?)?;
                    out.write_all(b"\n")?;
                }
                Some(wanted) if *wanted == case.id => {
                    let to = self.to.unwrap_or(f64::INFINITY);
                    out.write_all(picture::draw(&case, self.from, to).with_context(place)?.as_bytes())?;
                    is_drawn = true;
                    break;
                }
                Some(_) => {}
            }
        }
        out.flush()?;
        if let (Some(wanted), false) = (&self.picture, is_drawn) {
            anyhow::bail!("there is no case {wanted} in {}", self.file.display());
        }
        Ok(())
    }
}
