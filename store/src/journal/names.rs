//! File names: the manifest.

/// The lock's file, made by the storage.
pub(crate) const LOCK: &str = "lock";

/// The next segment's space.
pub(crate) const SPARE: &str = "spare";

/// A segment greater than usual, for one great batch, before it has its name.
pub(crate) const LARGE: &str = "large.new";

/// The end of the names of files that are being written.
pub(crate) const UNFINISHED: &str = ".new";

const SEGMENT: &str = "segment-";
const SNAPSHOT: &str = "snapshot-";

pub(crate) fn segment(number: u64) -> String {
    format!("{SEGMENT}{number:010}")
}

pub(crate) fn snapshot(number: u64) -> String {
    format!("{SNAPSHOT}{number:010}")
}

/// The directory of what a repair at `repaired_at`, UTC seconds, replaced.
pub(crate) fn kept(repaired_at: u64) -> String {
    format!("kept-{repaired_at}")
}

/// What the directory holds, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<u64>,
    pub(crate) snapshots: Vec<u64>,
    pub(crate) unfinished: Vec<String>,
    pub(crate) spare: bool,
}

impl Listing {
    pub(crate) fn new(names: Vec<String>) -> Self {
        let mut listing = Self::default();
        for name in names {
            if let Some(number) = parse(SEGMENT, &name) {
                listing.segments.push(number);
            } else if let Some(number) = parse(SNAPSHOT, &name) {
                listing.snapshots.push(number);
            } else if name == SPARE {
                listing.spare = true;
            } else if name.ends_with(UNFINISHED) {
                listing.unfinished.push(name);
            }
        }
        listing.segments.sort_unstable();
        listing.snapshots.sort_unstable();
        listing
    }

    /// The snapshot in force.
    pub(crate) fn snapshot(&self) -> Option<u64> {
        self.snapshots.last().copied()
    }

    /// The number of the first segment in force.
    pub(crate) fn first(&self) -> u64 {
        self.snapshot().unwrap_or(1)
    }

    /// The segments in force.
    pub(crate) fn live(&self) -> impl Iterator<Item = u64> + '_ {
        let first = self.first();
        self.segments.iter().copied().filter(move |&number| number >= first)
    }

    /// The first segment that is missing between the first in force and the newest.
    pub(crate) fn gap(&self) -> Option<u64> {
        let missing = (self.first()..).zip(self.live()).find(|(expected, found)| expected != found);
        // A snapshot is written only after its own segment is there.
        let none = self.snapshot().filter(|_| self.live().next().is_none());
        missing.map(|(expected, _)| expected).or(none)
    }

    /// Names that a newer snapshot supersedes.
    pub(crate) fn superseded(&self) -> Vec<String> {
        let first = self.first();
        let segments = self.segments.iter().filter(|&&n| n < first).map(|&n| segment(n));
        let snapshots = self.snapshots.iter().filter(|&&n| Some(n) != self.snapshot()).map(|&n| snapshot(n));
        snapshots.chain(segments).collect()
    }
}

/// Only the name that we would give counts: `segment-7` is none of ours.
fn parse(prefix: &str, name: &str) -> Option<u64> {
    let number = name.strip_prefix(prefix)?.parse().ok()?;
    (format!("{prefix}{number:010}") == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[&str]) -> Listing {
        Listing::new(names.iter().map(|&n| n.to_owned()).collect())
    }

    #[test]
    fn the_newest_snapshot_is_in_force_and_the_older_files_are_superseded() {
        let l = listing(&[
            "segment-0000000004",
            "segment-0000000003",
            "segment-0000000002",
            "snapshot-0000000003",
            "snapshot-0000000001",
            "snapshot-0000000009.new",
            "spare",
            "lock",
            "segment-7",
        ]);
        assert_eq!(l.snapshot(), Some(3));
        assert_eq!(l.live().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(l.gap(), None);
        assert_eq!(l.superseded(), ["snapshot-0000000001", "segment-0000000002"]);
        assert_eq!(l.unfinished, ["snapshot-0000000009.new"]);
        assert!(l.spare);
    }

    #[test]
    fn a_gap_is_seen() {
        assert_eq!(listing(&["segment-0000000001", "segment-0000000003"]).gap(), Some(2));
        assert_eq!(listing(&["segment-0000000002"]).gap(), Some(1));
        assert_eq!(listing(&["snapshot-0000000002"]).gap(), Some(2));
        assert_eq!(listing(&["snapshot-0000000002", "segment-0000000003"]).gap(), Some(2));
        assert_eq!(listing(&[]).gap(), None);
        assert_eq!(listing(&["segment-0000000001"]).gap(), None);
    }
}
