//! Where the aliases of an answer lead, read from the octets that it is kept as.

use std::ops::ControlFlow;

use super::AnswerRef;
use super::scan::CNAME;
use crate::query::HEADER;

/// The most octets that a name takes.
const NAME_MAX: usize = 255;

/// A name in wire form, lower case.
struct Name {
    octets: [u8; NAME_MAX],
    len: usize,
}

impl Name {
    fn as_wire(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// A message as it was read: behind its header the question, then what is kept of it.
struct Whole<'a> {
    /// The question's name.
    name: &'a [u8],
    body: &'a [u8],
    /// Where the body begins.
    body_at: usize,
}

impl Whole<'_> {
    fn get(&self, at: usize) -> Option<u8> {
        match at.checked_sub(self.body_at) {
            Some(at) => self.body.get(at).copied(),
            None => self.name.get(at.checked_sub(HEADER)?).copied(),
        }
    }

    fn number(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes([self.get(at)?, self.get(at + 1)?]))
    }

    /// The name at `at`, and where what stands there ends. All of it was checked when it was read: pointers lead backwards.
    fn name_at(&self, mut at: usize) -> Option<(Name, usize)> {
        let (mut name, mut end) = (Name { octets: [0; NAME_MAX], len: 0 }, None);
        loop {
            match self.get(at)? {
                high @ 0xc0.. => {
                    end = end.or(Some(at + 2));
                    let target = usize::from(high & 0x3f) << 8 | usize::from(self.get(at + 1)?);
                    at = (target < at).then_some(target)?;
                }
                length => {
                    for octet in 0..=usize::from(length) {
                        *name.octets.get_mut(name.len)? = self.get(at + octet)?.to_ascii_lowercase();
                        name.len += 1;
                    }
                    at += usize::from(length) + 1;
                    if length == 0 {
                        return Some((name, end.unwrap_or(at)));
                    }
                }
            }
        }
    }
}

impl AnswerRef<'_> {
    /// Tells each alias (CNAME) of the answer section, in its order: its owner and what it leads to, in wire form and lower
    /// case; until `tell` has what it wants. `name`: that of the question, in wire form.
    pub fn aliases<T>(&self, name: &[u8], mut tell: impl FnMut(&[u8], &[u8]) -> ControlFlow<T>) -> Option<T> {
        if !self.has_alias {
            return None;
        }
        let (body_at, body_len) = (HEADER + usize::from(self.question), usize::from(self.body));
        let whole = Whole { name, body: self.octets.get(..body_len)?, body_at };
        let mut at = body_at;
        for _ in 0..self.counts[0] {
            let (owner, fixed) = whole.name_at(at)?;
            let data = fixed + 10;
            if whole.number(fixed)? == CNAME {
                let (target, _) = whole.name_at(data)?;
                if let ControlFlow::Break(found) = tell(owner.as_wire(), target.as_wire()) {
                    return Some(found);
                }
            }
            at = data + usize::from(whole.number(fixed + 8)?);
        }
        None
    }

    /// The first name that an alias leads to and of which `is` says so.
    #[must_use]
    pub fn alias_to(&self, name: &[u8], mut is: impl FnMut(&[u8]) -> bool) -> Option<Box<[u8]>> {
        self.aliases(
            name,
            |_, target| if is(target) { ControlFlow::Break(target.into()) } else { ControlFlow::Continue(()) },
        )
    }

    /// Where the chain of aliases ends that begins at the question's name (wire form, lower case).
    #[must_use]
    pub fn end_of_aliases(&self, name: &[u8]) -> Box<[u8]> {
        let mut end: Box<[u8]> = name.into();
        // Longer chains than records there are go in circles.
        for _ in 0..self.counts[0] {
            let next = self.aliases(name, |owner, target| {
                if *owner == *end { ControlFlow::Break(target.into()) } else { ControlFlow::Continue(()) }
            });
            match next {
                Some(next) => end = next,
                None => break,
            }
        }
        end
    }
}
