//! A domain name as canonical wire bytes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

mod reverse;

pub use reverse::ReverseName;

/// The most octets that a name takes in wire form, the root label included (RFC 1035 section 3.1).
pub const NAME_OCTETS_MAX: usize = 255;
/// The most octets that one label takes (RFC 1035 section 3.1).
pub const LABEL_OCTETS_MAX: usize = 63;

/// A fully qualified domain name: uncompressed wire form, ASCII letters in lower case (RFC 4034
/// section 6.2), the root label included. At most 255 octets, labels of at most 63 (RFC 1035 3.1). A clone shares the
/// octets: one name stands in rows, zones and leases at once.
///
/// Equality and hashing are those of DNS (case never counts). `Ord` is the canonical order of
/// RFC 4034 section 6.1, so that a name sorts directly before everything beneath it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fqdn(Arc<[u8]>);

/// Why a text or some bytes are not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was left.
    #[error("the name is empty")]
    Empty,
    /// Two dots in a row, or a dot at the start.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label has more than 63 octets.
    #[error("a label is longer than 63 octets")]
    LabelTooLong,
    /// The wire form has more than 255 octets.
    #[error("the name is longer than 255 octets")]
    TooLong,
    /// The bytes end before the root label, hold a compression pointer, or go on after it.
    #[error("the bytes are not an uncompressed name")]
    Malformed,
    /// A backslash that is not followed by a character or by three digits up to 255.
    #[error("a backslash is not followed by a character or by three digits up to 255")]
    BadEscape,
}

impl Fqdn {
    /// The root of the name space.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::new([0]))
    }

    /// Reads an uncompressed name that fills `bytes` wholly.
    ///
    /// # Errors
    /// [`NameError`], also when bytes are left over.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NameError> {
        match Self::read_wire(bytes)? {
            (name, used) if used == bytes.len() => Ok(name),
            _ => Err(NameError::Malformed),
        }
    }

    /// Reads an uncompressed name at the start of `bytes`; also returns how many octets it took.
    ///
    /// # Errors
    /// [`NameError`]; a compression pointer is [`NameError::Malformed`].
    pub fn read_wire(bytes: &[u8]) -> Result<(Self, usize), NameError> {
        let octets = octets_of(bytes)?;
        let wire = &bytes[..octets];
        // Length octets are at most 63, so lowering the whole slice cannot touch one ('A' is 65). What is stored, and what
        // most clients send, is lower: then nothing is made twice.
        let is_lower = !wire.iter().any(u8::is_ascii_uppercase);
        Ok((Self(if is_lower { wire.into() } else { wire.to_ascii_lowercase().into() }), octets))
    }

    /// A name of these labels, first the one furthest from the root; the root label is not among them.
    ///
    /// # Errors
    /// [`NameError`] when a label is empty or too long, or all of it is too long.
    pub fn from_labels<I, L>(labels: I) -> Result<Self, NameError>
    where
        I: IntoIterator<Item = L>,
        L: AsRef<[u8]>,
    {
        let (mut wire, mut length) = ([0; NAME_OCTETS_MAX], 0);
        for label in labels {
            let label = label.as_ref();
            let octets = checked_label(label, length)?;
            wire[length] = octets;
            let place = &mut wire[length + 1..length + 1 + label.len()];
            place.copy_from_slice(label);
            place.make_ascii_lowercase();
            length += 1 + label.len();
        }
        Ok(Self(wire[..=length].into()))
    }

    /// The wire form: length octets and labels in lower case, ending with the root label.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels, first the one furthest from the root, without the root label.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.0 }
    }

    /// How many labels there are, without the root label.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether this is `zone` itself or a name beneath it.
    #[must_use]
    #[inline]
    pub fn is_within(&self, zone: &Self) -> bool {
        let Some(start) = self.0.len().checked_sub(zone.0.len()) else { return false };
        let tail = &self.0[start..];
        // A prefix can have many zones, which all end alike: most are another's by how they begin.
        if tail.first_chunk::<4>() != zone.0.first_chunk() {
            return false;
        }
        // The tail must begin at a label's length octet, not inside a label.
        *tail == zone.0[..] && self.label_starts_at(start)
    }

    /// The name without its first label; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let first = usize::from(self.0[0]);
        (first != 0).then(|| Self(self.0[first + 1..].into()))
    }

    /// The first label; `None` for the root.
    #[must_use]
    pub fn first_label(&self) -> Option<&[u8]> {
        self.labels().next()
    }

    /// Whether the first label is `*` (RFC 4592 section 2.1.1).
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(&[1, b'*'])
    }

    /// `label` in front of this name.
    ///
    /// # Errors
    /// [`NameError`] when the label is empty or too long, or the result is too long.
    pub fn prepend_label(&self, label: &[u8]) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(label.len() + 1 + self.0.len());
        push_label(&mut wire, label)?;
        append_name(wire, self)
    }

    /// The labels of this name in front of `suffix`: `a.b.` and `c.` make `a.b.c.`
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn concat(&self, suffix: &Self) -> Result<Self, NameError> {
        append_name(self.0[..self.0.len() - 1].to_vec(), suffix)
    }

    /// This name, which is beneath `old`, with `new` in that place (RFC 6672 section 2.2).
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn replace_suffix(&self, old: &Self, new: &Self) -> Result<Self, NameError> {
        let kept = self.0.len().saturating_sub(old.0.len());
        append_name(self.0[..kept].to_vec(), new)
    }

    /// Whether a label's length octet (or the root label) stands at octet `offset`.
    fn label_starts_at(&self, offset: usize) -> bool {
        let mut at = 0;
        while at < offset {
            at += usize::from(self.0[at]) + 1;
        }
        at == offset
    }
}

/// A hash of a name in wire form, or of an end of one. Quick, and no secret: for tables of names that the administrator
/// wrote, where whoever asks chooses what is looked for, but not what is found.
#[must_use]
pub fn quick_hash(wire: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = wire.as_chunks::<8>();
    let hash = words.iter().fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = mix(hash, rest.iter().fold(0, |word, octet| word << 8 | u64::from(*octet)));
    // A table looks at the low bits, which a product mixes least.
    hash ^ hash >> 32
}

/// How many octets the uncompressed name at the start of `bytes` takes.
///
/// # Errors
/// As [`Fqdn::read_wire`].
pub(crate) fn octets_of(bytes: &[u8]) -> Result<usize, NameError> {
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at).ok_or(NameError::Malformed)?);
        at += 1;
        if length == 0 {
            return Ok(at);
        }
        if length > LABEL_OCTETS_MAX {
            return Err(NameError::Malformed);
        }
        at += length;
        if at >= NAME_OCTETS_MAX {
            return Err(NameError::TooLong);
        }
    }
}

/// The labels of a name; see [`Fqdn::labels`].
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.rest.split_first()?;
        if length == 0 {
            return None;
        }
        let (label, rest) = rest.split_at(usize::from(length));
        self.rest = rest;
        Some(label)
    }
}

impl Ord for Fqdn {
    /// RFC 4034 section 6.1: "order owner names by treating individual labels as unsigned
    /// left-justified octet strings", "sorted by their most significant (rightmost) labels" first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_wire(&other.0)
    }
}

impl Fqdn {
    /// The order of [`Ord`], with a name that is borrowed as octets: wire form, in lower case.
    #[must_use]
    pub fn cmp_wire(&self, theirs: &[u8]) -> Ordering {
        let ours = &*self.0;
        // What both end with, in octets. It may begin within a label: the walk below finds where labels of both begin.
        let mut common = common_tail(ours, theirs);
        let (mut our_walk, mut their_walk) = (Walk::of(ours), Walk::of(theirs));
        loop {
            our_walk.advance(common);
            their_walk.advance(common);
            match our_walk.tail().cmp(&their_walk.tail()) {
                Ordering::Equal => return our_walk.before().cmp(&their_walk.before()),
                Ordering::Less => common = our_walk.tail(),
                Ordering::Greater => common = their_walk.tail(),
            }
        }
    }
}

/// How many octets two names end with alike. A zone finds a name by some twenty comparisons, each of names that end alike:
/// eight octets are compared at a time.
fn common_tail(ours: &[u8], theirs: &[u8]) -> usize {
    let (mut ours, mut theirs, mut common) = (ours, theirs, 0);
    while let (Some((our_rest, our_word)), Some((their_rest, their_word))) =
        (ours.split_last_chunk::<8>(), theirs.split_last_chunk::<8>())
    {
        let differing = u64::from_le_bytes(*our_word) ^ u64::from_le_bytes(*their_word);
        if differing != 0 {
            return common + (differing.leading_zeros() / 8) as usize;
        }
        (ours, theirs, common) = (our_rest, their_rest, common + 8);
    }
    common + ours.iter().rev().zip(theirs.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// A walk over the labels of a name, towards the root: where the tail begins that two names share.
struct Walk<'a> {
    wire: &'a [u8],
    at: usize,
    before: Option<&'a [u8]>,
}

impl<'a> Walk<'a> {
    fn of(wire: &'a [u8]) -> Self {
        Self { wire, at: 0, before: None }
    }

    /// On to the first label from which on there are at most `tail` octets; the root label is one octet.
    fn advance(&mut self, tail: usize) {
        while self.tail() > tail {
            let end = self.at + 1 + usize::from(self.wire[self.at]);
            self.before = Some(&self.wire[self.at + 1..end]);
            self.at = end;
        }
    }

    /// How many octets there are from here on.
    fn tail(&self) -> usize {
        self.wire.len() - self.at
    }

    /// The label before the tail; none sorts before any.
    fn before(&self) -> Option<&'a [u8]> {
        self.before
    }
}

impl PartialOrd for Fqdn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Fqdn {
    type Err = NameError;

    /// Presentation form (RFC 1035 section 5.1): labels between dots, `\DDD` and `\X` as escapes. The
    /// name is fully qualified whether or not the final dot is there. Other bytes (UTF-8 too) stand
    /// for themselves. `.` is the root.
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text == "." {
            return Ok(Self::root());
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        let mut label = Vec::with_capacity(LABEL_OCTETS_MAX);
        let mut bytes = text.as_bytes();
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            match byte {
                b'.' => {
                    push_label(&mut wire, &label)?;
                    label.clear();
                }
                b'\\' => {
                    let (octet, used) = escaped(bytes)?;
                    label.push(octet);
                    bytes = &bytes[used..];
                }
                other => label.push(other),
            }
        }
        if !label.is_empty() {
            push_label(&mut wire, &label)?;
        }
        wire.push(0);
        Ok(Self(wire.into()))
    }
}

impl fmt::Debug for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Fqdn {
    /// Presentation form with the final dot (RFC 1035 section 5.1), other bytes as `\DDD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        if self.is_root() {
            return f.write_char('.');
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(f, "\\{}", char::from(octet))?,
                    0x21..=0x7e => f.write_char(char::from(octet))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
            f.write_char('.')?;
        }
        Ok(())
    }
}

/// The length of a label that can stand behind so many octets and before the root label.
fn checked_label(label: &[u8], behind: usize) -> Result<u8, NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    if label.len() > LABEL_OCTETS_MAX {
        return Err(NameError::LabelTooLong);
    }
    if behind + label.len() + 2 > NAME_OCTETS_MAX {
        return Err(NameError::TooLong);
    }
    Ok(label.len() as u8)
}

/// Appends `label` in lower case; leaves room for the root label.
fn push_label(wire: &mut Vec<u8>, label: &[u8]) -> Result<(), NameError> {
    wire.push(checked_label(label, wire.len())?);
    wire.extend(label.iter().map(u8::to_ascii_lowercase));
    Ok(())
}

/// `wire` (labels without the root label) followed by `suffix`.
fn append_name(mut wire: Vec<u8>, suffix: &Fqdn) -> Result<Fqdn, NameError> {
    wire.extend_from_slice(&suffix.0);
    if wire.len() > NAME_OCTETS_MAX {
        return Err(NameError::TooLong);
    }
    Ok(Fqdn(wire.into()))
}

/// What stands behind a backslash: the octet meant and how many bytes said so.
fn escaped(bytes: &[u8]) -> Result<(u8, usize), NameError> {
    match bytes {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
            u8::try_from(value).map(|octet| (octet, 3)).map_err(|_| NameError::BadEscape)
        }
        [b'0'..=b'9', ..] | [] => Err(NameError::BadEscape),
        [other, ..] => Ok((*other, 1)),
    }
}

#[cfg(test)]
mod tests;
