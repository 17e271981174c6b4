//! The options of a datagram, walked and joined.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::{COOKIE, DropReason, FILE, MessageType, SNAME, note};
use crate::few::Few;
use crate::options::{self, code};

/// The options of a message, joined after RFC 3396 across overload (52): options, then file, then sname.
#[derive(Clone)]
pub struct Options<'a> {
    /// What they were read from.
    datagram: &'a [u8],
    pub(super) entries: Few<Entry, USUAL_ENTRIES>,
    /// The data of those that came in several parts.
    pub(super) joined: Vec<Vec<u8>>,
    /// By option code, its place in `entries` and one more; 0 for none. Spares a search for every option.
    places: [u8; 256],
}

/// Clients send 8 to 14 options.
pub(super) const USUAL_ENTRIES: usize = 16;

/// An option, and where its data is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    code: u8,
    /// Whether the data is in `joined`, at the place `at`; else in the datagram, from `at` on, so many bytes.
    is_joined: bool,
    len: u8,
    at: u32,
}

impl PartialEq for Options<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Options<'_> {}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> Options<'a> {
    pub(super) fn none_of(datagram: &'a [u8]) -> Self {
        Self { datagram, entries: Few::default(), joined: Vec::new(), places: [0; 256] }
    }

    /// The data of an option, joined.
    #[must_use]
    #[inline]
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        let place = usize::from(self.places[usize::from(code)]).checked_sub(1)?;
        self.entries.get(place).map(|entry| self.data(entry))
    }

    fn data(&self, entry: &Entry) -> &[u8] {
        match self.joined.get(entry.at as usize) {
            Some(joined) if entry.is_joined => joined,
            _ => self.sent(entry),
        }
    }

    /// The data of an option that came in one part.
    fn sent(&self, entry: &Entry) -> &'a [u8] {
        let from = entry.at as usize;
        self.datagram.get(from..from + usize::from(entry.len)).unwrap_or_default()
    }

    /// Whether an option was sent.
    #[must_use]
    #[inline]
    pub fn contains(&self, code: u8) -> bool {
        self.places[usize::from(code)] != 0
    }

    /// Every option and its data, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.entries.iter().map(|entry| (entry.code, self.data(entry)))
    }

    /// How many options there are: at most 254, for each has its own code.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All options of a datagram, whose header is known to be whole. The work and the memory are bounded by
    /// the datagram's length.
    pub(crate) fn collect(datagram: &'a [u8], malformed: &mut Vec<u8>) -> Self {
        let mut options = Self::none_of(datagram);
        options.fill(malformed);
        options
    }

    /// The same where there is none yet.
    pub(super) fn fill(&mut self, malformed: &mut Vec<u8>) {
        // Codes of options that were cut off: at most one for each field walked, and 52.
        let mut spoilt = Vec::new();
        self.walk(COOKIE.end..self.datagram.len(), &mut spoilt);
        // RFC 2131 section 4.1: "The options in the 'options' field MUST be interpreted first, so that any 'option
        // overload' options may be interpreted. The 'file' field MUST be interpreted next [...], followed by the
        // 'sname' field."
        let overload = match self.get(code::OPTION_OVERLOAD) {
            None => 0,
            Some(&[fields @ 1..=3]) => fields,
            Some(_) => {
                spoilt.push(code::OPTION_OVERLOAD);
                0
            }
        };
        if overload & options::OVERLOAD_FILE != 0 {
            self.walk(FILE, &mut spoilt);
        }
        if overload & options::OVERLOAD_SNAME != 0 {
            self.walk(SNAME, &mut spoilt);
        }
        for code in spoilt {
            self.remove(code);
            note(malformed, code);
        }
    }

    /// Reads one field up to its END or, tolerantly, up to its last byte.
    fn walk(&mut self, field: Range<usize>, spoilt: &mut Vec<u8>) {
        let datagram = self.datagram.get(..field.end).unwrap_or_default();
        let mut at = field.start;
        while let Some(&code) = datagram.get(at) {
            at += 1;
            match code {
                code::PAD => {}
                code::END => return,
                code => {
                    let Some(&len) = datagram.get(at).filter(|len| at + usize::from(**len) < datagram.len()) else {
                        spoilt.push(code);
                        return;
                    };
                    self.add(code, at + 1, len);
                    at += 1 + usize::from(len);
                }
            }
        }
    }

    /// RFC 3396 section 7: the parts of an option are joined in the order in which they appear.
    #[inline]
    fn add(&mut self, code: u8, at: usize, len: u8) {
        // A datagram has fewer bytes than 2^32.
        let entry = Entry { code, is_joined: false, len, at: u32::try_from(at).unwrap_or(u32::MAX) };
        if self.places[usize::from(code)] != 0 {
            return self.join(entry);
        }
        self.entries.push(entry);
        // Codes 1 to 254 make at most 254 entries.
        self.places[usize::from(code)] = u8::try_from(self.entries.len()).unwrap_or(0);
    }

    fn join(&mut self, next: Entry) {
        let part = self.sent(&next);
        let place = usize::from(self.places[usize::from(next.code)]);
        let Some(known) = place.checked_sub(1).and_then(|place| self.entries.get(place)).copied() else { return };
        let joined = match self.joined.get_mut(known.at as usize) {
            Some(joined) if known.is_joined => joined,
            _ if part.is_empty() => return,
            _ => {
                let joined = self.sent(&known).to_vec();
                // Fewer than there are codes.
                let at = u32::try_from(self.joined.len()).unwrap_or(u32::MAX);
                self.entries[place - 1] = Entry { is_joined: true, at, ..known };
                self.joined.push(joined);
                match self.joined.last_mut() {
                    Some(joined) => joined,
                    None => return,
                }
            }
        };
        joined.extend_from_slice(part);
    }

    fn remove(&mut self, code: u8) {
        self.entries = self.entries.iter().filter(|entry| entry.code != code).copied().collect();
        self.places = [0; 256];
        // Codes 1 to 254 make at most 254 entries.
        for (place, entry) in (1_u8..).zip(self.entries.iter()) {
            self.places[usize::from(entry.code)] = place;
        }
    }

    pub(crate) fn message_type(&self, malformed: &mut Vec<u8>) -> Result<MessageType, DropReason> {
        match self.get(code::DHCP_MESSAGE_TYPE) {
            Some(&[byte]) => MessageType::try_from(byte),
            Some(_) => {
                note(malformed, code::DHCP_MESSAGE_TYPE);
                Err(DropReason::NoMessageType)
            }
            None => Err(DropReason::NoMessageType),
        }
    }

    /// The data of an option; empty for none.
    pub(super) fn cow(&self, code: u8) -> Cow<'a, [u8]> {
        let place = usize::from(self.places[usize::from(code)]).checked_sub(1);
        match place.and_then(|place| self.entries.get(place)) {
            Some(entry) if entry.is_joined => Cow::Owned(self.data(entry).to_vec()),
            Some(entry) => Cow::Borrowed(self.sent(entry)),
            None => Cow::default(),
        }
    }
}
