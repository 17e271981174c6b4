//! Numbers in as few bytes as they need: seven bits a byte, the least first.

/// Appends a number; up to 127 it takes one byte, and ten at most.
pub fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes the number at the start of `rest`; of nothing, zero.
pub fn take_number(rest: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let [byte, after @ ..] = *rest
        && shift < u64::BITS
    {
        *rest = after;
        number |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_take_as_many_bytes_as_they_need() {
        for (number, bytes) in [(0, 1), (127, 1), (128, 2), (86_400, 3), (u64::from(u32::MAX), 5), (u64::MAX, 10)] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out.len(), bytes, "{number}");
            out.push(7);
            let mut rest = &out[..];
            assert_eq!((take_number(&mut rest), rest), (number, &[7][..]));
        }
    }
}
