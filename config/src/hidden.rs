//! A file's text to be edited by somebody who is not shown its secrets: each is a place instead, and what is sent back with
//! the places in it has the secrets in it again.
//!
//! A secret is whatever stands behind the keys of secrets, in comments too, and the addresses of hooks, which often hold a
//! token. A place names its secret by 32 bits of a hash: so a table can be moved, renamed or copied with its secret, and it
//! never brings another secret than the one that was left out there, whatever has become of the file meanwhile.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::beside::AllFound;
use crate::fault::{Fault, Faults, Severity, Span, places_of_secrets};

const BEGIN: &str = "(left out";

/// The same for as long as a program runs, which is all that it has to be.
fn place(secret: &str) -> String {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    format!("{BEGIN}: {:08x})", hasher.finish() & 0xffff_ffff)
}

/// The text with a place for each secret.
#[must_use]
pub fn hidden(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for (_, Span { start, end }) in places_of_secrets(text) {
        shown.push_str(&text[at..start]);
        shown.push_str(&place(&text[start..end]));
        at = end;
    }
    shown + &text[at..]
}

/// A text whose places have their secrets again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The text as it is to be stored.
    pub text: String,
    /// The text as it was sent.
    shown: String,
    /// Where secrets stand in `text`, and their places in `shown`, in this order.
    swaps: Vec<(Span, Span)>,
}

/// Puts the secrets of `former` in the places of `shown`.
///
/// # Errors
/// A place that no secret belongs to: a fault for each, of the file `name` and with its place in `shown`.
pub fn restored(shown: &str, former: &str, name: &str) -> Result<Restored, Faults> {
    // A secret goes where a secret of its kind stands alone: in other places, and in faults about them, it would be shown.
    let secrets = places_of_secrets(former).into_iter().map(|(key, at)| (key, &former[at.start..at.end]));
    let secrets: BTreeMap<(&str, String), &str> = secrets.map(|(key, secret)| ((key, place(secret)), secret)).collect();
    let mut text = String::with_capacity(shown.len());
    let (mut swaps, mut faults, mut at) = (Vec::new(), Vec::new(), 0);
    for (key, span) in places_of_secrets(shown) {
        let written = &shown[span.start..span.end];
        text.push_str(&shown[at..span.start]);
        at = span.end;
        match secrets.get(&(key, written.to_owned())) {
            Some(secret) => {
                swaps.push((Span { start: text.len(), end: text.len() + secret.len() }, span));
                text.push_str(secret);
                continue;
            }
            None if written.starts_with(BEGIN) => faults.push(unknown(span)),
            None => {}
        }
        text.push_str(written);
    }
    text.push_str(&shown[at..]);
    if faults.is_empty() {
        Ok(Restored { text, shown: shown.to_owned(), swaps })
    } else {
        Err(Faults { file: name.to_owned(), list: faults })
    }
}

fn unknown(span: Span) -> Fault {
    Fault {
        severity: Severity::Fault,
        span,
        message: "no secret was left out by these words".to_owned(),
        label: "not known".to_owned(),
        mend: "write the secret itself, or what stands where it was left out".to_owned(),
        related: None,
    }
}

impl Restored {
    /// What was found in `text` as whoever sent it sees it: places and text are those of what was sent. `name` is the file's.
    #[must_use]
    pub fn told(&self, found: AllFound, name: &str) -> AllFound {
        let mut found = found;
        for one in found.0.iter_mut().filter(|one| one.faults.file == name && one.text == self.text) {
            for fault in &mut one.faults.list {
                fault.span = self.shown_span(fault.span);
                if let Some((span, _)) = &mut fault.related {
                    *span = self.shown_span(*span);
                }
            }
            one.text.clone_from(&self.shown);
        }
        found
    }

    fn shown_span(&self, span: Span) -> Span {
        let start = self.shown_at(span.start, |place| place.start);
        Span { start, end: self.shown_at(span.end, |place| place.end).max(start) }
    }

    /// Where this byte of the text is in what was sent; within a secret, at `edge` of its place.
    fn shown_at(&self, at: usize, edge: impl Fn(&Span) -> usize) -> usize {
        let (mut real, mut shown) = (0, 0);
        for (secret, place) in &self.swaps {
            if at < secret.start {
                break;
            }
            if at < secret.end {
                return edge(place);
            }
            (real, shown) = (secret.end, place.end);
        }
        shown + (at - real)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::beside::Found;
    use crate::fault::Position;

    const FILE: &str = "[[key]]\nname = \"a\"\nsecret = \"abc\" # one\n[[key]]\nname = \"b\"\n# secret = 'older'\nsecret = \
                        '''de\nf'''\nsecret_file = \"k\"\n[[hook]]\nurl = \"https://hooks.example/T0K3N\"\nevents = [1]\n";

    #[test]
    fn no_secret_is_shown_and_what_is_sent_back_has_them_all_again() {
        let shown = hidden(FILE);
        for secret in ["abc", "older", "de\nf", "T0K3N"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(
            shown.contains(&format!("secret = \"{}\" # one", place("abc"))) && shown.contains("secret_file = \"k\""),
            "{shown}"
        );
        assert_eq!(restored(&shown, FILE, "x").unwrap().text, FILE);
        // A table is moved and renamed, and another is taken out.
        let edited = format!("[[key]]\nname = \"c\"\nsecret = '''{}'''\n", place("de\nf"));
        assert_eq!(restored(&edited, FILE, "x").unwrap().text, "[[key]]\nname = \"c\"\nsecret = '''de\nf'''\n");
    }

    #[test]
    fn a_place_of_no_secret_is_a_fault_where_it_stands() {
        let of_another_kind = format!("token_hash = '{}'", place("abc"));
        for (text, column) in
            [("secret = \"(left out: 00000009)\"", 11), ("a = 1; secret = \"(left out)\"", 18), (&of_another_kind, 15)]
        {
            let faults = restored(&format!("[x]\n{text}\n"), FILE, "x.toml").unwrap_err();
            let told = faults.to_json(&format!("[x]\n{text}\n"));
            assert_eq!((&told[0]["line"], &told[0]["column"]), (&2.into(), &column.into()), "{told}");
        }
    }

    #[test]
    fn a_secret_is_brought_to_no_place_where_it_would_be_shown() {
        let sent = format!("# {0}\ndomain = \"{0}\"\n", place("abc"));
        assert_eq!(restored(&sent, FILE, "x").unwrap().text, sent);
    }

    #[test]
    fn faults_are_told_at_their_places_of_what_was_sent() {
        let (long, short) = (place("de\nf"), place("abc"));
        let sent = &format!("secret = '''{long}''' # x\nlast = 1\n{{ secret = \"{short}\", bad = 2 }}\n");
        let restored = restored(sent, FILE, "x").unwrap();
        for word in ["last", "bad", "# x"] {
            let start = restored.text.find(word).unwrap();
            let fault = Fault { span: Span { start, end: start + word.len() }, ..unknown(Span::default()) };
            let faults = Faults { file: "x".to_owned(), list: vec![fault] };
            let found = restored.told(AllFound(vec![Found { faults, text: restored.text.clone() }]), "x");
            let (told, text) = (found.0[0].faults.list[0].span, &found.0[0].text);
            assert_eq!((&text[told.start..told.end], text.as_str()), (word, sent.as_str()));
            assert_eq!(Position::of(text, told.start), Position::of(sent, sent.find(word).unwrap()));
        }
    }
}
