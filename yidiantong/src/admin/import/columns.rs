//! What the headings of a list mean, in Chinese and English. Pure.

use super::cell::narrow;

/// A field and the headings that mean it, as [`plain`] writes them.
pub(super) type Field<F> = (F, &'static [&'static str]);

/// Which columns hold what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns<F> {
    /// Field and column, in the order of the columns.
    pub(super) known: Vec<(F, usize)>,
    /// Headings that mean nothing here.
    pub(super) unknown: Vec<String>,
}

/// Two columns for one thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the headings {0} and {1} mean the same; leave one of them out")]
pub(crate) struct SameTwice(String, String);

impl<F: Copy + PartialEq> Columns<F> {
    pub(super) fn of(headings: &[String], fields: &[Field<F>]) -> Result<Self, SameTwice> {
        let mut columns = Self { known: Vec::new(), unknown: Vec::new() };
        for (index, heading) in headings.iter().enumerate() {
            let heading_plain = plain(heading);
            let meant = fields.iter().find(|(_, names)| names.contains(&heading_plain.as_str()));
            match meant {
                Some((field, _)) => {
                    if let Some(other) = columns.column(*field) {
                        return Err(SameTwice(headings[other].clone(), heading.clone()));
                    }
                    columns.known.push((*field, index));
                }
                None if heading.is_empty() => {}
                None => columns.unknown.push(heading.clone()),
            }
        }
        Ok(columns)
    }

    pub(super) fn column(&self, field: F) -> Option<usize> {
        self.known.iter().find(|(known, _)| *known == field).map(|(_, column)| *column)
    }
}

/// A heading without what people put around it: spaces, stars, what stands in brackets, capitals, underscores.
pub(super) fn plain(heading: &str) -> String {
    let mut depth = 0_usize;
    let mut plain = String::new();
    for character in narrow(heading).to_lowercase().chars() {
        match character {
            '(' | '[' | '【' => depth += 1,
            ')' | ']' | '】' => depth = depth.saturating_sub(1),
            _ if depth > 0 || character.is_whitespace() => {}
            '*' | '_' | '-' | ':' | '.' => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_known_whatever_is_put_around_it() {
        let fields = [('n', &["姓名", "name"][..]), ('p', &["联系电话", "phone"][..])];
        let of = |headings: &[&str]| {
            Columns::of(&headings.iter().map(|&heading| heading.to_owned()).collect::<Vec<_>>(), &fields)
        };
        assert_eq!(of(&["*姓 名（必填）", "联系电话"]).unwrap().known, [('n', 0), ('p', 1)]);
        assert_eq!(of(&["NAME", "", "备注"]).unwrap(), Columns { known: vec![('n', 0)], unknown: vec!["备注".into()] });
        assert!(of(&["姓名", "Name"]).unwrap_err().to_string().contains("姓名 and Name"));
    }
}
