//! A document: whatever a venue sent, as one flat tree, so that one path language reads JSON, XML, CSV and protobuf.
//! It must not know what any of it means.

use std::borrow::Cow;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    /// The text of a number, as written.
    Number,
    /// A string without escapes.
    Plain,
    /// A JSON string with escapes still in it.
    Escaped,
    Array,
    Object,
}

/// One node: a value, or the key of a member (a `Plain` or `Escaped` node just before the member's value).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub kind: Kind,
    /// Of a key: its [`Hint`].
    pub hint: Hint,
    /// Where its text begins and ends.
    pub start: u32,
    pub end: u32,
    /// The index after its last descendant.
    pub next: u32,
}

/// A cheap guess at a key: keys with different hints differ.
pub(crate) type Hint = u8;

#[inline]
pub(crate) fn hint(key: &[u8]) -> Hint {
    let first = key.first().copied().unwrap_or(0);
    let last = key.last().copied().unwrap_or(0);
    (key.len() as u8).wrapping_mul(37) ^ first.wrapping_mul(5) ^ last
}

/// The keys that some path of a venue file names, by their hints: members with other keys are not kept.
#[derive(Debug, Clone)]
pub(crate) struct Wanted([bool; 256]);

impl Wanted {
    pub const NOTHING: Wanted = Wanted([false; 256]);
    pub const EVERYTHING: Wanted = Wanted([true; 256]);

    pub fn add(&mut self, key: &str) {
        self.0[usize::from(hint(key.as_bytes()))] = true;
    }

    #[inline]
    pub fn holds(&self, hint: Hint) -> bool {
        self.0[usize::from(hint)]
    }
}

/// The place of a value in a [`Doc`].
pub(crate) type At = u32;

/// The nodes of one document, in the order written; kept from frame to frame so that reading allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Doc {
    pub nodes: Vec<Node>,
    /// Which container is open, while building.
    pub open: Vec<At>,
}

/// More nodes than any answer of a venue has; a bound on memory.
pub(crate) const NODES_MAX: usize = 1_000_000;
/// Deeper than any answer of a venue.
pub(crate) const DEPTH_MAX: usize = 64;

impl Doc {
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.open.clear();
    }

    #[inline]
    pub fn leaf(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { kind, hint: 0, start: start as u32, end: end as u32, next });
    }

    #[inline]
    pub fn key(&mut self, kind: Kind, start: usize, end: usize, hint: Hint) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { kind, hint, start: start as u32, end: end as u32, next });
    }

    pub fn begin(&mut self, kind: Kind, start: usize) {
        self.open.push(self.nodes.len() as u32);
        self.leaf(kind, start, start);
    }

    pub fn end(&mut self, end: usize) {
        if let Some(at) = self.open.pop() {
            let next = self.nodes.len() as u32;
            let node = &mut self.nodes[at as usize];
            node.next = next;
            node.end = end as u32;
        }
    }
}

/// A document together with the text that its nodes point into.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'a> {
    pub nodes: &'a [Node],
    pub text: &'a str,
}

impl<'a> Tree<'a> {
    pub const ROOT: At = 0;

    #[inline]
    pub fn node(self, at: At) -> Node {
        self.nodes[at as usize]
    }

    #[inline]
    pub fn raw(self, at: At) -> &'a str {
        let node = self.node(at);
        &self.text[node.start as usize..node.end as usize]
    }

    /// The text of a scalar; `None` for null, arrays and objects.
    #[inline]
    pub fn scalar(self, at: At) -> Option<Cow<'a, str>> {
        match self.node(at).kind {
            Kind::Number | Kind::Plain => Some(Cow::Borrowed(self.raw(at))),
            Kind::True => Some(Cow::Borrowed("true")),
            Kind::False => Some(Cow::Borrowed("false")),
            Kind::Escaped => Some(Cow::Owned(crate::escape::unescape(self.raw(at)))),
            Kind::Null | Kind::Array | Kind::Object => None,
        }
    }

    /// The value of the first member with this key.
    #[inline]
    pub fn member(self, at: At, key: &str, hint: Hint) -> Option<At> {
        // A plain loop: this is looked up several times in every frame.
        let node = self.node(at);
        if node.kind != Kind::Object {
            return None;
        }
        let nodes = self.nodes.get(..node.next as usize)?;
        let mut next = at as usize + 1;
        while let Some([name, value, ..]) = nodes.get(next..) {
            if (name.hint == hint || name.kind == Kind::Escaped) && self.is_key(next as At, key, hint) {
                return Some(next as At + 1);
            }
            next = value.next as usize;
        }
        None
    }

    #[inline]
    pub fn is_key(self, at: At, key: &str, hint: Hint) -> bool {
        let node = self.node(at);
        match node.kind {
            Kind::Escaped => crate::escape::unescape(self.raw(at)) == key,
            _ => {
                node.hint == hint
                    && self.text.as_bytes()[node.start as usize..node.end as usize] == *key.as_bytes()
            }
        }
    }

    /// Keys and values of an object; nothing for anything else.
    #[inline]
    pub fn members(self, at: At) -> impl Iterator<Item = (At, At)> + use<'a> {
        let node = self.node(at);
        let end = if node.kind == Kind::Object { node.next } else { 0 };
        let mut next = at + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let key = next;
            next = self.node(key + 1).next;
            Some((key, key + 1))
        })
    }

    /// The items of an array; nothing for anything else.
    #[inline]
    pub fn items(self, at: At) -> impl Iterator<Item = At> + use<'a> {
        let node = self.node(at);
        let end = if node.kind == Kind::Array { node.next } else { 0 };
        let mut next = at + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let item = next;
            next = self.node(item).next;
            Some(item)
        })
    }
}
