//! What was measured, as quantiles and ratios.

use comfy_table::{CellAlignment, Table, presets};

/// What the generator found out about one client whose name was answered, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// From ACK received to name answered.
    pub(crate) micros: u64,
    /// How many questions that took.
    pub(crate) questions: u64,
    /// One more question for the same name: the least that could have been measured.
    pub(crate) again: u64,
}

impl Found {
    /// Reads one line of the generator; `None` when the name was missing.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { micros: next()?, questions: next()?, again: next()? })
    }
}

/// All that is known of one server.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    found: Vec<Found>,
    missing: usize,
    /// The median of each round, in microseconds.
    medians: Vec<u64>,
}

impl Figures {
    /// Takes in the generator's lines.
    pub(crate) fn extend<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        for line in lines {
            match Found::parse(line) {
                Some(found) => self.found.push(found),
                None => self.missing += 1,
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// One line for the run's log.
    pub(crate) fn summary(&self) -> String {
        let p50 = self.quantile(500, |found| found.micros).map_or_else(|| "-".to_owned(), millis);
        format!("{} names, {} missing, p50 {p50} ms", self.found.len(), self.missing)
    }

    /// Adds what another round found.
    pub(crate) fn append(&mut self, mut round: Self) {
        self.medians.extend(round.quantile(500, |found| found.micros));
        self.found.append(&mut round.found);
        self.missing += round.missing;
    }

    /// The least and the greatest median of a round.
    fn spread(&self) -> Option<String> {
        let (least, most) = (self.medians.iter().min()?, self.medians.iter().max()?);
        Some(format!("{}-{}", millis(*least), millis(*most)))
    }

    fn quantile(&self, permille: usize, of: impl Fn(&Found) -> u64) -> Option<u64> {
        let mut sorted: Vec<u64> = self.found.iter().map(of).collect();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) * permille / 1_000).copied()
    }

    /// The median from ACK to name, in hundredths of `other`'s.
    fn ratio_to(&self, other: &Self) -> Option<u64> {
        let (ours, theirs) = (self.quantile(500, |found| found.micros)?, other.quantile(500, |found| found.micros)?);
        (ours * 100 + theirs / 2).checked_div(theirs)
    }
}

fn millis(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

/// The table: one row a server, the first of them the one that the others are compared with.
pub(crate) fn table(servers: &[(&str, &Figures)], asked: u32) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "from ACK to name, ms",
        "p50",
        "p50 by round",
        "p90",
        "p99",
        "questions",
        "one question",
        "missing",
        "p50 ratio",
    ]);
    for (title, figures) in servers {
        let micros = |permille| figures.quantile(permille, |found| found.micros).map(millis);
        let cells = [
            micros(500),
            figures.spread(),
            micros(900),
            micros(990),
            figures.quantile(500, |found| found.questions).map(|count| count.to_string()),
            figures.quantile(500, |found| found.again).map(millis),
            Some(format!("{} of {asked}", figures.missing)),
            servers
                .first()
                .and_then(|(_, first)| figures.ratio_to(first))
                .map(|it| format!("{}.{:02}", it / 100, it % 100)),
        ];
        let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
        table.add_row(std::iter::once((*title).to_owned()).chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn lines_become_medians_and_a_ratio() {
        let (mut first, mut second) = (Figures::default(), Figures::default());
        first.extend("2000 9 50\n1000 5 40\nmissing\n3000 12 60".lines());
        second.extend("250 2 50".lines());
        assert_eq!(first.summary(), "3 names, 1 missing, p50 2.000 ms");
        assert_eq!(second.ratio_to(&first), Some(13), "an eighth, rounded");
        let mut both = Figures::default();
        both.append(first);
        both.append(second);
        assert_eq!(both.spread().as_deref(), Some("0.250-2.000"));
        assert_eq!(both.missing, 1);
    }

    #[test]
    fn the_table_shows_each_server_beside_the_first() {
        let (mut first, mut second) = (Figures::default(), Figures::default());
        first.extend("2000 9 50".lines());
        second.extend("250 2 50".lines());
        let shown = table(&[("first", &first), ("second", &second)], 4);
        let last = shown.lines().last().unwrap();
        assert!(last.contains("second") && last.contains("0.13"), "{shown}");
    }
}
