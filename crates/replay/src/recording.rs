//! Recorded venue traffic: one JSON object per line, read as a stream with a bound on every line.
//! It must not know what a frame means, nor how it is played back.

use crate::RecordingError;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, fs::File, io, io::BufRead, io::BufReader, path::Path};

/// The longest line that is read. The biggest frame a venue may send is far below.
const LINE_BYTES_MAX: usize = 32 << 20;
/// The most bytes of frames that one recording may hold in memory.
const RECORDING_BYTES_MAX: usize = 1 << 30;

/// How a line travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A WebSocket frame.
    Ws,
    /// An HTTP request or answer.
    Http,
}

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The venue.
    In,
    /// The client.
    Out,
}

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// Who said it.
    pub direction: Direction,
    /// How it travelled.
    pub transport: Transport,
    /// The address of the connection or request.
    pub url: String,
    /// The connection's number in the file.
    pub connection: u64,
    /// When it was received, in microseconds from an unknown origin; `None` where the source kept no time.
    pub at_us: Option<i64>,
    /// The frame or body. Where `gzip_on_wire` is set, what it decompresses to.
    pub data: Vec<u8>,
    /// A binary WebSocket frame.
    pub binary: bool,
    /// It was a gzip binary frame on the wire.
    pub gzip_on_wire: bool,
    /// HTTP: the method of a request.
    pub method: Option<String>,
    /// HTTP: the status of an answer.
    pub status: Option<u16>,
    /// HTTP: the type of an answer.
    pub content_type: Option<String>,
}

/// The line as it stands in the file. Unknown keys are notes of whoever recorded it.
#[derive(Deserialize)]
struct Written<'a> {
    dir: Direction,
    transport: Transport,
    url: String,
    #[serde(borrow, default)]
    t: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    enc: Option<String>,
    op: Option<String>,
    conn: Option<u64>,
    decoded: Option<String>,
    method: Option<String>,
    status: Option<u16>,
    content_type: Option<String>,
}

impl Line {
    /// Reads one line of a recording; `Err` = what is wrong with it, in words.
    pub fn parse(number: usize, text: &[u8]) -> Result<Line, String> {
        let text = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned())?;
        let written: Written<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let data = match written.enc.as_deref() {
            None => written.data.into_owned().into_bytes(),
            Some("base64") => STANDARD
                .decode(written.data.as_bytes())
                .map_err(|error| format!("`data` is not base64: {error}"))?,
            Some(other) => return Err(format!("`enc` is {other:?}; only \"base64\" is known")),
        };
        let binary = match written.op.as_deref() {
            // Raw bytes that are no text can only have been a binary frame.
            None => std::str::from_utf8(&data).is_err(),
            Some("binary") => true,
            Some("text") => false,
            Some(other) => return Err(format!("`op` is {other:?}; only \"binary\" and \"text\" are known")),
        };
        let gzip_on_wire = match written.decoded.as_deref() {
            None => false,
            Some("gzip") => written.transport == Transport::Ws,
            Some(other) => return Err(format!("`decoded` is {other:?}; only \"gzip\" is known")),
        };
        if written.status.is_some_and(|status| !(100..=599).contains(&status)) {
            return Err("`status` is no HTTP status".to_owned());
        }
        let at_us = match written.t.map(RawValue::get) {
            None | Some("null") => None,
            Some(seconds) => Some(microseconds(seconds).ok_or("`t` is not a number of seconds")?),
        };
        Ok(Line {
            number,
            direction: written.dir,
            transport: written.transport,
            url: written.url,
            connection: written.conn.unwrap_or(0),
            at_us,
            data,
            binary,
            gzip_on_wire,
            method: written.method,
            status: written.status,
            content_type: written.content_type,
        })
    }

    /// The path of its address, `/` where it has none.
    pub fn path(&self) -> &str {
        path_and_query(&self.url).0
    }

    /// The query of its address, without the `?`.
    pub fn query(&self) -> &str {
        path_and_query(&self.url).1
    }
}

/// Path and query of an address, as written.
fn path_and_query(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = before.find('/').map_or("/", |at| &before[at..]);
    (path, query)
}

/// A number of seconds as microseconds, exactly where it has six decimals at most.
fn microseconds(seconds: &str) -> Option<i64> {
    use rust_decimal::{Decimal, prelude::ToPrimitive};
    let seconds = Decimal::from_str_exact(seconds).or_else(|_| Decimal::from_scientific(seconds)).ok()?;
    seconds.checked_mul(Decimal::from(1_000_000))?.floor().to_i64()
}

/// The lines of a recording, one after the other; ends after the first error.
#[derive(Debug)]
pub struct Lines<R> {
    file: String,
    input: R,
    number: usize,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads from `input`; `file` is only for messages.
    pub fn new(file: &str, input: R) -> Lines<R> {
        Lines { file: file.to_owned(), input, number: 0, buffer: Vec::new(), ended: false }
    }

    fn error(&mut self, reason: impl Into<String>) -> RecordingError {
        self.ended = true;
        RecordingError { file: self.file.clone(), line: self.number, reason: reason.into() }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            self.number += 1;
            self.buffer.clear();
            let mut bounded = io::Read::take(&mut self.input, LINE_BYTES_MAX as u64 + 1);
            match bounded.read_until(b'\n', &mut self.buffer) {
                Ok(0) => self.ended = true,
                Ok(_) if self.buffer.len() > LINE_BYTES_MAX => {
                    return Some(Err(self.error(format!("the line has more than {LINE_BYTES_MAX} bytes"))));
                }
                Ok(_) if self.buffer.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let line = Line::parse(self.number, self.buffer.trim_ascii());
                    return Some(line.map_err(|reason| self.error(reason)));
                }
                Err(error) => return Some(Err(self.error(error.to_string()))),
            }
        }
        None
    }
}

/// A whole recording, in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its file, for messages.
    pub name: String,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

impl Recording {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Recording::read(&name, BufReader::new(file)),
            Err(error) => Err(RecordingError { file: name, line: 0, reason: error.to_string() }),
        }
    }

    /// Reads all of `input`; `name` is only for messages.
    pub fn read(name: &str, input: impl BufRead) -> Result<Recording, RecordingError> {
        let (mut lines, mut bytes) = (Vec::new(), 0usize);
        for line in Lines::new(name, input) {
            let line = line?;
            bytes = bytes.saturating_add(line.data.len() + line.url.len());
            if bytes > RECORDING_BYTES_MAX {
                let reason = format!("the recording holds more than {RECORDING_BYTES_MAX} bytes");
                return Err(RecordingError { file: name.to_owned(), line: line.number, reason });
            }
            lines.push(line);
        }
        Ok(Recording { name: name.to_owned(), lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Line>, String> {
        Recording::read("r.jsonl", text.as_bytes()).map(|r| r.lines).map_err(|e| e.to_string())
    }

    #[test]
    fn every_key_is_read() {
        let lines = read(concat!(
            r#"{"dir":"out","transport":"ws","url":"wss://v.test/a/b?c=d","t":null,"data":"{\"op\":\"x\"}","src":"note"}"#,
            "\n\n",
            r#"{"dir":"in","transport":"ws","url":"wss://v.test/","t":1600000000.123456,"data":"AQI=","enc":"base64","op":"binary","conn":3}"#,
            "\n",
            r#"{"dir":"in","transport":"ws","url":"wss://v.test","t":1.5e1,"data":"{}","decoded":"gzip"}"#,
            "\n",
            r#"{"dir":"in","transport":"http","url":"https://v.test/p?q=1","data":"no","status":404,"content_type":"text/plain","method":"GET"}"#,
        ))
        .unwrap();
        assert_eq!(lines.iter().map(|l| l.number).collect::<Vec<_>>(), [1, 3, 4, 5]);
        assert_eq!((lines[0].path(), lines[0].query(), lines[0].direction), ("/a/b", "c=d", Direction::Out));
        assert_eq!(lines[0].data, br#"{"op":"x"}"#);
        assert_eq!((&lines[1].data[..], lines[1].binary, lines[1].connection), (&[1u8, 2][..], true, 3));
        assert_eq!(lines[1].at_us, Some(1_600_000_000_123_456));
        assert_eq!((lines[2].gzip_on_wire, lines[2].at_us, lines[2].path()), (true, Some(15_000_000), "/"));
        assert_eq!((lines[3].status, lines[3].content_type.as_deref()), (Some(404), Some("text/plain")));
    }

    #[test]
    fn a_bad_line_is_named_with_file_and_line() {
        let good = r#"{"dir":"in","transport":"ws","url":"wss://v.test","t":null,"data":""}"#;
        for (bad, reason) in [
            ("nonsense", "expected"),
            (r#"{"dir":"in","transport":"ws","url":"u","t":null}"#, "missing field `data`"),
            (r#"{"dir":"up","transport":"ws","url":"u","data":""}"#, "unknown variant `up`"),
            (r#"{"dir":"in","transport":"tcp","url":"u","data":""}"#, "unknown variant `tcp`"),
            (r#"{"dir":"in","transport":"ws","url":"u","data":"%","enc":"base64"}"#, "not base64"),
            (r#"{"dir":"in","transport":"ws","url":"u","data":"","enc":"hex"}"#, "`enc`"),
            (r#"{"dir":"in","transport":"ws","url":"u","data":"","t":"x"}"#, "`t`"),
            (r#"{"dir":"in","transport":"ws","url":"u","data":"","t":1e300}"#, "`t`"),
            (r#"{"dir":"in","transport":"http","url":"u","data":"","status":99}"#, "`status`"),
        ] {
            let error = read(&format!("{good}\n{bad}\n{good}\n")).unwrap_err();
            assert!(error.starts_with("r.jsonl:2: ") && error.contains(reason), "{bad}: {error}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let endless = io::Read::take(io::repeat(b'x'), LINE_BYTES_MAX as u64 * 3);
        let mut lines = Lines::new("big", BufReader::new(endless));
        assert!(lines.next().unwrap().unwrap_err().reason.contains("more than"));
        assert!(lines.next().is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), url in "\\PC{0,20}") {
            let _ = Line::parse(1, &bytes);
            let (path, _) = path_and_query(&url);
            proptest::prop_assert!(path.starts_with('/'));
        }
    }
}
