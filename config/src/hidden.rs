//! A file's text to be edited by somebody who is not shown its secrets: each is a place instead, and what is sent back with
//! the places in it has the secrets in it again.
//!
//! A secret is whatever stands behind the keys of secrets, in comments too, and the addresses of hooks, which often hold a
//! token. A place names its secret by 32 bits of a hash: so a table can be moved, renamed or copied with its secret, and it
//! never brings another secret than the one that was left out there, whatever has become of the file meanwhile. It brings it
//! to places of its kind alone: a text of a record or an option is shown to everybody.

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

/// The text with a place for each secret; none of one that is not TOML, whose secrets nobody can tell from the rest.
#[must_use]
pub fn hidden(text: &str) -> Option<String> {
    let (places, true) = places_of_secrets(text) else { return None };
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for (_, Span { start, end }) in places {
        shown.push_str(&text[at..start]);
        shown.push_str(&place(&text[start..end]));
        at = end;
    }
    Some(shown + &text[at..])
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
/// A place that no secret belongs to, and one where its secret would be shown: a fault for each, of the file `name` and with
/// its place in `shown`.
pub fn restored(shown: &str, former: &str, name: &str) -> Result<Restored, Faults> {
    // A secret goes where a secret of its kind stands alone: in other places, and in faults about them, it would be shown.
    let secrets = places_of_secrets(former).0.into_iter().map(|(key, at)| (key, &former[at.start..at.end]));
    let secrets: BTreeMap<(&str, String), &str> = secrets.map(|(key, secret)| ((key, place(secret)), secret)).collect();
    let mut text = String::with_capacity(shown.len());
    let (mut swaps, mut keys, mut faults, mut at) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (places, is_whole) = places_of_secrets(shown);
    for (key, span) in places {
        let written = &shown[span.start..span.end];
        text.push_str(&shown[at..span.start]);
        at = span.end;
        match secrets.get(&(key, written.to_owned())) {
            Some(secret) => {
                swaps.push((Span { start: text.len(), end: text.len() + secret.len() }, span));
                keys.push(key);
                text.push_str(secret);
                continue;
            }
            None if written.starts_with(BEGIN) => faults.push(unknown(span)),
            None => {}
        }
        text.push_str(written);
    }
    text.push_str(&shown[at..]);
    // A secret with a quote in it, between other quotes than before, is another document than what was sent.
    let stand = places_of_secrets(&text).0;
    let fits = |(key, real): (&&'static str, Span)| stand.contains(&(*key, real));
    faults.extend(
        keys.iter().zip(&swaps).filter(|(key, (real, _))| !fits((key, *real))).map(|(_, swap)| misplaced(swap.1)),
    );
    // What could not be read is not stored; what could is not stored with words where a secret was.
    for ((_, words), _) in secrets.iter().filter(|_| is_whole) {
        let all = shown.match_indices(words).map(|(start, _)| Span { start, end: start + words.len() });
        let is_known = |at: &Span| swaps.iter().any(|(_, place)| place.start <= at.start && at.end <= place.end);
        faults.extend(all.filter(|at| !is_known(at)).map(misplaced));
    }
    faults.sort_by_key(|fault| fault.span);
    faults.dedup_by_key(|fault| fault.span);
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

fn misplaced(span: Span) -> Fault {
    Fault {
        message: "the secret that was left out by these words does not belong here".to_owned(),
        label: "not its place".to_owned(),
        mend: "write these words behind the key that they were left out of".to_owned(),
        ..unknown(span)
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
        let shown = hidden(FILE).unwrap();
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
        for (table, text, column) in [
            ("[[key]]", "secret = \"(left out: 00000009)\"", 11),
            ("[[key]]", "a = 1\n# secret = \"(left out)\"", 13),
            ("[[web.token]]", &of_another_kind, 15),
        ] {
            let sent = format!("{table}\n{text}\n");
            let told = restored(&sent, FILE, "x.toml").unwrap_err().to_json(&sent);
            let line = sent.lines().count();
            assert_eq!((&told[0]["line"], &told[0]["column"]), (&line.into(), &column.into()), "{told}");
        }
    }

    #[test]
    fn a_secret_is_brought_to_no_place_where_it_would_be_shown() {
        let words = place("abc");
        for sent in [
            format!("domain = \"{words}\"\n"),
            format!("# {words}\n"),
            format!("[[record]]\nzone = \"lan\"\ntype = \"TXT\"\ndata = \"secret = '{words}'\"\n"),
            format!("[[record]]\ndata = \"\"\"\nsecret = '{words}'\n\"\"\"\n"),
            format!("[[record]]\ndata = \"\"\"\n# secret = '{words}'\n\"\"\"\n"),
            format!("[dhcp.options]\nsecret = \"{words}\"\n"),
            format!("['secret = \"{words}\"']\n"),
        ] {
            let faults = restored(&sent, FILE, "x").unwrap_err().list;
            let at = sent.find(&words).unwrap();
            let spans: Vec<Span> = faults.iter().map(|fault| fault.span).collect();
            assert_eq!(spans, [Span { start: at, end: at + words.len() }], "{sent}");
        }
        // Nor where it ends a text before its end, and would be a key and a value of its own.
        let former = "[[key]]\nsecret = '''a\"\nname = \"b'''\n";
        let sent = format!("[[key]]\nsecret = \"{}\"\n", place("a\"\nname = \"b"));
        assert_eq!(restored(&sent, former, "x").unwrap_err().list.len(), 1);
    }

    #[test]
    fn a_text_that_only_looks_like_a_secret_is_shown_and_kept() {
        let text = "[[record]]\ndata = \"secret = 'public'\"\n[dhcp.options]\nsecret = 5 # five\n";
        let shown = hidden(text).unwrap();
        assert!(shown.contains("secret = 'public'") && shown.contains("# five"), "{shown}");
        assert_eq!(restored(&shown, text, "x").unwrap().text, text);
    }

    #[test]
    fn what_is_not_toml_is_not_shown_and_its_secrets_are_not_brought_elsewhere() {
        assert_eq!(hidden(&format!("{FILE}name = \"lan\nupstreams = [\"https://dns.example/\"]\n")), None);
        // In the middle of typing.
        let sent = format!("[[record]]\ndata = \"secret = '{}'\"\nx = \n", place("abc"));
        assert_eq!(restored(&sent, FILE, "x").unwrap().text, sent);
    }

    #[test]
    fn faults_are_told_at_their_places_of_what_was_sent() {
        let (long, short) = (place("de\nf"), place("abc"));
        let sent =
            &format!("key = [{{ secret = '''{long}''', # x\nlast = 1 }},\n{{ secret = \"{short}\", bad = 2 }}]\n");
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
