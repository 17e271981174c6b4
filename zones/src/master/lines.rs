//! The text of a master file as lines of words, each with its place.
//!
//! RFC 1035 section 5.1: words between blanks, `"` around words with blanks, `(` and `)` to go on over the end of a line,
//! `;` before a comment, a backslash before a character that shall not mean anything.

use dns::text::Word;

/// A word and where it begins, both from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'t> {
    /// The word.
    pub word: Word<'t>,
    /// Its line.
    pub line: usize,
    /// Its column.
    pub column: usize,
}

/// One entry: a line, or several that parentheses join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line<'t> {
    /// Its words, at least one.
    pub tokens: Vec<Token<'t>>,
    /// Whether it begins with a blank: its owner is that of the line before.
    pub blank_first: bool,
    /// Where it ends.
    pub end: (usize, usize),
}

/// The lines of a text; what cannot be cut into words is given with its place.
#[derive(Clone, Debug)]
pub struct Lines<'t> {
    text: &'t str,
    /// The next octet.
    at: usize,
    line: usize,
    /// Where the present line begins.
    line_at: usize,
}

impl<'t> Lines<'t> {
    /// From the beginning.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1, line_at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn column(&self, at: usize) -> usize {
        self.text.get(self.line_at..at).map_or(1, |before| before.chars().count() + 1)
    }

    /// Takes the end of a line.
    fn end_line(&mut self) {
        self.at += 1;
        self.line += 1;
        self.line_at = self.at;
    }

    fn skip_to_end(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn token(&self, from: usize, to: usize, quoted: bool) -> Token<'t> {
        let text = self.text.get(from..to).unwrap_or_default();
        Token { word: Word { text, quoted }, line: self.line, column: self.column(from) }
    }

    /// Past an escaped character: its first octet does, since the others of one in UTF-8 mean nothing here.
    fn skip_escape(&mut self) {
        self.at += 1;
        if self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// What stands in quotes; the opening one is next.
    fn quoted(&mut self) -> Result<Token<'t>, (Token<'t>, String)> {
        let opened = self.at;
        self.at += 1;
        let from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.skip_escape(),
                Some(b'\n') | None => {
                    return Err((
                        self.token(opened, opened + 1, false),
                        "the quotes are not closed in this line".to_owned(),
                    ));
                }
                Some(_) => self.at += 1,
            }
        }
        let mut token = self.token(from, self.at, true);
        token.column = self.column(opened);
        self.at += 1;
        Ok(token)
    }

    /// A word without quotes; in `key="a b"` (RFC 9460 section 2.1) it goes on to the closing quote.
    fn plain(&mut self) -> Result<Token<'t>, (Token<'t>, String)> {
        let from = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' => break,
                b'"' if self.at > from && self.text.as_bytes()[self.at - 1] == b'=' => {
                    self.quoted()?;
                }
                b'"' => break,
                b'\\' => self.skip_escape(),
                _ => self.at += 1,
            }
        }
        Ok(self.token(from, self.at, false))
    }

    fn read_line(&mut self) -> Result<Line<'t>, (Token<'t>, String)> {
        let mut line = Line { blank_first: matches!(self.peek(), Some(b' ' | b'\t')), ..Line::default() };
        let mut opened: Option<Token<'t>> = None;
        loop {
            let Some(byte) = self.peek() else {
                line.end = (self.line, self.column(self.at));
                return opened.map_or(Ok(line), |token| Err((token, "the parenthesis is not closed".to_owned())));
            };
            match byte {
                b'\n' if opened.is_none() => {
                    line.end = (self.line, self.column(self.at));
                    self.end_line();
                    return Ok(line);
                }
                b'\n' => self.end_line(),
                b' ' | b'\t' | b'\r' => self.at += 1,
                b';' => self.skip_to_end(),
                b'(' | b')' => {
                    let token = self.token(self.at, self.at + 1, false);
                    self.at += 1;
                    opened = match (byte, opened) {
                        (b'(', None) => Some(token),
                        (b')', Some(_)) => None,
                        (b'(', _) => return Err((token, "parentheses do not stand in parentheses".to_owned())),
                        _ => return Err((token, "no parenthesis is open here".to_owned())),
                    };
                }
                b'"' => line.tokens.push(self.quoted()?),
                _ => line.tokens.push(self.plain()?),
            }
        }
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Result<Line<'t>, (Token<'t>, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.text.len() {
            match self.read_line() {
                Ok(line) if line.tokens.is_empty() => {}
                Ok(line) => return Some(Ok(line)),
                Err(error) => {
                    // On with the next line, so that one mistake hides no other.
                    self.skip_to_end();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
