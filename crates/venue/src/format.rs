//! What bytes become before they are read: unpacked, decoded, and one tree whatever the format.
//! It must not know what the tree means.

use crate::doc::{DEPTH_MAX, Doc, Kind, NODES_MAX, Wanted, hint};
use crate::fields::Fields;
use crate::json::JsonError;
use crate::{FileError, Unreadable};
use quick_xml::events::Event;
use std::io::Read;

/// How the frames of a venue are written.
#[derive(Debug)]
pub(crate) struct Frames {
    pub text: Format,
    pub binary: Format,
    charset: Option<&'static encoding_rs::Encoding>,
    /// The biggest frame, before and after unpacking.
    pub bytes_max: usize,
}

/// A format of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
    Csv,
    /// The numbers of the fields that hold messages, as paths: `314`, `314.1`.
    Protobuf(Vec<String>),
}

impl Format {
    /// Whether names are repeated where JSON has lists.
    pub fn is_tree(&self) -> bool {
        matches!(self, Format::Xml | Format::Protobuf(_))
    }

    pub fn is_protobuf(&self) -> bool {
        matches!(self, Format::Protobuf(_))
    }
}

impl Frames {
    pub fn parse(fields: Option<Fields<'_>>) -> Result<Frames, FileError> {
        let mut frames =
            Frames { text: Format::Json, binary: Format::Json, charset: None, bytes_max: 4 << 20 };
        let Some(mut fields) = fields else { return Ok(frames) };
        if let Some(v) = fields.take("format") {
            frames.text = match v.text()? {
                "json" => Format::Json,
                "xml" => Format::Xml,
                "csv" => Format::Csv,
                _ => return Err(v.error("must be json, xml or csv; binary frames may be protobuf")),
            };
            frames.binary = frames.text.clone();
        }
        if let Some(v) = fields.take("protobuf") {
            let nested = v.items()?.iter().map(|i| i.text().map(str::to_owned)).collect::<Result<_, _>>()?;
            frames.binary = Format::Protobuf(nested);
        }
        if let Some(v) = fields.take("charset") {
            let found = encoding_rs::Encoding::for_label(v.text()?.as_bytes());
            frames.charset = Some(found.ok_or_else(|| v.error("is no charset known to browsers"))?);
        }
        if let Some(most) = fields.count("bytes_max")? {
            frames.bytes_max = most;
        }
        fields.finish()?;
        Ok(frames)
    }

    /// Unpacks by magic bytes; `None` if the bytes are not packed.
    pub fn unpacked(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut out = Vec::new();
        let most = self.bytes_max as u64 + 1;
        let done = match bytes {
            [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(bytes).take(most).read_to_end(&mut out),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                flate2::read::ZlibDecoder::new(bytes).take(most).read_to_end(&mut out)
            }
            _ => return Ok(None),
        };
        done.map_err(|e| Unreadable { reason: "bad_compression", detail: e.to_string() })?;
        if out.len() > self.bytes_max { Err(self.too_big(out.len())) } else { Ok(Some(out)) }
    }

    /// The first bytes of a frame, unpacked as far as it can be.
    pub fn start(&self, bytes: &[u8], most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let limit = most as u64;
        let done = match bytes {
            [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut out),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                flate2::read::ZlibDecoder::new(bytes).take(limit).read_to_end(&mut out)
            }
            _ => Ok(0),
        };
        if done.is_err() || out.is_empty() {
            out = bytes.get(..most).unwrap_or(bytes).to_vec();
        }
        out
    }

    /// The text of the start of a frame, which may end within a character; `None` if it is no text.
    pub fn decoded_start(&self, bytes: &[u8]) -> Option<String> {
        match self.charset {
            Some(charset) => Some(charset.decode(bytes).0.into_owned()),
            None => match std::str::from_utf8(bytes) {
                Ok(text) => Some(text.to_owned()),
                Err(error) if error.error_len().is_none() => {
                    std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok().map(str::to_owned)
                }
                Err(_) => None,
            },
        }
    }

    pub fn too_big(&self, length: usize) -> Unreadable {
        let detail = format!("{length} bytes or more; at most {} are read", self.bytes_max);
        Unreadable { reason: "too_big", detail }
    }

    /// The text of the bytes, decoded into `buffer` where they are not UTF-8 by the file's word.
    pub fn decoded<'a>(&self, bytes: &'a [u8], buffer: &'a mut String) -> Result<&'a str, Unreadable> {
        match self.charset {
            None => std::str::from_utf8(bytes)
                .map_err(|e| Unreadable { reason: "bad_text", detail: e.to_string() }),
            Some(charset) => {
                *buffer = charset.decode(bytes).0.into_owned();
                Ok(buffer)
            }
        }
    }
}

/// Reads a text into the tree; other formats than JSON put their texts into `made`, and the tree points there.
pub(crate) fn read(
    format: &Format,
    wanted: &Wanted,
    text: &str,
    doc: &mut Doc,
    made: &mut String,
) -> Result<bool, Unreadable> {
    match format {
        Format::Json | Format::Protobuf(_) => json(text, wanted, doc).map(|()| false),
        Format::Xml => xml(text, doc, made).map(|()| true),
        Format::Csv => csv(text, doc, made).map(|()| true),
    }
}

fn json(text: &str, wanted: &Wanted, doc: &mut Doc) -> Result<(), Unreadable> {
    crate::json::parse(text, wanted, doc).map_err(|e| {
        let start: String = text.chars().take(80).collect();
        match e {
            JsonError::Syntax(at) => {
                Unreadable { reason: "not_json", detail: format!("wrong at byte {at}: {start}") }
            }
            JsonError::TooDeep => {
                Unreadable { reason: "too_deep", detail: format!("deeper than {DEPTH_MAX}: {start}") }
            }
            JsonError::TooBig => {
                Unreadable { reason: "too_big", detail: format!("more than {NODES_MAX} values") }
            }
        }
    })
}

fn push(doc: &mut Doc, made: &mut String, text: &str) {
    let start = made.len();
    made.push_str(text);
    doc.key(Kind::Plain, start, made.len(), hint(text.as_bytes()));
}

fn xml(text: &str, doc: &mut Doc, made: &mut String) -> Result<(), Unreadable> {
    doc.clear();
    made.clear();
    let bad = |detail: String| Unreadable { reason: "not_xml", detail };
    let mut reader = quick_xml::Reader::from_str(text);
    let mut texts = vec![String::new()];
    doc.begin(Kind::Object, 0);
    loop {
        let event = reader.read_event().map_err(|e| bad(e.to_string()))?;
        let (start, is_empty) = match event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::Text(text) => {
                if let Some(last) = texts.last_mut() {
                    last.push_str(text.trim());
                }
                continue;
            }
            Event::GeneralRef(reference) => {
                if let (Some(last), Ok(Some(c))) = (texts.last_mut(), reference.resolve_char_ref()) {
                    last.push(c);
                }
                continue;
            }
            Event::End(_) => {
                close_element(doc, made, &texts.pop().unwrap_or_default());
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        if doc.open.len() >= DEPTH_MAX || doc.nodes.len() > NODES_MAX {
            return Err(Unreadable {
                reason: "too_deep",
                detail: format!("deeper than {DEPTH_MAX}, or too many elements"),
            });
        }
        push(doc, made, start.local_name().as_ref());
        doc.begin(Kind::Object, made.len());
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| bad(e.to_string()))?;
            push(doc, made, &format!("@{}", attribute.key.local_name().as_ref()));
            push(doc, made, &attribute.value);
        }
        texts.push(String::new());
        if is_empty {
            close_element(doc, made, &texts.pop().unwrap_or_default());
        }
    }
    if doc.open.len() != 1 {
        return Err(bad("an element is not closed".into()));
    }
    doc.end(made.len());
    Ok(())
}

/// An element with nothing but text is that text; beside attributes or elements the text is `#text`.
fn close_element(doc: &mut Doc, made: &mut String, text: &str) {
    let Some(&at) = doc.open.last() else { return };
    let start = made.len();
    if at as usize + 1 == doc.nodes.len() {
        made.push_str(text);
        let node = &mut doc.nodes[at as usize];
        (node.kind, node.start) = (Kind::Plain, start as u32);
    } else if !text.is_empty() {
        push(doc, made, "#text");
        push(doc, made, text);
    }
    doc.end(made.len());
}

/// A table with a header becomes a list of objects.
fn csv(text: &str, doc: &mut Doc, made: &mut String) -> Result<(), Unreadable> {
    doc.clear();
    made.clear();
    let mut records = CsvRecords { rest: text };
    let header = records.next().unwrap_or_default();
    doc.begin(Kind::Array, 0);
    for record in records {
        if doc.nodes.len() > NODES_MAX {
            return Err(Unreadable { reason: "too_big", detail: format!("more than {NODES_MAX} values") });
        }
        doc.begin(Kind::Object, made.len());
        for (name, value) in header.iter().zip(&record) {
            push(doc, made, name);
            push(doc, made, value);
        }
        doc.end(made.len());
    }
    doc.end(made.len());
    Ok(())
}

/// Records of RFC 4180: fields in quotes may hold commas, line breaks and doubled quotes.
struct CsvRecords<'a> {
    rest: &'a str,
}

impl Iterator for CsvRecords<'_> {
    type Item = Vec<String>;
    fn next(&mut self) -> Option<Vec<String>> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut record, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = self.rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    field.push('"');
                    chars.next();
                }
                '"' => quoted = !quoted,
                ',' if !quoted => record.push(std::mem::take(&mut field)),
                '\r' if !quoted => {}
                '\n' if !quoted => {
                    self.rest = &self.rest[at + 1..];
                    record.push(field);
                    return Some(record);
                }
                c => field.push(c),
            }
        }
        self.rest = "";
        record.push(field);
        Some(record)
    }
}

/// Protobuf by field numbers: nested messages are named by the file, since the wire does not tell them from texts.
pub(crate) fn protobuf(
    bytes: &[u8],
    nested: &[String],
    doc: &mut Doc,
    made: &mut String,
) -> Result<(), Unreadable> {
    doc.clear();
    made.clear();
    doc.begin(Kind::Object, 0);
    message(bytes, nested, "", doc, made).ok_or_else(|| Unreadable {
        reason: "not_protobuf",
        detail: "a field is cut short or of an unknown type".into(),
    })?;
    doc.end(made.len());
    Ok(())
}

fn message(mut bytes: &[u8], nested: &[String], path: &str, doc: &mut Doc, made: &mut String) -> Option<()> {
    if doc.open.len() > DEPTH_MAX {
        return None;
    }
    while !bytes.is_empty() {
        if doc.nodes.len() > NODES_MAX {
            return None;
        }
        let tag = varint(&mut bytes)?;
        let name = (tag >> 3).to_string();
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match tag & 7 {
            0 => {
                let value = varint(&mut bytes)?;
                push(doc, made, &name);
                push(doc, made, &value.to_string());
            }
            1 => {
                bytes.split_off(..8)?;
            }
            5 => {
                bytes.split_off(..4)?;
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let body = bytes.split_off(..length)?;
                if nested.contains(&path) {
                    push(doc, made, &name);
                    doc.begin(Kind::Object, made.len());
                    message(body, nested, &path, doc, made)?;
                    doc.end(made.len());
                } else if let Ok(text) = std::str::from_utf8(body) {
                    push(doc, made, &name);
                    push(doc, made, text);
                }
            }
            _ => return None,
        }
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
