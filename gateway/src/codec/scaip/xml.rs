//! The XML of SS 91100: a root and flat elements of three letters.
//!
//! Reading is by hand rather than by serde, because what has been read before a mistake still counts: a message that
//! breaks off after its alarm is an alarm.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

/// A longer message is not read.
pub(super) const MESSAGE_MAX_BYTES: usize = 64 * 1024;
/// No message nests deeper: the root, `lge`, and what is in it.
const DEPTH_MAX: usize = 8;
/// Elements in one message.
const ELEMENTS_MAX: usize = 256;

/// What was read, until the first mistake.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The name of the root.
    pub(super) root: String,
    /// Names in small letters and texts, in order.
    pub(super) elements: Vec<(String, String)>,
    /// Why reading ended early.
    pub(super) broken: Option<&'static str>,
}

impl Document {
    /// The text of the first element of this name, without blanks around it; nothing when it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut texts = self.elements.iter().filter(|(told, _)| told == name).map(|(_, text)| text.trim());
        texts.find(|text| !text.is_empty())
    }

    /// The texts of all elements of this name.
    pub(super) fn texts<'d>(&'d self, name: &'d str) -> impl Iterator<Item = &'d str> {
        let named = self.elements.iter().filter(move |(told, _)| told == name);
        named.map(|(_, text)| text.trim()).filter(|text| !text.is_empty())
    }
}

/// Reads a message.
pub(super) fn read(bytes: &[u8]) -> Document {
    let mut document = Document::default();
    if bytes.len() > MESSAGE_MAX_BYTES {
        document.broken = Some("longer than any message");
        return document;
    }
    let text = decoded(bytes);
    let mut reader = Reader::from_str(text.trim_start_matches(['\u{feff}', '\0']).trim_end_matches('\0').trim());
    let mut open: Vec<String> = Vec::new();
    let mut content = String::new();
    let mut root_closed = false;
    document.broken = loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let name = start.local_name().as_ref().to_ascii_lowercase();
                if open.is_empty() {
                    if !document.root.is_empty() {
                        break Some("two roots");
                    }
                    document.root.clone_from(&name);
                }
                content.clear();
                open.push(name);
                if open.len() > DEPTH_MAX {
                    break Some("nested too deep");
                }
            }
            Ok(Event::End(_)) => {
                if let Some(name) = open.pop()
                    && !open.is_empty()
                {
                    if document.elements.len() >= ELEMENTS_MAX {
                        break Some("too many elements");
                    }
                    document.elements.push((name, std::mem::take(&mut content)));
                }
                root_closed = open.is_empty();
            }
            Ok(Event::Empty(empty)) => {
                if open.is_empty() && document.root.is_empty() {
                    document.root = empty.local_name().as_ref().to_ascii_lowercase();
                    root_closed = true;
                }
            }
            Ok(Event::Text(text)) => {
                if open.is_empty() && !text.xml10_content().trim().is_empty() {
                    break Some("text outside of the root");
                }
                content.push_str(&text.xml10_content());
            }
            Ok(Event::CData(text)) => content.push_str(&text.xml10_content()),
            Ok(Event::GeneralRef(reference)) => match (reference.resolve_char_ref(), &*reference.xml10_content()) {
                (Ok(Some(letter)), _) => content.push(letter),
                (_, "lt") => content.push('<'),
                (_, "gt") => content.push('>'),
                (_, "amp") => content.push('&'),
                (_, "apos") => content.push('\''),
                (_, "quot") => content.push('"'),
                _ => break Some("an entity that nobody defined"),
            },
            Ok(Event::DocType(_)) => break Some("a document type"),
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
            Ok(Event::Eof) => break (!root_closed).then_some("not closed"),
            Err(_) => break Some("not XML"),
        }
    };
    document
}

/// UTF-8, or Latin-1, which older units write and few of them say.
fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Writes an element.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}
