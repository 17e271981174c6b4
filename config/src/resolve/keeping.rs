//! `[history]` and `[backup]`.

use std::path::{Path, PathBuf};

use super::scalars::finite_seconds;
use super::upkeep::pause;
use crate::fault::Findings;
use crate::file::At;
use crate::file::kinds::SizeText;
use crate::file::v1::{self, HistoryWord};
use crate::settings::{BackupSettings, HistorySettings};

/// 90 days.
const KEEP_SECS: u32 = 90 * 86_400;
const SIZE: u64 = 1 << 30;
/// Less than a few parts would drop what was just written.
const SIZE_MIN: u64 = 8 << 20;
const EVERY_SECS: u32 = 3_600;
const BACKUPS: u32 = 24;

/// `None`: none is kept.
pub(super) fn history(written: &v1::History, findings: &mut Findings) -> Option<HistorySettings> {
    let keep_secs = written.keep.as_ref().and_then(|at| finite_seconds(at, "keep", findings)).unwrap_or(KEEP_SECS);
    let bytes_max = written.max_size.as_ref().and_then(|at| size(at, findings)).unwrap_or(SIZE);
    let record = written.record.unwrap_or(HistoryWord::Whole);
    (record != HistoryWord::Off).then_some(HistorySettings {
        keep_secs: keep_secs.into(),
        bytes_max,
        nameless: record == HistoryWord::Nameless,
    })
}

/// `None`: none is made.
pub(super) fn backup(written: &v1::Backup, store: &Path, findings: &mut Findings) -> Option<BackupSettings> {
    let every_secs = match &written.every {
        None => Some(EVERY_SECS),
        Some(at) => match at.value.0.trim() {
            "never" => None,
            "hourly" => Some(3_600),
            "daily" => Some(86_400),
            "weekly" => Some(7 * 86_400),
            _ => pause(at, findings),
        },
    };
    if let Some(at) = written.keep.as_ref().filter(|at| at.value == 0) {
        findings.fault(
            at.span,
            "0 backups are kept, so that none would be made",
            "none",
            "write how many are to be kept, such as 24; or `every = \"never\"`",
        );
    }
    let directory = match &written.directory {
        None => store.join("backups"),
        Some(at) => {
            let path = PathBuf::from(at.value.0.trim());
            if !path.is_absolute() {
                findings.fault(
                    at.span,
                    format!("`{}` is not a path from `/` on", at.value.0),
                    "depends on where the daemon is started",
                    "write the whole path, such as \"/var/backups/leasehold\"",
                );
            }
            path
        }
    };
    let keep = written.keep.as_ref().map_or(BACKUPS, |at| at.value) as usize;
    Some(BackupSettings { every_secs, keep, directory })
}

fn size(at: &At<SizeText>, findings: &mut Findings) -> Option<u64> {
    let written = at.value.0.trim();
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = match written[digits.len()..].trim() {
        "MB" | "MiB" | "M" => Some(1_u64 << 20),
        "GB" | "GiB" | "G" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit)).filter(|bytes| *bytes >= SIZE_MIN);
    if bytes.is_none() {
        findings.fault(
            at.span,
            format!("`{written}` is not a size that history can be kept in"),
            "not a size of 8 MB or more",
            "write a number and MB or GB, such as \"512MB\" or \"2GB\"",
        );
    }
    bytes
}
