//! Record data as people write it (RFC 1035 section 5.1, and for each type the RFC that made it).
//!
//! [`rdata_from_words`] reads the words of one record, already cut apart. Types are a table of fields, as in
//! [`rdata`](crate::rdata); RFC 3597's `\# length hex` is read for every type. Hickory's reader takes the parameters of
//! SVCB and HTTPS; of the other types it knows it lacks DNAME, the types of DNSSEC and those that no table of it names,
//! and it does not say which word is wrong.

mod encoded;
mod location;
mod numbers;

use crate::wire::svcb_from_text;
use crate::{Fqdn, NameError, Rdata, RecordType};

pub use numbers::duration_from_text;

/// One word of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// As written, without the quotes around it; escapes are as written.
    pub text: &'t str,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// Why some words are not the data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextError {
    /// Which word is wrong; as many as there are words, when one is missing.
    pub word: usize,
    /// What is wrong, in words.
    pub message: String,
}

/// What follows what in the text of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// A name, relative to the origin unless it ends with a dot.
    Name,
    U8,
    U16,
    U32,
    /// Seconds, also with units (`1h30m`), in 32 bits.
    Seconds,
    /// Dotted quad.
    V4,
    /// RFC 4291 text.
    V6,
    /// One character string.
    Text,
    /// One or more character strings.
    Texts,
    /// One text without a length octet, as long as it is.
    Plain,
    /// The property's name of a CAA record: a character string of letters and digits.
    Tag,
    /// Hexadecimal digits up to the end.
    Hex,
    /// Base64 up to the end.
    Base64,
    /// A length octet and octets in hexadecimal; `-` for none.
    Salt,
    /// A length octet and octets in base32hex.
    Hash,
    /// Types up to the end, as a bitmap (RFC 4034 section 4.1.2).
    Types,
    /// One type.
    Type,
    /// A number or mnemonic of DNSSEC algorithms.
    Algorithm,
    /// A number or mnemonic of certificate types (RFC 4398 section 2.1).
    Certificate,
    /// `YYYYMMDDHHmmSS`, or seconds (RFC 4034 section 3.2).
    Time,
    /// So many octets in hexadecimal, between hyphens (RFC 7043).
    Eui(usize),
    /// Four groups of hexadecimal digits between colons (RFC 6742).
    Locator64,
    /// RFC 1876 section 3.
    Location,
}

/// The fields of `rtype`'s text, `None` for a type that is written in RFC 3597's form alone.
fn fields(rtype: RecordType) -> Option<&'static [Field]> {
    use Field::{
        Algorithm, Base64, Certificate, Eui, Hash, Hex, Location, Locator64, Name, Plain, Salt, Seconds, Tag, Text,
        Texts, Time, Type, Types, U8, U16, U32, V4, V6,
    };
    Some(match rtype.0 {
        1 => &[V4],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME.
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 39 => &[Name],
        6 => &[Name, Name, U32, Seconds, Seconds, Seconds, Seconds],
        // HINFO.
        13 => &[Text, Text],
        // MINFO, RP.
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX, LP.
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        // TXT, ISDN, SPF, and what is registered in TXT's form: NINFO, AVC, WALLET.
        16 | 20 | 56 | 99 | 258 | 262 => &[Texts],
        // X25.
        19 => &[Text],
        // KEY, DNSKEY, CDNSKEY, RKEY.
        25 | 48 | 57 | 60 => &[U16, U8, Algorithm, Base64],
        // PX.
        26 => &[U16, Name, Name],
        28 => &[V6],
        29 => &[Location],
        33 => &[U16, U16, U16, Name],
        // NAPTR.
        35 => &[U16, U16, Text, Text, Text, Name],
        37 => &[Certificate, U16, Algorithm, Base64],
        // DS, CDS, DLV, TA.
        43 | 59 | 32768 | 32769 => &[U16, Algorithm, U8, Hex],
        // SSHFP.
        44 => &[U8, U8, Hex],
        // SIG, RRSIG.
        24 | 46 => &[Type, Algorithm, U8, U32, Time, Time, U16, Name, Base64],
        // NSEC.
        47 => &[Name, Types],
        // DHCID, OPENPGPKEY.
        49 | 61 => &[Base64],
        // NSEC3.
        50 => &[U8, U8, U16, Salt, Hash, Types],
        // NSEC3PARAM.
        51 => &[U8, U8, U16, Salt],
        // TLSA, SMIMEA.
        52 | 53 => &[U8, U8, U8, Hex],
        // TALINK.
        58 => &[Name, Name],
        // CSYNC.
        62 => &[U32, U16, Types],
        // ZONEMD.
        63 => &[U32, U8, U8, Hex],
        // NID, L32, L64.
        104 | 106 => &[U16, Locator64],
        105 => &[U16, V4],
        108 => &[Eui(6)],
        109 => &[Eui(8)],
        // URI.
        256 => &[U16, U16, Plain],
        // CAA.
        257 => &[U8, Tag, Plain],
        _ => return None,
    })
}

/// Reads the data of a record from its words; names without a final dot are relative to `origin`.
///
/// # Errors
/// [`TextError`], with the word that is wrong.
pub fn rdata_from_words(rtype: RecordType, words: &[Word<'_>], origin: &Fqdn) -> Result<Rdata, TextError> {
    let octets = match words {
        [Word { text: "\\#", quoted: false }, ..] => generic(words)?,
        // SVCB and HTTPS (RFC 9460 section 2.1).
        [_, target, ..] if matches!(rtype.0, 64 | 65) => {
            let target = name(target.text, origin).map_err(|message| TextError { word: 1, message })?;
            return svcb_from_text(rtype, words, &target).map_err(|message| TextError { word: 2, message });
        }
        _ => {
            let fields = fields(rtype).ok_or_else(|| TextError {
                word: 0,
                message: format!("{rtype} data is written as `\\# length hex` (RFC 3597)"),
            })?;
            let mut reader = Reader { words, at: 0, origin, octets: Vec::with_capacity(64) };
            for field in fields {
                reader.read(*field)?;
            }
            if reader.at < words.len() {
                return Err(reader.wrong("nothing more belongs here"));
            }
            reader.octets
        }
    };
    Rdata::from_wire(rtype, &octets)
        .map_err(|error| TextError { word: 0, message: format!("this is not {rtype} data: {error}") })
}

/// RFC 3597 section 5: `\#`, the length, and so many octets in hexadecimal.
fn generic(words: &[Word<'_>]) -> Result<Vec<u8>, TextError> {
    let wrong = |word: usize, message: String| TextError { word, message };
    let length = words.get(1).and_then(|word| word.text.parse::<u16>().ok());
    let length = length.ok_or_else(|| wrong(1, "after \\# stands the length in octets".to_owned()))?;
    let octets = encoded::hex(words.get(2..).unwrap_or_default()).map_err(|(at, message)| wrong(2 + at, message))?;
    if octets.len() != usize::from(length) {
        return Err(wrong(1, format!("{length} octets are promised, and {} are here", octets.len())));
    }
    Ok(octets)
}

/// A name, absolute or relative to `origin`; `@` is the origin.
///
/// # Errors
/// What is wrong with it, in words.
pub fn name(text: &str, origin: &Fqdn) -> Result<Fqdn, String> {
    if text == "@" {
        return Ok(origin.clone());
    }
    let wrong = |error: NameError| format!("`{text}` is not a name: {error}");
    let name: Fqdn = text.parse().map_err(wrong)?;
    if is_absolute(text) { Ok(name) } else { name.concat(origin).map_err(wrong) }
}

/// Whether the name ends with a dot that no backslash makes a part of its last label.
fn is_absolute(text: &str) -> bool {
    let Some(stem) = text.strip_suffix('.') else { return false };
    let backslashes = stem.bytes().rev().take_while(|byte| *byte == b'\\').count();
    backslashes % 2 == 0
}

/// The octets of a character string: `\DDD` and `\X` resolved (RFC 1035 section 5.1).
///
/// # Errors
/// What is wrong with it, in words.
pub fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            octets.push(byte);
            continue;
        }
        let (octet, used) = match rest {
            [a, b, c, ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
                let value = [a, b, c].iter().fold(0_u16, |value, digit| value * 10 + u16::from(**digit - b'0'));
                (u8::try_from(value).map_err(|_| format!("\\{value} is no octet: 255 is the last"))?, 3)
            }
            [digit, ..] if digit.is_ascii_digit() => return Err("a backslash takes three digits".to_owned()),
            [other, ..] => (*other, 1),
            [] => return Err("nothing follows the backslash".to_owned()),
        };
        octets.push(octet);
        rest = &rest[used..];
    }
    Ok(octets)
}

/// The words of one record, and the octets that they came to so far.
struct Reader<'w> {
    words: &'w [Word<'w>],
    at: usize,
    origin: &'w Fqdn,
    octets: Vec<u8>,
}

impl<'w> Reader<'w> {
    fn wrong(&self, message: impl Into<String>) -> TextError {
        TextError { word: self.at, message: message.into() }
    }

    /// The next word, `what` being said where there is none.
    fn word(&mut self, what: &str) -> Result<&'w str, TextError> {
        let word = self.words.get(self.at).ok_or_else(|| self.wrong(format!("{what} is missing")))?;
        Ok(word.text)
    }

    /// Takes the next word as `read` makes octets of it.
    fn take(&mut self, what: &str, read: impl FnOnce(&str) -> Result<Vec<u8>, String>) -> Result<(), TextError> {
        let word = self.word(what)?;
        let octets = read(word).map_err(|message| self.wrong(message))?;
        self.octets.extend(octets);
        self.at += 1;
        Ok(())
    }

    /// Takes the words that are left.
    fn take_all(
        &mut self,
        read: impl FnOnce(&[Word<'_>]) -> Result<Vec<u8>, (usize, String)>,
    ) -> Result<(), TextError> {
        let octets =
            read(&self.words[self.at..]).map_err(|(word, message)| TextError { word: self.at + word, message })?;
        self.octets.extend(octets);
        self.at = self.words.len();
        Ok(())
    }

    fn read(&mut self, field: Field) -> Result<(), TextError> {
        let origin = self.origin;
        match field {
            Field::Name => self.take("a name", |text| Ok(name(text, origin)?.as_wire().to_vec())),
            Field::U8 => self.take("a number", |text| numbers::whole(text, u8::MAX.into(), 1)),
            Field::U16 => self.take("a number", |text| numbers::whole(text, u16::MAX.into(), 2)),
            Field::U32 => self.take("a number", |text| numbers::whole(text, u32::MAX, 4)),
            Field::Seconds => self.take("a time", |text| Ok(duration_from_text(text)?.to_be_bytes().to_vec())),
            Field::V4 => self.take("an IPv4 address", numbers::v4),
            Field::V6 => self.take("an IPv6 address", numbers::v6),
            Field::Text => self.take("a text", encoded::character_string),
            Field::Tag => self.take("the property's name", encoded::tag),
            Field::Plain => self.take("a text", unescaped),
            Field::Texts => {
                self.take("a text", encoded::character_string)?;
                while self.at < self.words.len() {
                    self.take("a text", encoded::character_string)?;
                }
                Ok(())
            }
            Field::Hex => self.take_all(encoded::hex),
            Field::Base64 => self.take_all(encoded::base64),
            Field::Salt => self.take("a salt", encoded::salt),
            Field::Hash => self.take("a hash", encoded::hash),
            Field::Types => self.take_all(encoded::types),
            Field::Type => self.take("a type", |text| {
                let rtype: RecordType = text.parse().map_err(|error| format!("`{text}` is {error}"))?;
                Ok(rtype.0.to_be_bytes().to_vec())
            }),
            Field::Algorithm => self.take("an algorithm", numbers::algorithm),
            Field::Certificate => self.take("a certificate's type", numbers::certificate),
            Field::Time => self.take("a time", numbers::time),
            Field::Eui(octets) => self.take("an address", |text| encoded::groups(text, '-', octets, 2)),
            Field::Locator64 => self.take("a locator", |text| encoded::groups(text, ':', 4, 4)),
            Field::Location => self.take_all(location::read),
        }
    }
}

#[cfg(test)]
mod tests;
