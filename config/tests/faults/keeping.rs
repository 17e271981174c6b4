//! The history of leases, and backups.

use std::path::Path;

use super::{and, config, refused};

#[test]
fn history_and_backups_are_kept_unless_the_file_says_otherwise() {
    let plain = config(&and(""));
    let history = plain.history.unwrap();
    assert_eq!((history.keep_secs, history.bytes_max, history.nameless), (90 * 86_400, 1 << 30, false));
    let backup = plain.backup.unwrap();
    assert_eq!((backup.every_secs, backup.keep), (Some(3_600), 24));
    assert_eq!(backup.directory, Path::new("/var/lib/leasehold/backups"));
    let text = "[history]\nrecord = \"nameless\"\nkeep = \"7d\"\nmax_size = \"64 MB\"\n[backup]\nevery = \"6h\"\nkeep = 3\n\
                directory = \"/srv/backups\"\n";
    let written = config(&and(text));
    let history = written.history.unwrap();
    assert_eq!((history.keep_secs, history.bytes_max, history.nameless), (7 * 86_400, 64 << 20, true));
    let backup = written.backup.unwrap();
    assert_eq!((backup.every_secs, backup.keep), (Some(6 * 3_600), 3));
    assert_eq!(backup.directory, Path::new("/srv/backups"));
    let off = config(&and("[history]\nrecord = \"off\"\n[backup]\nevery = \"never\"\n"));
    assert_eq!((off.history, off.backup.unwrap().every_secs), (None, None));
}

#[test]
fn a_history_without_room_and_backups_that_are_none_are_refused() {
    refused(
        &and("[history]\nmax_size = \"3 pages\"\n"),
        &[(
            "8:12",
            "\"3 pages\"",
            "`3 pages` is not a size that history can be kept in",
            "such as \"512MB\" or \"2GB\"",
        )],
    );
    refused(
        &and("[history]\nmax_size = \"1MB\"\n"),
        &[("8:12", "\"1MB\"", "`1MB` is not a size that history can be kept in", "such as \"512MB\" or \"2GB\"")],
    );
    refused(
        &and("[history]\nkeep = \"infinite\"\n"),
        &[("8:8", "\"infinite\"", "`keep` cannot be infinite", "such as")],
    );
    refused(
        &and("[backup]\nevery = \"often\"\n"),
        &[("8:9", "\"often\"", "`often` does not say how often", "write \"hourly\"")],
    );
    refused(
        &and("[backup]\nkeep = 0\n"),
        &[("8:8", "0", "0 backups are kept, so that none would be made", "`every = \"never\"`")],
    );
    refused(
        &and("[backup]\ndirectory = \"here\"\n"),
        &[("8:13", "\"here\"", "`here` is not a path from `/` on", "write the whole path")],
    );
}
