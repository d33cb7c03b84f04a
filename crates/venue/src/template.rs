//! Texts with named gaps: what is sent to a venue. A gap is `{name}`; other braces stand for themselves, so that
//! JSON can be written as it is. It must not know what fills a gap.

use std::borrow::Cow;

/// A text with named gaps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Gap(String),
}

impl Template {
    /// Reads a text whose gaps all have one of the known names.
    pub fn parse(text: &str, known: &[&str]) -> Result<Template, String> {
        let template = Template::parse_free(text);
        if let Some(gap) = template.gaps().find(|gap| !known.contains(gap)) {
            return Err(format!("knows no {{{gap}}}; known: {}", known.join(", ")));
        }
        Ok(template)
    }

    /// Reads a text whose gaps may have any name.
    pub fn parse_free(text: &str) -> Template {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find('{') {
            literal.push_str(&rest[..at]);
            let tail = &rest[at + 1..];
            let end = tail.find('}').filter(|end| {
                let name = &tail[..*end];
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            });
            match end {
                Some(end) => {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                    parts.push(Part::Gap(tail[..end].to_owned()));
                    rest = &tail[end + 1..];
                }
                None => {
                    literal.push('{');
                    rest = tail;
                }
            }
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        Template { parts }
    }

    pub fn gaps(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Gap(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.gaps().any(|gap| gap == name)
    }

    /// The text with its gaps filled; a gap that nothing fills stays empty.
    pub fn render<'v>(&self, fill: impl Fn(&str) -> Option<Cow<'v, str>>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Gap(name) => out.push_str(&fill(name).unwrap_or_default()),
            }
        }
        out
    }
}

/// Escapes what may not stand in the query of an address, keeping what venues use in symbols.
pub(crate) fn query_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@:!,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_other_braces_stay() {
        let text = r#"{"op":"subscribe","args":{items},"x":{},"id":{id}}"#;
        let template = Template::parse(text, &["items", "id"]).unwrap();
        let out = template.render(|name| Some(if name == "id" { "7".into() } else { "[1]".into() }));
        assert_eq!(out, r#"{"op":"subscribe","args":[1],"x":{},"id":7}"#);
        assert!(Template::parse("{nope}", &["id"]).unwrap_err().contains("nope"));
        assert_eq!(query_text("2neA+/b=="), "2neA%2B%2Fb%3D%3D");
    }
}
