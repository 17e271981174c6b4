//! `docs/correctness.md`, `docs/features.md` and `docs/users.md` name tests for each behaviour, feature and complaint, and
//! each of them is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One row of a table: its line, the files it names, the tests it names.
struct Row {
    line: usize,
    files: Vec<String>,
    tests: Vec<String>,
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut in_body = false;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if !line.starts_with('|') {
            in_body = false;
        } else if line.starts_with("|--") {
            in_body = true;
        } else if in_body {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            let [behaviour, .., files, tests] = cells[..] else { panic!("line {line_number} has not three columns") };
            assert!(!behaviour.trim().is_empty(), "line {line_number} says nothing");
            rows.push(Row { line: line_number, files: quoted(files), tests: quoted(tests) });
        }
    }
    rows
}

/// The names of all functions under `#[test]` or `#[tokio::test]`, also within `proptest!`.
fn tests_in(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((before, after)) = line.split_once("fn ")
            && (before.is_empty() || before == "async ")
        {
            if std::mem::take(&mut is_test)
                && let Some((name, _)) = after.split_once('(')
            {
                found.insert(name.to_owned());
            }
        } else if !(line.is_empty() || line.starts_with('#') || line.starts_with("//")) {
            is_test = false;
        }
    }
    found
}

/// What is wrong with the rows, in words.
fn faults(rows: &[Row], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for Row { line, files, tests } in rows {
        if files.is_empty() || tests.is_empty() {
            faults.push(format!("line {line} names no file or no test"));
        }
        let mut there = BTreeSet::new();
        for file in files {
            let Some(source) = read(file) else {
                faults.push(format!("line {line}: there is no {file}"));
                continue;
            };
            let here = tests_in(&source);
            if !tests.iter().any(|test| here.contains(test)) {
                faults.push(format!("line {line}: {file} has none of the tests"));
            }
            there.extend(here);
        }
        for test in tests.iter().filter(|test| !there.contains(*test)) {
            faults.push(format!("line {line}: {test} is no test there"));
        }
    }
    faults
}

fn assert_rows_have_their_tests(document: &str, rows_min: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = rows(&fs::read_to_string(root.join(document)).unwrap());
    assert!(rows.len() >= rows_min, "{} rows were read of {document}", rows.len());
    let faults = faults(&rows, |file| fs::read_to_string(root.join(file)).ok());
    assert!(faults.is_empty(), "{document}:\n{}", faults.join("\n"));
}

#[test]
fn every_behaviour_has_its_tests() {
    assert_rows_have_their_tests("docs/correctness.md", 90);
}

#[test]
fn every_feature_has_its_tests() {
    assert_rows_have_their_tests("docs/features.md", 45);
}

#[test]
fn every_complaint_has_its_tests() {
    assert_rows_have_their_tests("docs/users.md", 4);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = rows(&fs::read_to_string(root.join("docs/users.md")).unwrap());
    let named = |test: &String| test.starts_with("users_");
    let nameless: Vec<usize> = rows.iter().filter(|row| !row.tests.iter().any(named)).map(|row| row.line).collect();
    assert!(nameless.is_empty(), "lines of docs/users.md whose tests carry no complaint in their names: {nameless:?}");
}

#[test]
fn a_row_without_its_test_is_found() {
    let source = "#[test]\nfn one() {}\nfn two() {}\n#[tokio::test(start_paused = true)]\n#[ignore]\n\
                  async fn three() {}\n    /// Words.\n    #[test]\n    fn four(x in 0..9) {}\n";
    assert_eq!(tests_in(source).into_iter().collect::<Vec<_>>(), ["four", "one", "three"]);
    let text = "| a | b | c |\n|---|---|---|\n| good | `f` | `one` `four` |\n| no test | `f` | |\n\
                | no function | `f` | `one` `five` |\n| not a test | `f` | `two` |\n| no file | `g` | `one` |\n";
    let read = |file: &str| (file == "f").then(|| source.to_owned());
    assert_eq!(
        faults(&rows(text), read),
        [
            "line 4 names no file or no test",
            "line 4: f has none of the tests",
            "line 5: five is no test there",
            "line 6: f has none of the tests",
            "line 6: two is no test there",
            "line 7: there is no g",
            "line 7: one is no test there",
        ]
    );
}
