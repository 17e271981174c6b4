//! Master files (RFC 1035 section 5): text to sets.
//!
//! [`lines`] cuts the text into words with their places, [`generate`] is BIND's `$GENERATE`, and here entries and
//! directives get their meaning; `dns::text` reads the data of each type. Files are handed in: an `$INCLUDE` asks the
//! caller for a file by a path that never leaves the directory of the first.
//!
//! As BIND reads them, so that a file means the same here: a record without a TTL has that of `$TTL` (RFC 2308 section
//! 4), else that of the record before it, and the records of a set have the TTL of its first. What BIND leaves out with
//! a warning, or takes though no standard allows it, is a fault here.

pub mod generate;
pub mod lines;

use std::collections::BTreeMap;

use dns::text::{Word, duration_from_text, name, rdata_from_words};
use dns::{Fqdn, RecordType, Rrset};

use self::lines::{Line, Lines, Token};

/// How deep files include each other.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// How many files one zone is made of.
pub const FILES_MAX: usize = 1_000;
/// How many records one zone has.
pub const RECORDS_MAX: usize = 2_000_000;
/// How many faults are told; more are as little read as these.
pub const FAULTS_MAX: usize = 20;
/// RFC 2181 section 8: "between 0 and 2147483647".
const TTL_SECS_MAX: u32 = i32::MAX as u32;

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct MasterFault {
    /// The file, as the first was called, or as `$INCLUDE` calls it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub struct MasterFile<'t> {
    /// Its text.
    pub text: &'t str,
    /// What it is called in faults.
    pub file: &'t str,
    /// The zone's apex, and the origin at the start.
    pub apex: &'t Fqdn,
    /// The TTL of records that have none and come before any `$TTL` and any other TTL, in seconds.
    pub ttl_secs: u32,
}

/// Gives the text of an included file by its path, which is relative to the directory of the first file.
pub type Include<'i> = &'i dyn Fn(&str) -> Result<String, String>;

/// Reads a zone's sets, in the order of their names.
///
/// # Errors
/// Everything that is wrong with it, up to [`FAULTS_MAX`] faults; at least one.
pub fn read(file: &MasterFile<'_>, include: Include<'_>) -> Result<Vec<Rrset>, Vec<MasterFault>> {
    let mut reader = Reader {
        apex: file.apex,
        ttl_secs: file.ttl_secs,
        directive_ttl: None,
        last_ttl: None,
        include,
        files: 0,
        records: 0,
        sets: BTreeMap::new(),
        placed: BTreeMap::new(),
        faults: Vec::new(),
    };
    reader.file(file.text, file.file, file.apex.clone(), None, 0);
    reader.check_aliases();
    if !reader.faults.is_empty() {
        // A line with many faults, or the aliases looked at last, may have brought more than are told.
        reader.faults.truncate(FAULTS_MAX);
        return Err(reader.faults);
    }
    Ok(reader.sets.into_values().collect())
}

struct Reader<'r> {
    apex: &'r Fqdn,
    ttl_secs: u32,
    /// Of the last `$TTL`.
    directive_ttl: Option<u32>,
    /// Of the last record that said one.
    last_ttl: Option<u32>,
    include: Include<'r>,
    files: usize,
    records: usize,
    sets: BTreeMap<(Fqdn, RecordType), Rrset>,
    /// Where the first CNAME and DNAME record of each name stands: file, line and column.
    placed: BTreeMap<(Fqdn, RecordType), (String, usize, usize)>,
    faults: Vec<MasterFault>,
}

/// What a file brings with it, and its lines change.
struct Within<'f> {
    file: &'f str,
    origin: Fqdn,
    /// The last owner, for lines that begin with a blank.
    owner: Option<Fqdn>,
    depth: usize,
}

/// A fault's words and the place of the token that they are about; `None`: the line's end.
type Wrong<'t> = (Option<Token<'t>>, String);

impl Reader<'_> {
    fn file(&mut self, text: &str, file: &str, origin: Fqdn, owner: Option<Fqdn>, depth: usize) {
        self.files += 1;
        let mut within = Within { file, origin, owner, depth };
        for line in Lines::new(text) {
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
            let done = match &line {
                Ok(line) => self.line(line, &mut within),
                Err((token, message)) => Err((Some(*token), message.clone())),
            };
            if let Err((token, message)) = done {
                let end = line.as_ref().map_or((1, 1), |line| line.end);
                let (line, column) = token.map_or(end, |token| (token.line, token.column));
                self.faults.push(MasterFault { file: file.to_owned(), line, column, message });
            }
        }
    }

    fn line<'t>(&mut self, line: &Line<'t>, within: &mut Within<'_>) -> Result<(), Wrong<'t>> {
        let Some(first) = line.tokens.first() else { return Ok(()) };
        if line.blank_first || first.word.quoted || !first.word.text.starts_with('$') {
            return self.record(line, within);
        }
        let rest = &line.tokens[1..];
        match first.word.text.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                let [token] = rest else { return Err((rest.get(1).copied(), "$ORIGIN takes one name".to_owned())) };
                within.origin = name(token.word.text, &within.origin).map_err(|message| (Some(*token), message))?;
                Ok(())
            }
            "$TTL" => {
                let [token] = rest else { return Err((rest.get(1).copied(), "$TTL takes one time".to_owned())) };
                self.directive_ttl = Some(ttl_of(token)?);
                Ok(())
            }
            "$INCLUDE" => self.include(rest, within),
            "$GENERATE" => self.generate(*first, rest, within),
            _ => {
                let known = "$ORIGIN, $TTL, $INCLUDE and $GENERATE are known";
                Err((Some(*first), format!("`{}` is no directive: {known}", first.word.text)))
            }
        }
    }

    /// RFC 1035 section 5.1: `$INCLUDE <file-name> [<domain-name>]`; it "never changes the relative origin of the parent
    /// file", and here neither its last owner.
    fn include<'t>(&mut self, rest: &[Token<'t>], within: &Within<'_>) -> Result<(), Wrong<'t>> {
        let (path, origin) = match rest {
            [path] => (path, within.origin.clone()),
            [path, origin] => {
                let name = name(origin.word.text, &within.origin).map_err(|message| (Some(*origin), message))?;
                (path, name)
            }
            _ => return Err((rest.get(2).copied(), "$INCLUDE takes a file and perhaps an origin".to_owned())),
        };
        let wrong = |message: String| (Some(*path), message);
        let text = path.word.text;
        let leaves = text.starts_with('/') || text.split(['/', '\\']).any(|part| part == "..");
        if leaves || text.is_empty() {
            return Err(wrong(format!("`{text}`: an included file is at or beneath the directory of the zone's file")));
        }
        if within.depth >= INCLUDE_DEPTH_MAX {
            return Err(wrong(format!("files include each other more than {INCLUDE_DEPTH_MAX} deep")));
        }
        if self.files >= FILES_MAX {
            return Err(wrong(format!("more than {FILES_MAX} files are included")));
        }
        let included = (self.include)(text).map_err(|why| wrong(format!("`{text}` cannot be read: {why}")))?;
        self.file(&included, text, origin, within.owner.clone(), within.depth + 1);
        Ok(())
    }

    fn generate<'t>(&mut self, first: Token<'t>, rest: &[Token<'t>], within: &mut Within<'_>) -> Result<(), Wrong<'t>> {
        let [range, owner, rest @ ..] = rest else {
            return Err((None, "$GENERATE takes a range, an owner, a type and data".to_owned()));
        };
        let wrong = |message: String| (Some(*range), message);
        let range = generate::Range::read(range.word.text).map_err(wrong)?;
        for number in range.numbers() {
            let mut texts: Vec<(String, bool)> = Vec::with_capacity(rest.len() + 1);
            for token in std::iter::once(owner).chain(rest) {
                let text = generate::substitute(token.word.text, number).map_err(|message| (Some(*token), message))?;
                texts.push((text, token.word.quoted));
            }
            let tokens = texts.iter().map(|made: &(String, bool)| Token {
                word: Word { text: &made.0, quoted: made.1 },
                line: first.line,
                column: first.column,
            });
            let line = Line { tokens: tokens.collect(), blank_first: false, end: (0, 0) };
            // The text was made here, so the directive is what can be shown.
            self.record(&line, within).map_err(|(_, message)| (Some(first), format!("for {number}: {message}")))?;
            if self.faults.len() >= FAULTS_MAX {
                break;
            }
        }
        Ok(())
    }

    /// `[<owner>] [<TTL>] [<class>] <type> <data>`, TTL and class in either order.
    fn record<'t>(&mut self, line: &Line<'t>, within: &mut Within<'_>) -> Result<(), Wrong<'t>> {
        let mut tokens = line.tokens.as_slice();
        if !line.blank_first
            && let [token, rest @ ..] = tokens
        {
            within.owner = None;
            within.owner = Some(name(token.word.text, &within.origin).map_err(|message| (Some(*token), message))?);
            tokens = rest;
        }
        let first = line.tokens.first().copied();
        let Some(owner) = within.owner.clone() else {
            return Err((first, "the line begins with a blank, and no owner stands before it".to_owned()));
        };
        let (mut ttl, mut class_seen) = (None, false);
        let (rtype, data) = loop {
            let [token, rest @ ..] = tokens else { return Err((None, "a type and data are missing".to_owned())) };
            let text = token.word.text;
            if ttl.is_none() && text.starts_with(|first: char| first.is_ascii_digit()) {
                ttl = Some(ttl_of(token)?);
            } else if !class_seen && ["IN", "CH", "HS", "CS"].iter().any(|class| class.eq_ignore_ascii_case(text)) {
                class_seen = true;
                if !text.eq_ignore_ascii_case("IN") {
                    return Err((Some(*token), format!("class {text}: only IN is served")));
                }
            } else {
                let rtype: RecordType = text.parse().map_err(|error| (Some(*token), format!("`{text}` is {error}")))?;
                if !rtype.is_data() {
                    return Err((Some(*token), format!("{rtype} records cannot stand in a zone")));
                }
                break (rtype, rest);
            }
            tokens = rest;
        };
        let words: Vec<Word<'_>> = data.iter().map(|token| token.word).collect();
        let rdata = rdata_from_words(rtype, &words, &within.origin)
            .map_err(|error| (data.get(error.word).or(data.last()).copied(), error.message))?;
        if !owner.is_within(self.apex) {
            return Err((first, format!("{owner} is not within the zone {}", self.apex)));
        }
        if rtype == RecordType::SOA && owner != *self.apex {
            return Err((first, format!("a SOA record stands at the zone's apex, {}", self.apex)));
        }
        self.records += 1;
        if self.records > RECORDS_MAX {
            return Err((first, format!("more than {RECORDS_MAX} records")));
        }
        self.last_ttl = ttl.or(self.last_ttl);
        let minimum = || (rtype == RecordType::SOA).then(|| rdata.to_soa().map(|soa| soa.minimum)).flatten();
        let ttl = ttl.or(self.directive_ttl).or(self.last_ttl).or_else(minimum).unwrap_or(self.ttl_secs);
        // RFC 1035 as BIND reads it: with neither, what the SOA record says is everybody's.
        if rtype == RecordType::SOA && self.directive_ttl.is_none() && self.last_ttl.is_none() {
            self.last_ttl = Some(ttl);
        }
        let place = first.map_or((0, 0), |token| (token.line, token.column));
        self.put(Rrset::single(owner, rtype, ttl, rdata), within.file, place).map_err(|message| (first, message))
    }

    fn put(&mut self, one: Rrset, file: &str, (line, column): (usize, usize)) -> Result<(), String> {
        let key = (one.name.clone(), one.rtype);
        // RFC 2181 section 10.1, RFC 6672 section 2.4, RFC 1035 section 5.2: one record of these at a name.
        let alone = [RecordType::CNAME, RecordType::DNAME, RecordType::SOA].contains(&one.rtype);
        if alone {
            self.placed.entry(key.clone()).or_insert_with(|| (file.to_owned(), line, column));
        }
        match self.sets.get_mut(&key) {
            None => {
                self.sets.insert(key, one);
            }
            Some(set) if alone && set.rdata != one.rdata => {
                return Err(format!("{} has a {} record already", one.name, one.rtype));
            }
            Some(set) => {
                for rdata in one.rdata {
                    set.insert(rdata);
                }
            }
        }
        Ok(())
    }

    /// RFC 1034 section 3.6.2: "If a CNAME RR is present at a node, no other data should be present"; signatures and
    /// proofs may (RFC 4035 section 2.5).
    fn check_aliases(&mut self) {
        let beside = |rtype: RecordType| {
            ![RecordType::CNAME, RecordType::RRSIG, RecordType::NSEC, RecordType(25)].contains(&rtype)
        };
        for ((owner, rtype), (file, line, column)) in &self.placed {
            let mut of_owner = self.sets.range((owner.clone(), RecordType(0))..=(owner.clone(), RecordType(u16::MAX)));
            if *rtype == RecordType::CNAME
                && let Some(((_, other), _)) = of_owner.find(|((_, other), _)| beside(*other))
            {
                self.faults.push(MasterFault {
                    file: file.clone(),
                    line: *line,
                    column: *column,
                    message: format!("{owner} has a CNAME record and {other} records: an alias stands alone"),
                });
            }
        }
    }
}

fn ttl_of<'t>(token: &Token<'t>) -> Result<u32, Wrong<'t>> {
    let ttl = duration_from_text(token.word.text).map_err(|message| (Some(*token), message))?;
    let wrong = || (Some(*token), format!("a TTL is at most {TTL_SECS_MAX} seconds"));
    if ttl > TTL_SECS_MAX { Err(wrong()) } else { Ok(ttl) }
}

#[cfg(test)]
mod tests;
