//! Lists for spreadsheets (RFC 4180).

use std::io::{self, Write};

/// One line.
///
/// # Errors
/// Whoever reads has gone.
pub fn line<'a>(out: &mut impl Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        // What a spreadsheet would take for a formula is text here: hosts choose their own names.
        let guarded = if cell.starts_with(['=', '+', '-', '@', '\t']) { format!("'{cell}") } else { cell.to_owned() };
        if guarded.contains(['"', ',', '\n', '\r']) {
            write!(out, "\"{}\"", guarded.replace('"', "\"\""))?;
        } else {
            out.write_all(guarded.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

/// A time in UTC seconds, as spreadsheets read it.
#[must_use]
pub fn time(utc_secs: u64) -> String {
    let at = i64::try_from(utc_secs).ok().and_then(|secs| jiff::Timestamp::from_second(secs).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    #[test]
    fn cells_are_quoted_where_they_must_be_and_are_never_formulas() {
        let mut out = Vec::new();
        super::line(&mut out, ["a", "b,c", "say \"so\"", "=1+1", ""]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a,\"b,c\",\"say \"\"so\"\"\",'=1+1,\r\n");
    }
}
