//! SipHash-1-3 of a few short values at once (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
//!
//! The standard library's hasher takes values byte by byte and costs three times as much for what is hashed several
//! times a message. Each value is taken in whole words with its length before it, so that no two lists of values look
//! alike.

/// A hash under way.
#[derive(Clone, Copy, Debug)]
pub struct Sip {
    v: [u64; 4],
}

impl Sip {
    /// Nobody who does not know the key can find values that fall on each other.
    #[must_use]
    pub fn new(key: u64) -> Self {
        let other = key.rotate_left(32);
        let constants = [0x736F_6D65_7073_6575, 0x646F_7261_6E64_6F6D, 0x6C79_6765_6E65_7261, 0x7465_6462_7974_6573];
        let keys = [key, other, key, other];
        Self { v: std::array::from_fn(|at| constants[at] ^ keys[at]) }
    }

    /// One more value: a number.
    #[must_use]
    #[inline]
    pub fn number(mut self, number: u64) -> Self {
        self.v[3] ^= number;
        self.round();
        self.v[0] ^= number;
        self
    }

    /// One more value: some bytes.
    #[must_use]
    #[inline]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self = self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self = self.number(u64::from_le_bytes(*word));
        }
        if rest.is_empty() { self } else { self.number(last_word(rest)) }
    }

    /// The hash of all values so far.
    #[must_use]
    #[inline]
    pub fn finish(mut self) -> u64 {
        self.v[2] ^= 0xFF;
        (0..3).for_each(|_| self.round());
        self.v.iter().fold(0, |all, word| all ^ word)
    }

    #[inline]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.v = [a, b, c, d];
    }
}

/// Up to seven bytes as a number, the lowest first.
#[inline]
fn last_word(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // What both have is the same in both.
        (Some(first), Some(last)) => {
            let high = u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4));
            u64::from(u32::from_le_bytes(*first)) | high
        }
        _ => bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn values_that_differ_in_anything_have_other_hashes() {
        let mut seen = BTreeSet::new();
        let words: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"abcdefg", b"abcdefgh", b"abcdefgh\0", b"abcdefghi"];
        for key in [0, 1, 1 << 32, u64::MAX - 1] {
            for one in words {
                assert!(seen.insert(Sip::new(key).bytes(one).finish()));
                for other in words {
                    assert!(seen.insert(Sip::new(key).bytes(one).bytes(other).finish()), "{one:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn a_word_has_all_its_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7];
        for len in 1..=7 {
            let expected = (0..len).map(|at| u64::from(bytes[at]) << (8 * at)).sum::<u64>();
            assert_eq!(last_word(&bytes[..len]), expected);
        }
    }

    #[test]
    fn every_bit_of_a_hash_depends_on_every_bit_of_the_value() {
        let whole = Sip::new(7).bytes(&[0; 12]).finish();
        for bit in 0..96 {
            let mut value = [0_u8; 12];
            value[bit / 8] ^= 1 << (bit % 8);
            let changed = (Sip::new(7).bytes(&value).finish() ^ whole).count_ones();
            assert!((12..=52).contains(&changed), "bit {bit} changes {changed}");
        }
    }
}
