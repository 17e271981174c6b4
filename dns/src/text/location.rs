//! LOC (RFC 1876): a place on Earth.

use super::Word;

/// `d1 [m1 [s1]] N|S d2 [m2 [s2]] E|W alt[m] [size[m] [hp[m] [vp[m]]]]` (section 3), to version 0's sixteen octets.
pub(super) fn read(words: &[Word<'_>]) -> Result<Vec<u8>, (usize, String)> {
    let (latitude, used) = angle(words, ["N", "S"], 90).map_err(|message| (0, message))?;
    let (longitude, more) = angle(&words[used..], ["E", "W"], 180).map_err(|message| (used, message))?;
    let at = used + more;
    let altitude = words.get(at).ok_or_else(|| (at, "the altitude is missing".to_owned()))?;
    // Section 2: centimeters above a base 100,000 m below the reference spheroid.
    let altitude = centimeters(altitude.text)
        .map(|value| value + 10_000_000)
        .filter(|value| (0..=i64::from(u32::MAX)).contains(value))
        .ok_or_else(|| (at, format!("`{}` is not an altitude in meters", altitude.text)))?;
    // Section 3: defaults of 1 m, 10,000 m and 10 m.
    let mut sizes = [0x12, 0x16, 0x13];
    for (number, size) in sizes.iter_mut().enumerate() {
        let Some(word) = words.get(at + 1 + number) else { break };
        let value = centimeters(word.text).and_then(precision);
        *size = value.ok_or_else(|| (at + 1 + number, format!("`{}` is not a size in meters", word.text)))?;
    }
    if words.len() > at + 4 {
        return Err((at + 4, "nothing more belongs here".to_owned()));
    }
    let mut octets = vec![0];
    octets.extend(sizes);
    octets.extend(latitude.to_be_bytes());
    octets.extend(longitude.to_be_bytes());
    octets.extend((altitude as u32).to_be_bytes());
    Ok(octets)
}

/// Thousandths of a second of arc, 2^31 being the equator or the prime meridian (section 2); and how many words.
fn angle(words: &[Word<'_>], halves: [&str; 2], degrees_max: u32) -> Result<(u32, usize), String> {
    let is_half = |word: &Word<'_>| halves.iter().any(|half| half.eq_ignore_ascii_case(word.text));
    let end = words.iter().take(4).position(is_half);
    let end = end.filter(|end| *end > 0).ok_or_else(|| {
        format!("up to three numbers and {} or {} belong here (RFC 1876 section 3)", halves[0], halves[1])
    })?;
    let mut total = 0_u32;
    for (number, word) in words[..end].iter().enumerate() {
        let wrong = || format!("`{}` is not degrees, minutes or seconds", word.text);
        total += match number {
            0 => word.text.parse().ok().filter(|value: &u32| *value <= degrees_max).ok_or_else(wrong)? * 3_600_000,
            1 => word.text.parse().ok().filter(|value: &u32| *value < 60).ok_or_else(wrong)? * 60_000,
            _ => thousandths(word.text).filter(|value| *value < 60_000).ok_or_else(wrong)?,
        };
    }
    if total > degrees_max * 3_600_000 {
        return Err(format!("more than {degrees_max} degrees"));
    }
    let first_half = halves[0].eq_ignore_ascii_case(words[end].text);
    let middle = 1_u32 << 31;
    Ok((if first_half { middle + total } else { middle - total }, end + 1))
}

/// Seconds with up to three decimals.
fn thousandths(text: &str) -> Option<u32> {
    u32::try_from(fixed(text, 3)?).ok()
}

/// Meters with up to two decimals and perhaps an `m` behind.
fn centimeters(text: &str) -> Option<i64> {
    let text = text.strip_suffix(['m', 'M']).unwrap_or(text);
    match text.strip_prefix('-') {
        Some(below) => fixed(below, 2).map(|value| -value),
        None => fixed(text, 2),
    }
}

/// A number with up to `decimals` decimals, as a whole number of its last decimal.
fn fixed(text: &str, decimals: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 8 || fraction.len() > decimals || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<decimals$}").parse().ok()
}

/// Section 2: "a pair of four-bit unsigned integers": a digit and a power of ten of centimeters.
fn precision(centimeters: i64) -> Option<u8> {
    let (mut digit, mut power) = (u64::try_from(centimeters).ok()?, 0_u8);
    while digit > 9 {
        digit /= 10;
        power += 1;
    }
    (power <= 9).then_some((digit as u8) << 4 | power)
}
