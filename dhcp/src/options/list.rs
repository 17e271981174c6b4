//! Options one after another in one piece of memory, as a reply carries them.

use std::fmt;
use std::ops::{Deref, DerefMut};

use dns::Bytes;

/// What a reply with the usual options takes at most: so many bytes are kept in place.
const USUAL_BYTES: usize = 94;

/// Options and their data, in the order in which they are to stand; each code once, at most 65,535 bytes each. The usual
/// ones take no allocation, and however many others there are, they are one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OptionList {
    /// Code, length and data of each, as they are sent. Where `has_long`, each length takes two bytes, the lower one first.
    bytes: Growing,
    /// One of them is over 255 bytes, so that it is sent in parts (RFC 3396).
    has_long: bool,
}

impl OptionList {
    /// Adds an option as the last one. What is over 65,535 bytes is cut off.
    #[inline]
    pub fn push(&mut self, code: u8, data: &[u8]) {
        match u8::try_from(data.len()) {
            Ok(len) if !self.has_long => {
                self.bytes.append(&[code, len]);
                self.bytes.append(data);
            }
            _ => self.push_long(code, data),
        }
    }

    fn push_long(&mut self, code: u8, data: &[u8]) {
        if !self.has_long {
            let short = std::mem::take(self);
            self.has_long = true;
            short.iter().for_each(|(code, data)| self.push_long(code, data));
        }
        let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let [low, high] = len.to_le_bytes();
        self.bytes.append(&[code, low, high]);
        self.bytes.append(&data[..usize::from(len)]);
    }

    /// The options as they are sent. `None`: one of them is sent in parts.
    #[must_use]
    pub fn as_sent(&self) -> Option<&[u8]> {
        Some(&*self.bytes).filter(|_| !self.has_long)
    }

    /// Adds options that are bytes already, as [`OptionList::as_sent`] has them.
    #[inline]
    pub(crate) fn push_sent(&mut self, sent: &[u8]) {
        if self.has_long {
            Iter { rest: sent, has_long: false }.for_each(|(code, data)| self.push_long(code, data));
        } else {
            self.bytes.append(sent);
        }
    }

    /// The data of an option.
    #[must_use]
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.iter().find(|(c, _)| *c == code).map(|(_, data)| data)
    }

    /// Every option and its data, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.bytes, has_long: self.has_long }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keeps those options whose codes are to be kept.
    pub fn retain(&mut self, keeps: impl Fn(u8) -> bool) {
        *self = self.iter().filter(|(code, _)| keeps(*code)).collect();
    }

    /// Moves the option `code` directly before `other`, when both are there and it stands behind that.
    pub(super) fn move_before(&mut self, code: u8, other: u8) {
        let (mut at, mut found, mut before) = (0, None, None);
        let header = if self.has_long { 3 } else { 2 };
        for (place, data) in self.iter() {
            let whole = at..at + header + data.len();
            at = whole.end;
            if place == code {
                found = Some(whole);
            } else if place == other {
                before = Some(whole.start);
            }
        }
        if let (Some(found), Some(before)) = (found, before)
            && before < found.start
        {
            self.bytes[before..found.end].rotate_right(found.len());
        }
    }
}

/// Bytes that only grow, in place while they are few.
#[derive(Clone)]
enum Growing {
    /// The first so many of these.
    Here(u8, [u8; USUAL_BYTES]),
    Apart(Vec<u8>),
}

impl Growing {
    #[inline]
    fn append(&mut self, more: &[u8]) {
        let Self::Here(len, here) = self else { return self.append_apart(more) };
        let from = usize::from(*len);
        match here.get_mut(from..from + more.len()) {
            Some(place) => {
                place.copy_from_slice(more);
                // No more than there is room for.
                *len += more.len() as u8;
            }
            None => self.append_apart(more),
        }
    }

    fn append_apart(&mut self, more: &[u8]) {
        match self {
            Self::Here(..) => {
                let mut all = Vec::with_capacity(2 * USUAL_BYTES + more.len());
                all.extend_from_slice(self);
                all.extend_from_slice(more);
                *self = Self::Apart(all);
            }
            Self::Apart(all) => all.extend_from_slice(more),
        }
    }
}

impl Default for Growing {
    fn default() -> Self {
        Self::Here(0, [0; USUAL_BYTES])
    }
}

impl Deref for Growing {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here(len, here) => here.get(..usize::from(*len)).unwrap_or_default(),
            Self::Apart(all) => all,
        }
    }
}

impl DerefMut for Growing {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Here(len, here) => here.get_mut(..usize::from(*len)).unwrap_or_default(),
            Self::Apart(all) => all,
        }
    }
}

impl PartialEq for Growing {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Growing {}

/// See [`OptionList::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'l> {
    rest: &'l [u8],
    has_long: bool,
}

impl<'l> Iterator for Iter<'l> {
    type Item = (u8, &'l [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (code, len, rest) = match self.rest {
            [code, low, high, rest @ ..] if self.has_long => (*code, u16::from_le_bytes([*low, *high]), rest),
            [code, len, rest @ ..] => (*code, u16::from(*len), rest),
            _ => return None,
        };
        let (data, rest) = rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Some((code, data))
    }
}

impl<'l> IntoIterator for &'l OptionList {
    type Item = (u8, &'l [u8]);
    type IntoIter = Iter<'l>;

    fn into_iter(self) -> Iter<'l> {
        self.iter()
    }
}

impl<D: AsRef<[u8]>> FromIterator<(u8, D)> for OptionList {
    fn from_iter<I: IntoIterator<Item = (u8, D)>>(options: I) -> Self {
        let mut list = Self::default();
        options.into_iter().for_each(|(code, data)| list.push(code, data.as_ref()));
        list
    }
}

impl<D: AsRef<[u8]>> From<Vec<(u8, D)>> for OptionList {
    fn from(options: Vec<(u8, D)>) -> Self {
        options.into_iter().collect()
    }
}

impl fmt::Debug for OptionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The data of an option: lent by whoever has it (the settings, as a rule), or made for this reply.
#[derive(Clone, Debug)]
pub enum OptionData<'d> {
    /// As it stands somewhere else.
    Lent(&'d [u8]),
    /// Made now.
    Made(Bytes),
    /// Seconds, or an address.
    Word([u8; 4]),
}

impl Deref for OptionData<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lent(data) => data,
            Self::Made(data) => data,
            Self::Word(data) => data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_what_was_pushed() {
        let long = vec![7; 700];
        let mut list = OptionList::default();
        assert!(list.is_empty() && list.get(1).is_none());
        list.push(3, &[1; 4]);
        list.push(80, &[]);
        list.push(119, &long);
        assert_eq!(list.iter().collect::<Vec<_>>(), [(3, &[1; 4][..]), (80, &[]), (119, &long)]);
        assert_eq!((list.get(80), list.get(119).map(<[u8]>::len)), (Some(&[][..]), Some(700)));
        list.push(9, &[0; 70_000]);
        assert_eq!(list.get(9).map(<[u8]>::len), Some(65_535));
        list.retain(|code| code != 119);
        assert_eq!(list.iter().map(|(code, _)| code).collect::<Vec<_>>(), [3, 80, 9]);
        list.push_sent(&[1, 2, 8, 8, 80, 0]);
        assert_eq!(list.iter().skip(3).collect::<Vec<_>>(), [(1, &[8, 8][..]), (80, &[])]);
    }

    #[test]
    fn a_list_is_as_it_is_sent_unless_an_option_goes_in_parts() {
        let mut list = OptionList::default();
        list.push(3, &[1; 4]);
        list.push_sent(&[1, 2, 8, 8]);
        list.push(224, &[7; 255]);
        assert_eq!(
            list.as_sent().map(|sent| (sent[..10].to_vec(), sent.len())),
            Some((vec![3, 4, 1, 1, 1, 1, 1, 2, 8, 8], 267))
        );
        list.push(225, &[7; 256]);
        assert_eq!((list.as_sent(), list.get(1), list.get(224)), (None, Some(&[8, 8][..]), Some(&[7; 255][..])));
        list.retain(|code| code != 225);
        assert_eq!(list.as_sent().map(<[u8]>::len), Some(267), "equal lists are equal bytes");
    }

    #[test]
    fn a_list_grows_past_what_is_kept_in_place() {
        for last in 0..=200 {
            let mut list = OptionList::default();
            list.push(3, &[1; 60]);
            list.push(6, &vec![2; last]);
            list.push_sent(&[15, 1, 9]);
            let told: Vec<_> = list.iter().map(|(code, data)| (code, data.len())).collect();
            assert_eq!(told, [(3, 60), (6, last), (15, 1)]);
            assert_eq!(list, list.iter().collect());
        }
    }

    #[test]
    fn an_option_is_moved_before_another_that_stands_before_it() {
        let moved = |codes: &[u8]| {
            let mut list: OptionList = codes.iter().map(|code| (*code, vec![*code; usize::from(*code)])).collect();
            list.move_before(1, 3);
            assert!(list.iter().all(|(code, data)| data.iter().all(|byte| *byte == code)));
            list.iter().map(|(code, _)| code).collect::<Vec<_>>()
        };
        assert_eq!(moved(&[15, 3, 6, 1, 28]), [15, 1, 3, 6, 28]);
        assert_eq!(moved(&[1, 6, 3]), [1, 6, 3]);
        assert_eq!((moved(&[3, 6]), moved(&[1])), (vec![3, 6], vec![1]));
    }
}
