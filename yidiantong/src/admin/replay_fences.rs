//! `yidiantong replay-fences`: what the fence engine says of recorded days, for judging how well it knows who has left.
//! `docs/wandering.md` has the figures.

pub mod case;
mod picture;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::Context as _;

use self::case::Case;
use super::refuse;

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
        let Some(wanted) = &self.picture else {
            let refused = play(lines, &mut out, |number, why| refuse(&why.context(self.line(number))))?;
            out.flush()?;
            anyhow::ensure!(refused == 0, "{refused} lines are no cases that can be played; all others were");
            return Ok(());
        };
        for (number, line) in cases(lines) {
            // What cannot be read is not the one that is wanted.
            let Ok(case) = read(&line?) else { continue };
            if case.id == *wanted {
                let to = self.to.unwrap_or(f64::INFINITY);
                let drawn = picture::draw(&case, self.from, to).with_context(|| self.line(number))?;
                out.write_all(drawn.as_bytes())?;
                out.flush()?;
                return Ok(());
            }
        }
        anyhow::bail!("there is no case {wanted} in {}", self.file.display())
    }

    /// Where something is wrong, for a person.
    fn line(&self, number: usize) -> String {
        format!("{}, line {number}", self.file.display())
    }
}

/// Plays one case after the other, and writes what was said of each. A line that is no case, or has a fence that cannot be,
/// is told with its number and its cause, and keeps nobody from the cases after it; how many there were.
fn play(
    lines: impl BufRead,
    out: &mut impl Write,
    mut refused: impl FnMut(usize, anyhow::Error),
) -> anyhow::Result<usize> {
    let mut count = 0;
    for (number, line) in cases(lines) {
        match read(&line?).and_then(|case| case.play()) {
            Ok(answer) => {
                serde_json::to_writer(&mut *out, &answer)?;
                out.write_all(b"\n")?;
            }
            Err(why) => {
                refused(number, why);
                count += 1;
            }
        }
    }
    Ok(count)
}

/// The lines that say something, with their numbers from one.
fn cases(lines: impl BufRead) -> impl Iterator<Item = (usize, std::io::Result<Vec<u8>>)> {
    (1..).zip(lines.split(b'\n')).filter(|(_, line)| line.as_ref().map_or(true, |line| !line.trim_ascii().is_empty()))
}

/// Reads a case. Some editors put a mark in front of a file that says it is UTF-8.
fn read(line: &[u8]) -> anyhow::Result<Case> {
    Ok(serde_json::from_slice(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line))?)
}
