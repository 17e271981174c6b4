//! A few bytes by value: what clients and relays say of themselves is short as a rule, and is kept in many copies.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// So many are kept without an allocation: identifiers, host names and most relays' data.
const INLINE: usize = 30;

/// Bytes that do not change, without an allocation up to 30. Otherwise as a `Box<[u8]>`, which is 16 bytes smaller.
#[derive(Clone)]
pub struct Bytes(Held);

#[derive(Clone)]
enum Held {
    /// The first so many of these.
    Inline(u8, [u8; INLINE]),
    Apart(Box<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Inline(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Held::Apart(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Bytes {
    #[inline]
    fn from(data: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..data.len()), u8::try_from(data.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(data);
                Self(Held::Inline(len, bytes))
            }
            _ => Self(Held::Apart(data.into())),
        }
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(data: [u8; N]) -> Self {
        Self::from(&data[..])
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(data: Vec<u8>) -> Self {
        if data.len() > INLINE { Self(Held::Apart(data.into())) } else { Self::from(&data[..]) }
    }
}

impl From<Box<[u8]>> for Bytes {
    fn from(data: Box<[u8]>) -> Self {
        if data.len() > INLINE { Self(Held::Apart(data)) } else { Self::from(&data[..]) }
    }
}

impl From<Bytes> for Box<[u8]> {
    fn from(bytes: Bytes) -> Self {
        match bytes.0 {
            Held::Inline(..) => (*bytes).into(),
            Held::Apart(bytes) => bytes,
        }
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self(Held::Inline(0, [0; INLINE]))
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// All of these are those of the bytes, wherever they are.

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_bytes_are_what_they_were_made_of() {
        for len in [0, 1, 29, 30, 31, 300] {
            let data: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let bytes = Bytes::from(&data[..]);
            assert_eq!(*bytes, *data);
            assert_eq!((&bytes, &bytes), (&Bytes::from(data.clone()), &Bytes::from(data.into_boxed_slice())));
        }
        assert_eq!((size_of::<Bytes>(), size_of::<Option<Bytes>>()), (32, 32));
    }

    #[test]
    fn they_are_ordered_as_slices_are() {
        let words = [&b""[..], b"a", b"a much longer one than is kept in place", b"ab", b"b"];
        assert!(words.map(Bytes::from).is_sorted());
        assert_eq!(format!("{:?}", Bytes::from([1, 2])), "[1, 2]");
    }
}
