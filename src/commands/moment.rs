//! Times as people write them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// A moment in UTC seconds: `2026-11-22`, `2026-11-22 14:30`, `14:30` (of today), `yesterday`, `now`, a time with its zone as
/// RFC 3339 writes it, or how long ago: `90m`, `2h`, `3d`. What names no zone is local time.
///
/// # Errors
/// It is none of them, in words.
pub fn parse(text: &str) -> Result<u64, String> {
    parse_at(text, &Zoned::now())
}

fn parse_at(text: &str, now: &Zoned) -> Result<u64, String> {
    let text = text.trim();
    let zone = now.time_zone();
    let at = match text {
        "now" => Some(now.timestamp()),
        "today" => start(now.date(), zone),
        "yesterday" => now.date().yesterday().ok().and_then(|date| start(date, zone)),
        _ => text
            .parse::<Timestamp>()
            .ok()
            .or_else(|| local(text.parse::<DateTime>().ok()?, zone))
            .or_else(|| start(text.parse::<Date>().ok()?, zone))
            .or_else(|| local(now.date().to_datetime(text.parse::<Time>().ok()?), zone))
            .or_else(|| ago(text, now)),
    };
    at.and_then(|at| u64::try_from(at.as_second()).ok()).ok_or_else(|| {
        format!(
            "{text:?} is no time: write 2026-11-22, \"2026-11-22 14:30\", 14:30, or how long ago, such as 90m or 2d"
        )
    })
}

fn start(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(date.to_zoned(zone.clone()).ok()?.timestamp())
}

fn local(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    Some(time.to_zoned(zone.clone()).ok()?.timestamp())
}

fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.trim_end().parse().ok().filter(|number| (0..1_000_000).contains(number))?;
    let secs = match text.strip_prefix(digits)? {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    now.timestamp().checked_sub((number * secs).seconds()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Zoned = "2026-11-22T12:00:00+01:00[+01:00]".parse().unwrap();
        let read = |text: &str| {
            parse_at(text, &now).map(|secs| {
                Timestamp::from_second(secs as i64).unwrap().to_zoned(now.time_zone().clone()).datetime().to_string()
            })
        };
        for (text, time) in [
            ("2026-07-01", "2026-07-01T00:00:00"),
            ("2026-07-01 14:30", "2026-07-01T14:30:00"),
            ("2026-07-01T14:30:05", "2026-07-01T14:30:05"),
            ("2026-07-01T12:30:00Z", "2026-07-01T13:30:00"),
            ("09:15", "2026-11-22T09:15:00"),
            ("yesterday", "2026-11-21T00:00:00"),
            ("90m", "2026-11-22T10:30:00"),
            ("2d", "2026-11-20T12:00:00"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(time), "{text}");
        }
        for wrong in ["", "soon", "25:00", "2026-13-01", "5y", "1969-01-01"] {
            assert!(read(wrong).unwrap_err().contains("is no time"), "{wrong}");
        }
    }
}
