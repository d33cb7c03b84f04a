//! Reads server-sent events from bytes as they come, in whatever pieces.
//! It must not know what the events are about.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its kind; empty = `message`.
    pub kind: String,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its data, lines joined.
    pub data: String,
}

/// More bytes than any one event of ours has.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// An event without end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {} MiB", EVENT_BYTES_MAX >> 20)]
pub struct TooLong;

/// Reads events; keeps what has come of the next one.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Events {
    /// Takes the next bytes, and adds the events they complete.
    pub fn read(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() + self.event.data.len() > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                self.take(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']), events);
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &str, events: &mut Vec<Event>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.kind),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            // Comments are heartbeats; whatever else is of a newer version.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nid: b-1\nevent: rate\ndata: {\"a\":1}\n\nevent: bye\r\ndata: x\r\ndata: y\r\n\r\nid: 9\n\n";

    fn expect() -> Vec<Event> {
        vec![
            Event { kind: "rate".to_owned(), id: Some("b-1".to_owned()), data: "{\"a\":1}".to_owned() },
            Event { kind: "bye".to_owned(), id: None, data: "x\ny".to_owned() },
        ]
    }

    #[test]
    fn events_come_out_the_same_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let (mut reader, mut events) = (Events::default(), Vec::new());
            for piece in STREAM.as_bytes().chunks(size) {
                reader.read(piece, &mut events).unwrap();
            }
            assert_eq!(events, expect(), "pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let (mut reader, mut events) = (Events::default(), Vec::new());
        let piece = vec![b'x'; EVENT_BYTES_MAX / 2];
        assert_eq!(reader.read(&piece, &mut events), Ok(()));
        assert_eq!(reader.read(&piece, &mut events), Ok(()));
        assert_eq!(reader.read(b"x", &mut events), Err(TooLong));
    }
}
