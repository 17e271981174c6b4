//! What is wrong with a file: where, what, and how to mend it. Drawn for people by miette, or given as JSON.

use std::fmt;
use std::ops::Range;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, ThemeCharacters, ThemeStyles};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;

/// A stretch of the file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end.max(range.start) }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Fault,
    /// The file is taken; this is probably not what was meant.
    Warning,
}

/// One thing wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether the file is refused for it.
    pub severity: Severity,
    /// The text that is underlined.
    pub span: Span,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What stands beside the underlined text: a few words.
    pub label: String,
    /// What to write instead.
    pub mend: String,
    /// Another place that it has to do with, and a few words about it.
    pub related: Option<(Span, String)>,
}

/// All that was found in one file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Faults {
    /// The file's name, as it was given.
    pub file: String,
    /// What was found, sorted by place.
    pub list: Vec<Fault>,
}

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Position {
    /// Where the byte `offset` of `source` is; the end of the text for an offset beyond it.
    #[must_use]
    pub fn of(source: &str, offset: usize) -> Self {
        let mut end = offset.min(source.len());
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        let before = &source[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl Faults {
    /// Whether nothing at all was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the file is refused.
    #[must_use]
    pub fn refuse(&self) -> bool {
        self.list.iter().any(|fault| fault.severity == Severity::Fault)
    }

    /// How many of them refuse the file, and how many are only warnings.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let faults = self.list.iter().filter(|fault| fault.severity == Severity::Fault).count();
        (faults, self.list.len() - faults)
    }

    /// As JSON, for editors and scripts: an array of objects with `severity`, `file`, `line`, `column`, `end_line`,
    /// `end_column`, `text`, `message`, `label` and `mend`. Lines and columns count from 1; the end is exclusive.
    #[must_use]
    pub fn to_json(&self, source: &str) -> serde_json::Value {
        self.list.iter().map(|fault| fault_to_json(fault, &self.file, source)).collect()
    }
}

fn fault_to_json(fault: &Fault, file: &str, source: &str) -> serde_json::Value {
    let (start, end) = (Position::of(source, fault.span.start), Position::of(source, fault.span.end));
    serde_json::json!({
        "severity": match fault.severity { Severity::Fault => "fault", Severity::Warning => "warning" },
        "file": file,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "text": source.get(fault.span.start..fault.span.end).unwrap_or_default(),
        "message": fault.message,
        "label": fault.label,
        "mend": fault.mend,
    })
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (faults, warnings) = self.count();
        let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        match (faults, warnings) {
            (0, warnings) => write!(f, "{}: {}", self.file, plural(warnings, "warning")),
            (faults, 0) => write!(f, "{}: {}", self.file, plural(faults, "fault")),
            (faults, warnings) => {
                write!(f, "{}: {}, {}", self.file, plural(faults, "fault"), plural(warnings, "warning"))
            }
        }
    }
}

impl std::error::Error for Faults {}

/// Draws all of `faults` for a terminal: file, line and column, the text underlined, the mend beneath; then how
/// many there are. `source` is the text that was checked.
#[must_use]
pub fn render(faults: &Faults, source: &str, color: bool) -> String {
    let styles = if color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(110).with_context_lines(1);
    let named = NamedSource::new(&faults.file, without_secrets(source));
    let mut out = String::new();
    for fault in &faults.list {
        let drawn = Drawn { fault, source: &named };
        // Writing to a String cannot fail; a span outside the source is drawn without its text.
        let _ = handler.render_report(&mut out, &drawn);
        out.push('\n');
    }
    if !faults.is_empty() {
        out.push_str(&format!("{faults}\n"));
    }
    out
}

/// Keys whose values nobody is shown.
const SECRETS: [&str; 3] = ["secret", "password_hash", "token_hash"];

/// The text with every value of a secret in stars, each of its bytes one: what is drawn ends in logs and in questions to
/// others.
pub(crate) fn without_secrets(source: &str) -> String {
    let mut bytes = source.as_bytes().to_vec();
    for (_, Span { start, end }) in secret_values(source) {
        for byte in bytes.iter_mut().take(end).skip(start).filter(|byte| **byte != b'\n') {
            *byte = b'*';
        }
    }
    // Whole characters became stars.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where the values of secrets stand, in comments too, without their quotes, each with its key.
fn secret_values(source: &str) -> impl Iterator<Item = (&'static str, Span)> + '_ {
    SECRETS.into_iter().flat_map(|word| source.match_indices(word).map(move |(at, _)| (word, at))).filter_map(
        |(word, at)| {
            let rest = &source[at + word.len()..];
            let value = rest.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
            let value = value.strip_prefix('=')?.trim_start_matches([' ', '\t']);
            let start = source.len() - value.len();
            let (quotes, end) = inside(value);
            Some((word, Span { start: start + quotes, end: start + end }))
        },
    )
}

/// Values that nobody is shown, by the keys that lead to them.
const PLACES: [&[&str]; 5] = [
    &["key", "secret"],
    &["hook", "secret"],
    &["hook", "url"],
    &["web", "user", "password_hash"],
    &["web", "token", "token_hash"],
];
/// What the key of a secret is called where no secret belongs.
pub(crate) const STRAY: &str = "";

/// Where values stand that nobody is shown, each with its key: those of secrets, in comments too, and the addresses of
/// hooks. In their order, none of them empty and no two at one place. And whether the whole text could be read: what could
/// not may hold others.
///
/// They are found in the document and not by their words: a text of another key, which everybody may be shown, can have
/// the words of a key and its value in it.
pub(crate) fn places_of_secrets(source: &str) -> (Vec<(&'static str, Span)>, bool) {
    let (document, faults) = DeTable::parse_recoverable(source);
    let mut places = Vec::new();
    places_in(document.get_ref(), &mut Vec::new(), source, &mut places);
    places.extend(secrets_of_comments(source));
    places.retain(|(_, span)| span.start < span.end);
    places.sort_by_key(|(_, span)| *span);
    let mut end = 0;
    places.retain(|(_, place)| {
        let is_apart = place.start >= end;
        end = end.max(place.end);
        is_apart
    });
    (places, faults.is_empty())
}

fn places_in<'d>(
    table: &'d DeTable<'_>,
    above: &mut Vec<&'d str>,
    source: &str,
    places: &mut Vec<(&'static str, Span)>,
) {
    for (key, value) in table {
        above.push(key.get_ref());
        places_at(value, above, source, places);
        above.pop();
    }
}

/// Items of a list have the keys of the list.
fn places_at<'d>(
    value: &'d Spanned<DeValue<'_>>,
    keys: &mut Vec<&'d str>,
    source: &str,
    places: &mut Vec<(&'static str, Span)>,
) {
    match value.get_ref() {
        DeValue::Table(table) => places_in(table, keys, source, places),
        DeValue::Array(list) => list.iter().for_each(|value| places_at(value, keys, source, places)),
        scalar => {
            let known = PLACES.iter().find(|place| ***place == keys[..]).and_then(|place| place.last().copied());
            let stray = || keys.last().filter(|key| SECRETS.contains(key)).map(|_| STRAY);
            let Some(key) = known.or_else(stray) else { return };
            let Range { start, end } = value.span();
            let (begin, end) = if scalar.is_str() { inside(&source[start..end]) } else { (0, end - start) };
            places.push((key, Span { start: start + begin, end: start + end }));
        }
    }
}

/// Where secrets stand in comments, each with its key.
pub(crate) fn secrets_of_comments(source: &str) -> impl Iterator<Item = (&'static str, Span)> + '_ {
    let tokens = toml_parser::Source::new(source).lex();
    let comments = tokens.filter(|token| token.kind() == TokenKind::Comment).map(|token| token.span());
    comments.flat_map(|comment| {
        secret_values(&source[comment.start()..comment.end()]).map(move |(key, Span { start, end })| {
            (key, Span { start: comment.start() + start, end: comment.start() + end })
        })
    })
}

/// Where the text of a value begins and ends. What is not a string, or has no end, goes to the end of its line.
fn inside(value: &str) -> (usize, usize) {
    let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| value.starts_with(quote)) else {
        return (0, value.find('\n').unwrap_or(value.len()));
    };
    let begin = quote.len();
    let mut at = begin;
    while let Some(next) = value[at..].chars().next() {
        match next {
            _ if value[at..].starts_with(quote) => return (begin, at),
            '\n' if begin == 1 => return (begin, at),
            // An escaped quote ends nothing. Between single quotes nothing is escaped.
            '\\' if quote.starts_with('"') => at += 1 + value[at + 1..].chars().next().map_or(0, char::len_utf8),
            _ => at += next.len_utf8(),
        }
    }
    (begin, value.len())
}

/// The text with the addresses of hooks in stars but for their hosts: passwords and tokens stand before those and behind.
pub(crate) fn without_addresses(source: &str) -> String {
    let places = address_values(source);
    let mut bytes = source.as_bytes().to_vec();
    for start in places {
        let value = &source[start..];
        let (begin, end) = inside(value);
        let address = &value[begin..end];
        let mut stars = |from: usize, to: usize| {
            let part = bytes.iter_mut().take(start + begin + to).skip(start + begin + from);
            part.filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
        };
        // With an escape in it, its parts are not what they look like.
        let Some(authority) = address.find("://").map(|at| at + 3).filter(|_| !address.contains('\\')) else {
            stars(0, address.len());
            continue;
        };
        let tail = address[authority..].find(['/', '?', '#']).map_or(address.len(), |length| authority + length);
        if let Some(user) = address[authority..tail].rfind('@') {
            stars(authority, authority + user);
        }
        stars((tail + 1).min(address.len()), address.len());
    }
    // Whole characters became stars.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where the values begin that are addresses of hooks.
fn address_values(source: &str) -> Vec<usize> {
    let (document, faults) = DeTable::parse_recoverable(source);
    let hooks = document.get_ref().get("hook").and_then(|hooks| hooks.get_ref().as_array());
    let urls = hooks.into_iter().flatten().filter_map(|hook| hook.get_ref().as_table()?.get("url"));
    let mut places: Vec<usize> = urls.map(|url| url.span().start).collect();
    if !faults.is_empty() {
        // What cannot be read may hold others, and any address may be one.
        places.extend(source.match_indices("://").map(|(at, _)| {
            let line = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
            source[..at].rfind(['"', '\'']).unwrap_or(line).max(line)
        }));
    }
    places
}

/// One fault as miette wants to see it.
#[derive(Debug)]
struct Drawn<'a> {
    fault: &'a Fault,
    source: &'a NamedSource<String>,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.fault.severity {
            Severity::Fault => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.fault.mend.is_empty()).then(|| Box::new(&self.fault.mend) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Span { start, end } = self.fault.span;
        let primary = LabeledSpan::new_primary_with_span(Some(self.fault.label.clone()), start..end);
        let related = self
            .fault
            .related
            .iter()
            .map(|(span, text)| LabeledSpan::new_with_span(Some(text.clone()), span.start..span.end));
        Some(Box::new(std::iter::once(primary).chain(related)))
    }
}

/// Collects what is found while a file is checked, so that one run reports all of it.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Fault>,
    /// Lines that are not TOML, and what is wrong with each. With any, the rest was read as well as it could be: what
    /// seems to be absent may well be there.
    syntax: Vec<(usize, Fault)>,
    /// Tables that lost a key to a fault of its own: what they lack is not worth a second one.
    lost_a_key: Vec<Span>,
}

impl Findings {
    /// The file is refused: `message` is what is wrong, `label` stands beside the text, `mend` says what to write.
    pub(crate) fn fault(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        mend: impl Into<String>,
    ) -> &mut Fault {
        self.push(Severity::Fault, span, message.into(), label.into(), mend.into())
    }

    /// As [`Findings::fault`], for something that ought to be in the file and is not. Not reported when part of the
    /// file, or of the table at `span`, could not be read.
    pub(crate) fn absent(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        mend: impl Into<String>,
    ) {
        if !self.is_partial() && !self.has_lost_a_key(span) {
            self.fault(span, message, label, mend);
        }
    }

    /// A key of the table at `table` has a fault of its own, and was left out.
    pub(crate) fn set_lost_a_key(&mut self, table: Span) {
        self.lost_a_key.push(table);
    }

    /// Whether a key of the table at `table` was left out.
    pub(crate) fn has_lost_a_key(&self, table: Span) -> bool {
        self.lost_a_key.contains(&table)
    }

    /// Line `line` is not TOML. One fault a line: the parser goes on, and often stumbles again over the same one.
    pub(crate) fn syntax(&mut self, line: usize, fault: Fault) {
        if !self.syntax.iter().any(|(known, _)| *known == line) {
            self.syntax.push((line, fault));
        }
    }

    /// Whether the text could be read only in part.
    pub(crate) fn is_partial(&self) -> bool {
        !self.syntax.is_empty()
    }

    /// The file is taken all the same.
    pub(crate) fn warn(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        mend: impl Into<String>,
    ) -> &mut Fault {
        self.push(Severity::Warning, span, message.into(), label.into(), mend.into())
    }

    fn push(&mut self, severity: Severity, span: Span, message: String, label: String, mend: String) -> &mut Fault {
        let at = self.list.len();
        self.list.push(Fault { severity, span, message, label, mend, related: None });
        &mut self.list[at]
    }

    /// Whether anything found so far refuses the file.
    pub(crate) fn refuses(&self) -> bool {
        self.is_partial() || self.list.iter().any(|fault| fault.severity == Severity::Fault)
    }

    /// All of it, in the order of the file `text`.
    pub(crate) fn into_faults(mut self, file: &str, text: &str) -> Faults {
        if self.is_partial() {
            // On a line that is not TOML nothing else is certain, and doubts can wait until the file can be read.
            let broken = |fault: &Fault| {
                let line = Position::of(text, fault.span.start).line;
                self.syntax.iter().any(|(known, _)| *known == line)
            };
            self.list.retain(|fault| fault.severity == Severity::Fault && !broken(fault));
            self.list.extend(self.syntax.into_iter().map(|(_, fault)| fault));
        }
        self.list.sort_by(|one, other| (one.span, &one.message).cmp(&(other.span, &other.message)));
        // A default of [dhcp] or [ddns] is looked at once for each subnet that takes it.
        self.list.dedup();
        Faults { file: file.to_owned(), list: self.list }
    }
}

impl Fault {
    /// Points to another place in the file as well.
    pub(crate) fn see(&mut self, span: Span, text: impl Into<String>) {
        self.related = Some((span, text.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_with_the_other_quote_is_left_out_whole() {
        for (written, shown) in [
            (r#"secret = "a'bc" # c"#, r#"secret = "****" # c"#),
            (r#"secret = 'a"bc' # c"#, r#"secret = '****' # c"#),
            (r#"secret = "a\"b'c" # c"#, r#"secret = "******" # c"#),
            (r#"secret = 'ab\' # c"#, r#"secret = '***' # c"#),
            (r#"secret = "a\é" # c"#, r#"secret = "****" # c"#),
            ("secret = \"\"\"a\"b'\nc\"\"\" # c", "secret = \"\"\"****\n*\"\"\" # c"),
            ("secret = '''a'b''' # c", "secret = '''***''' # c"),
            ("secret = \"ab\nname = \"n\"", "secret = \"**\nname = \"n\""),
            ("secret = \"\" # c", "secret = \"\" # c"),
        ] {
            assert_eq!(without_secrets(written), shown);
        }
    }

    #[test]
    fn addresses_of_hooks_are_left_out_of_an_export() {
        for (url, shown) in [
            ("https://user:pass@h.example:8443/t/abc?token=x", "https://*********@h.example:8443/*************"),
            ("http://h.example?token=x", "http://h.example?*******"),
            ("http://h.example/", "http://h.example/"),
            ("http://h.example", "http://h.example"),
            (r"http://me\u0040h.example/", "*************************"),
        ] {
            let text = |url: &str| format!("[[block]]\nurl = \"https://l.example/list\"\n[[hook]]\nurl = \"{url}\"\n");
            assert_eq!(crate::without_secrets(&text(url)), text(shown));
            let inline = |url: &str| format!("hook = [{{ name = 'it', url = \"{url}\" }}]");
            assert_eq!(crate::without_secrets(&inline(url)), inline(shown));
        }
        let broken = "[[hook]\nurl = \"https://h.example/t/abc\"\n# http://u:p@h.example";
        assert_eq!(without_addresses(broken), "[[hook]\nurl = \"https://h.example/*****\"\n# http://***@h.example");
    }
}
