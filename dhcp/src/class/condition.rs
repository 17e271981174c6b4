//! Conditions as they are declared.

use super::{ClassId, Fact};

/// Who is of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Each of these holds; so it is with none.
    All(Vec<Condition>),
    /// One of these holds at least; with none it does not.
    Any(Vec<Condition>),
    /// This does not hold.
    Not(Box<Condition>),
    /// The client is of another class.
    Class(ClassId),
    /// A fact passes a test: one of its values at least, where it has several.
    Is(Fact, Test),
}

impl Condition {
    /// A fact is there.
    #[must_use]
    pub fn has(fact: Fact) -> Self {
        Self::Is(fact, Test::Present)
    }

    /// The negation.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// How deep it is nested: 1 for a leaf.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::All(list) | Self::Any(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            Self::Not(inner) => 1 + inner.depth(),
            Self::Class(_) | Self::Is(..) => 1,
        }
    }

    /// Calls `each` with every leaf.
    pub(super) fn leaves<'c>(&'c self, each: &mut impl FnMut(&'c Self)) {
        match self {
            Self::All(list) | Self::Any(list) => list.iter().for_each(|one| one.leaves(each)),
            Self::Not(inner) => inner.leaves(each),
            Self::Class(_) | Self::Is(..) => each(self),
        }
    }
}

/// What is asked about a fact's value. Bytes are compared as they are, letters with their case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// It is there, whatever it holds.
    Present,
    /// It is these bytes.
    Equal(Box<[u8]>),
    /// It begins with these bytes.
    Prefix(Box<[u8]>),
    /// It holds these bytes somewhere.
    Contains(Box<[u8]>),
    /// It holds these bytes `offset` bytes from its beginning.
    At {
        /// How many bytes stand before.
        offset: u16,
        /// The bytes.
        data: Box<[u8]>,
    },
    /// It is as long as both, and in byte order neither before the one nor after the other: numbers and addresses.
    Between(Box<[u8]>, Box<[u8]>),
}

impl Test {
    /// Whether `value` passes.
    #[must_use]
    pub fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Equal(data) => value == &**data,
            Self::Prefix(data) => value.starts_with(data),
            Self::Contains(data) => data.is_empty() || value.windows(data.len()).any(|window| window == &**data),
            Self::At { offset, data } => value.get(usize::from(*offset)..).is_some_and(|rest| rest.starts_with(data)),
            Self::Between(first, last) => {
                value.len() == first.len() && value.len() == last.len() && **first <= *value && *value <= **last
            }
        }
    }

    /// The longest value that it compares with, in bytes.
    pub(super) fn value_len(&self) -> usize {
        match self {
            Self::Present => 0,
            Self::Equal(data) | Self::Prefix(data) | Self::Contains(data) | Self::At { data, .. } => data.len(),
            Self::Between(first, last) => first.len().max(last.len()),
        }
    }
}
