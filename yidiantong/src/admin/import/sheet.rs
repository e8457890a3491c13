//! A list as somebody exported it: bytes to rows. Pure; no bytes make it panic.
//!
//! UTF-8 with and without a mark, UTF-16, and what Chinese versions of Excel write by themselves (GBK, read as its
//! superset GB18030); commas, semicolons or tabs. What the cells mean is not known here.

use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

/// More than a district has people, and far below what would fill a memory.
pub(crate) const ROWS_MAX: usize = 200_000;

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// How the text was encoded.
    pub(crate) encoding: &'static str,
    /// What stands between the cells.
    pub(crate) delimiter: char,
    /// The first row, trimmed.
    pub(crate) headings: Vec<String>,
    /// The others, without those that are empty.
    pub(crate) rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its line in the file; the headings' is 1. A spreadsheet shows the same number unless cells have several lines.
    pub(crate) line: u64,
    /// Its cells, trimmed, as many as there are headings or more.
    pub(crate) cells: Vec<String>,
}

/// Why bytes are no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSheet {
    /// In no encoding that we know.
    #[error("it is neither UTF-8, UTF-16 nor GBK/GB18030: save it as \"CSV UTF-8\"")]
    Encoding,
    /// A spreadsheet's own format.
    #[error("it is a spreadsheet, not a CSV file: open it and save it as \"CSV UTF-8\"")]
    Spreadsheet,
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// A heading stands twice.
    #[error("the heading {0} stands twice")]
    Twice(String),
    /// Not CSV after all.
    #[error("line {line} is not CSV: {why}")]
    Broken {
        /// Which.
        line: u64,
        /// In the reader's words.
        why: String,
    },
    /// Too long.
    #[error("it has more than {ROWS_MAX} rows: bring it in in parts")]
    TooLong,
}

impl Sheet {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, NoSheet> {
        // Both kinds of Excel's own files, the zipped and the old one.
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
            return Err(NoSheet::Spreadsheet);
        }
        let (text, encoding) = decode(bytes)?;
        let (hint, text) = without_hint(&text);
        let delimiter = hint.unwrap_or_else(|| delimiter_of(text));
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(u8::try_from(delimiter).unwrap_or(b','))
            .from_reader(text.as_bytes());
        let mut lines = Lines { text: text.as_bytes(), at: 0, line: hint.map_or(1, |_| 2) };
        let mut rows = Vec::new();
        for record in reader.records() {
            let record =
                record.map_err(|error| NoSheet::Broken { line: lines.of(error.position()), why: error.to_string() })?;
            let line = lines.of(record.position());
            let cells: Vec<String> = record.iter().map(trimmed).collect();
            if cells.iter().all(String::is_empty) {
                continue;
            }
            if rows.len() > ROWS_MAX {
                return Err(NoSheet::TooLong);
            }
            rows.push(Row { line, cells });
        }
        if rows.is_empty() {
            return Err(NoSheet::Empty);
        }
        let mut headings = rows.remove(0).cells;
        while headings.last().is_some_and(String::is_empty) {
            headings.pop();
        }
        for (index, heading) in headings.iter().enumerate() {
            if !heading.is_empty() && headings[..index].contains(heading) {
                return Err(NoSheet::Twice(heading.clone()));
            }
        }
        for row in &mut rows {
            row.cells.resize(row.cells.len().max(headings.len()), String::new());
        }
        Ok(Self { encoding, delimiter, headings, rows })
    }
}

/// Counts lines. The reader's own count stands where the row before has ended, which is a line or several before a row
/// that comes after empty ones.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which a row begins. Rows are asked for in their order.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        while let Some(byte) = self.text.get(self.at) {
            let is_break = matches!(byte, b'\n' | b'\r');
            if self.at >= start && !is_break {
                break;
            }
            // Both bytes of a Windows line's end are one.
            if is_break && !(*byte == b'\r' && self.text.get(self.at + 1) == Some(&b'\n')) {
                self.line += 1;
            }
            self.at += 1;
        }
        self.line
    }
}

/// Text and the name of its encoding. A mark at the beginning decides; without one, what the bytes allow.
fn decode(bytes: &[u8]) -> Result<(String, &'static str), NoSheet> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return decode_as(encoding, &bytes[mark..]).ok_or(NoSheet::Encoding);
    }
    // Text has no zero bytes, except where each character has two.
    if bytes.contains(&0) {
        let zeros = |parity: usize| bytes.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
        let encoding = if zeros(0) > zeros(1) { UTF_16BE } else { UTF_16LE };
        return decode_as(encoding, bytes).ok_or(NoSheet::Encoding);
    }
    decode_as(UTF_8, bytes).or_else(|| decode_as(GB18030, bytes)).ok_or(NoSheet::Encoding)
}

fn decode_as(encoding: &'static Encoding, bytes: &[u8]) -> Option<(String, &'static str)> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some((text.into_owned(), encoding.name()))
}

/// Excel's own first line `sep=;` says what stands between cells.
fn without_hint(text: &str) -> (Option<char>, &str) {
    let Some(rest) = text.strip_prefix("sep=").or_else(|| text.strip_prefix("SEP=")) else { return (None, text) };
    let mut rest = rest.chars();
    match rest.next() {
        Some(delimiter @ (',' | ';' | '\t')) => {
            let rest = rest.as_str();
            let rest = rest.strip_prefix('\r').unwrap_or(rest);
            rest.strip_prefix('\n').map_or((None, text), |rest| (Some(delimiter), rest))
        }
        _ => (None, text),
    }
}

/// What stands most often in the first line that is not empty, outside of quotes.
fn delimiter_of(text: &str) -> char {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |wanted: char| {
        let outside = first.chars().scan(false, |quoted, character| {
            *quoted ^= character == '"';
            Some((*quoted, character))
        });
        outside.filter(|(quoted, character)| !quoted && *character == wanted).count()
    };
    let mut best = (',', count(','));
    for other in [';', '\t'] {
        if count(other) > best.1 {
            best = (other, count(other));
        }
    }
    best.0
}

/// Without spaces around it: ordinary ones, full-width ones, and those that nobody sees.
fn trimmed(cell: &str) -> String {
    let blank = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '\u{200b}' | '\u{feff}' | '\u{2060}')
    };
    cell.trim_matches(blank).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "姓名,电话\n陈秀英,138\n";

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn the_same_list_is_read_in_every_encoding_it_may_come_in() {
        let read = |bytes: &[u8]| Sheet::read(bytes).map(|sheet| (sheet.headings, sheet.rows[0].cells.clone()));
        let expected = Ok((vec!["姓名".to_owned(), "电话".to_owned()], vec!["陈秀英".to_owned(), "138".to_owned()]));
        assert_eq!(read(TEXT.as_bytes()), expected);
        assert_eq!(read(format!("\u{feff}{TEXT}").as_bytes()), expected);
        assert_eq!(read(&GB18030.encode(TEXT).0), expected);
        let marked = format!("\u{feff}{TEXT}");
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(read(&utf16(&marked, bytes)), expected);
            assert_eq!(read(&utf16(TEXT, bytes)), expected, "without a mark");
        }
    }

    #[test]
    fn what_stands_between_the_cells_is_found_out() {
        for (text, delimiter) in [
            ("a;b;c\n1;2,5;3", ';'),
            ("a\tb\n1\t2", '\t'),
            ("\"a;b;c\",d\n1,2", ','),
            ("sep=;\r\na;b\r\n1;2", ';'),
            ("a\n1", ','),
        ] {
            assert_eq!(Sheet::read(text.as_bytes()).unwrap().delimiter, delimiter, "{text:?}");
        }
    }

    #[test]
    fn rows_know_their_line_and_empty_ones_are_left_out() {
        let sheet = Sheet::read("姓名,地址\r\n\r\n甲,\"三栋\n201\"\r\n,,\r\n乙\r\n".as_bytes()).unwrap();
        let rows: Vec<_> = sheet.rows.iter().map(|row| (row.line, row.cells.as_slice())).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0], (3, &["甲".to_owned(), "三栋\n201".to_owned()][..]));
        assert_eq!(rows[1], (6, &["乙".to_owned(), String::new()][..]));
        for ending in ["\n", "\r\n", "\r"] {
            let sheet = Sheet::read(["a,b", "1,2", "3,4", "", "5,6"].join(ending).as_bytes()).unwrap();
            let lines: Vec<u64> = sheet.rows.iter().map(|row| row.line).collect();
            assert_eq!(lines, [2, 3, 5], "{ending:?}");
        }
    }

    #[test]
    fn full_width_and_invisible_spaces_around_a_cell_go() {
        let sheet = Sheet::read("　姓名 ,x\n\u{200b}　陈 秀英\u{a0},1\n".as_bytes()).unwrap();
        assert_eq!((sheet.headings[0].as_str(), sheet.rows[0].cells[0].as_str()), ("姓名", "陈 秀英"));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(Sheet::read(b""), Err(NoSheet::Empty));
        assert_eq!(Sheet::read(b"\n ,\n"), Err(NoSheet::Empty));
        assert_eq!(Sheet::read(b"PK\x03\x04rest"), Err(NoSheet::Spreadsheet));
        assert_eq!(Sheet::read(b"a,b\n\xff\xff\xff"), Err(NoSheet::Encoding));
        assert_eq!(Sheet::read(b"a,a\n1,2"), Err(NoSheet::Twice("a".into())));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Sheet::read(&bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\PC,;\t\"\n\r]{0,200}") {
            let _ = Sheet::read(text.as_bytes());
        }
    }
}
