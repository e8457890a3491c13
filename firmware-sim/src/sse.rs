//! Reading a stream of server-sent events (WHATWG HTML, §9.2): bytes in, events out.

/// More than this without the end of an event is no stream that we want to follow.
const EVENT_MAX_BYTES: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` when none was given.
    pub name: String,
    /// Its data, lines joined by a line feed.
    pub data: String,
}

/// The stream sent more than a mebibyte without ending an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {EVENT_MAX_BYTES} bytes")]
pub struct TooLong;

/// Collects bytes until events are whole.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    name: String,
    data: String,
    after_cr: bool,
}

impl Reader {
    /// Takes what has arrived and gives the events that are now whole.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let second_half_of_crlf = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if second_half_of_crlf => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > EVENT_MAX_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            // The last data line's own line feed does not belong to the data; no data, no event.
            data.pop()?;
            return Some(Event { name: if name.is_empty() { "message".into() } else { name }, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // Comments (an empty field), ids and retry times are of no use here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\n\nevent: offers\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: 7\ndata:x\n\n:\n\nevent: lost\n\n";

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let mut reader = Reader::default();
            let mut events = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                events.extend(reader.read(piece).unwrap());
            }
            assert_eq!(events, [event("offers", "{\"a\":\n1}"), event("message", "x")], "in pieces of {size}");
        }
    }

    #[test]
    fn a_stream_without_an_end_is_given_up() {
        let mut reader = Reader::default();
        assert_eq!(reader.read(&vec![b'x'; EVENT_MAX_BYTES + 1]), Err(TooLong));
    }
}
