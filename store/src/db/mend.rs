//! One wrong byte in a frame, found and put right.
//!
//! A checksum that is wrong by a certain difference tells which single byte could have made it so: CRC-32 is linear, so
//! an error of one byte has a difference that depends on nothing but the error and how many bytes follow it. That is
//! how memory and old disks go wrong most of the time, and then nothing is lost. Only short frames are tried, and only
//! one possible answer is believed: of greater damage, which no checksum vouches for, one frame in 15,000 would pass
//! for a single wrong byte at most, and its rows would still have to read.

use crate::journal::format::{Frame, Seed, u32_at};

/// The longest frame that is tried, in bytes.
const FRAME_MAX: usize = 1024;

/// The register after one byte and none behind it (reflected polynomial 0x04C11DB7).
fn table() -> [u32; 256] {
    let mut table = [0; 256];
    for (byte, entry) in (0_u32..).zip(&mut table) {
        *entry = (0..8).fold(byte, |r, _| if r & 1 == 1 { (r >> 1) ^ 0xedb8_8320 } else { r >> 1 });
    }
    table
}

/// The bytes of `frame`, whose checksum is wrong, with the one byte changed that makes it right; `None` when there is
/// none, or more than one.
pub(super) fn with_one_byte_changed(frame: &Frame<'_>, bytes: &[u8], seed: Seed) -> Option<Vec<u8>> {
    let mut bytes = bytes.get(..frame.size())?.to_vec();
    if bytes.len() > FRAME_MAX {
        return None;
    }
    let difference = u32_at(&bytes, 4)? ^ seed.framed(&bytes);
    let mut found = None;
    let mut count = 0;
    // The checksum itself may be what is wrong.
    if difference.to_le_bytes().iter().filter(|&&byte| byte != 0).count() == 1 {
        let checksum = seed.framed(&bytes);
        found = Some((4..8, checksum.to_le_bytes()));
        count += 1;
    }
    let table = table();
    let mut register = table;
    // The checksum covers bytes 0..4 and 8.., from the last backwards.
    for at in (8..bytes.len()).rev().chain((0..4).rev()) {
        if let Some(error) = (1..256).find(|&error| register[error] == difference) {
            found = Some((at..at + 1, [bytes[at] ^ error as u8, 0, 0, 0]));
            count += 1;
        }
        for r in &mut register {
            *r = table[(*r & 0xff) as usize] ^ (*r >> 8);
        }
    }
    let (place, right) = found.filter(|_| count == 1)?;
    let length = place.len();
    bytes[place].copy_from_slice(&right[..length]);
    (u32_at(&bytes, 4)? == seed.framed(&bytes)).then_some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing step is a failing test")]
mod tests {
    use super::*;
    use crate::journal::Batch;

    fn frame(seed: Seed) -> Vec<u8> {
        let mut batch = Batch::new();
        let mut transaction = batch.transaction();
        transaction.put(0x81, |key| key.extend(b"a key"), |value| value.extend((0..=255).cycle().take(400)));
        transaction.finish();
        batch.seal(seed, 7, 9).to_vec()
    }

    #[test]
    fn any_one_wrong_byte_is_put_right() {
        let seed = Seed::new(b"0123456789abcdef", 3);
        let right = frame(seed);
        let size = Frame::read(&right, seed).unwrap().size();
        // A wrong length has no frame that could be tried.
        for at in 4..size {
            let mut wrong = right.clone();
            wrong[at] ^= 1 + (at % 255) as u8;
            let read = Frame::read(&wrong, seed).unwrap();
            assert_eq!(with_one_byte_changed(&read, &wrong, seed).as_deref(), Some(&right[..size]), "byte {at}");
        }
    }

    #[test]
    fn two_wrong_bytes_are_not_guessed() {
        let seed = Seed::new(b"0123456789abcdef", 3);
        let right = frame(seed);
        for at in (8..380).step_by(7) {
            let mut wrong = right.clone();
            wrong[at] ^= 0x10;
            wrong[at + 9] ^= 0x81;
            let read = Frame::read(&wrong, seed).unwrap();
            assert_eq!(with_one_byte_changed(&read, &wrong, seed), None, "byte {at}");
        }
    }
}
