//! How much of a processor each thread of a program takes: which of them is the limit.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::Context;

/// Processor time of a program's threads until a moment.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    at: Instant,
    /// Nanoseconds, by thread name; those that share a name are one.
    spent: BTreeMap<String, u64>,
}

impl Threads {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let mut spent = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            // One that has ended meanwhile is left out.
            let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
            let Ok(text) = fs::read_to_string(task.join("schedstat")) else { continue };
            let nanos: u64 = text.split(' ').next().unwrap_or_default().parse().context("schedstat")?;
            *spent.entry(name.trim().to_owned()).or_default() += nanos;
        }
        Ok(Self { at: Instant::now(), spent })
    }

    /// What each took of one processor since `before`, in percent, the most first; what took less than one is left out.
    pub(crate) fn shares_since(&self, before: &Self) -> String {
        let nanos = (self.at - before.at).as_nanos().max(1);
        let share = |(name, spent): (&String, &u64)| {
            let own = spent.saturating_sub(before.spent.get(name).copied().unwrap_or(0));
            (u128::from(own) * 100 / nanos, name.clone())
        };
        let mut shares: Vec<_> = self.spent.iter().map(share).filter(|(share, _)| *share > 0).collect();
        shares.sort_unstable_by(|a, b| b.cmp(a));
        shares.into_iter().map(|(share, name)| format!("{name} {share}%")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use super::*;

    #[test]
    fn shares_are_of_the_time_between_and_the_greatest_comes_first() {
        let at = Instant::now();
        let spent = |dhcp, committer| BTreeMap::from([("dhcp".to_owned(), dhcp), ("committer".to_owned(), committer)]);
        let before = Threads { at, spent: spent(5_000_000, 7_000_000) };
        let after = Threads { at: at + Duration::from_millis(10), spent: spent(15_000_000, 11_000_000) };
        assert_eq!(after.shares_since(&before), "dhcp 100%, committer 40%");
        assert!(!Threads::of(std::process::id()).unwrap().spent.is_empty());
    }
}
