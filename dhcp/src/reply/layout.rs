//! Fits options into the options field, `file` and `sname`.

use super::{FILE_BYTES, OVERLOAD_BYTES, RELAY, Reply, SNAME_BYTES};
use crate::options::code::IP_ADDRESS_LEASE_TIME;
use crate::options::{OVERLOAD_FILE, OVERLOAD_SNAME};

/// At most 255 bytes of one option under its code. RFC 3396 section 5: an option that is longer is split into
/// several of the same code, which the reader joins in the order they appear in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'p> {
    code: u8,
    pub(super) data: &'p [u8],
}

impl Piece<'_> {
    pub(super) fn bytes(&self) -> usize {
        2 + self.data.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        // At most 255, by `pieces`.
        let len = u8::try_from(self.data.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[self.code, len]);
        out.extend_from_slice(&self.data[..usize::from(len)]);
    }
}

/// An option as pieces; one, without data, for an empty option.
fn pieces(code: u8, data: &[u8]) -> impl Iterator<Item = Piece<'_>> + Clone {
    let empty = data.is_empty().then_some(&data[..0]);
    empty.into_iter().chain(data.chunks(255)).map(move |data| Piece { code, data })
}

/// The bytes of an option as it is sent.
pub(super) fn bytes_of(data: &[u8]) -> usize {
    data.len() + 2 * data.len().div_ceil(255).max(1)
}

/// Appends an option.
pub(super) fn append(code: u8, data: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(data.len()) {
        Ok(len) => {
            out.extend_from_slice(&[code, len]);
            out.extend_from_slice(data);
        }
        Err(_) => pieces(code, data).for_each(|piece| piece.encode(out)),
    }
}

/// How options are spread over the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// All in the options field, no overload.
    OptionsOnly,
    /// As listed: once an option goes to the next field, all later ones do.
    InOrder,
    /// Each where there is room yet, so that more of them fit than in strict order.
    FirstFit,
    /// As listed, and split wherever a field ends (RFC 3396 section 5). Only when nothing else helps: not every
    /// client joins what need not have been split.
    Split,
}

/// The pieces of each field, with the bytes that are left in it.
#[derive(Debug, Default)]
pub(super) struct Fields<'p> {
    pieces: [Vec<Piece<'p>>; 3],
    left: [usize; 3],
}

impl<'p> Fields<'p> {
    /// The value of option 52 (RFC 2132 section 9.3); 0 for none.
    pub(super) fn overload(&self) -> u8 {
        let [_, file, sname] = &self.pieces;
        (if file.is_empty() { 0 } else { OVERLOAD_FILE }) | (if sname.is_empty() { 0 } else { OVERLOAD_SNAME })
    }

    pub(super) fn options(&self) -> impl Iterator<Item = Piece<'p>> {
        self.pieces[0].iter().copied()
    }

    pub(super) fn file(&self) -> impl Iterator<Item = Piece<'p>> {
        self.pieces[1].iter().copied()
    }

    pub(super) fn sname(&self) -> impl Iterator<Item = Piece<'p>> {
        self.pieces[2].iter().copied()
    }

    /// Puts one option into the fields from `first` on; `None` when it does not fit. Returns the field of its end:
    /// its pieces never go back to an earlier field, which is read before.
    fn put(&mut self, code: u8, data: &'p [u8], first: usize, split: bool) -> Option<usize> {
        let mut field = first;
        for mut piece in pieces(code, data) {
            while *self.left.get(field)? < piece.bytes() {
                // A part takes three bytes at least: code, length and one of data.
                if split && self.left[field] >= 3 {
                    let (part, rest) = piece.data.split_at(self.left[field] - 2);
                    self.push(field, Piece { code, data: part });
                    piece.data = rest;
                }
                field += 1;
            }
            self.push(field, piece);
        }
        Some(field)
    }

    fn push(&mut self, field: usize, piece: Piece<'p>) {
        self.left[field] -= piece.bytes();
        self.pieces[field].push(piece);
    }
}

/// Fits what it can of a reply's options, and tells what it left out. `room` is what the options field has for them.
///
/// RFC 2132 section 9.10 with RFC 2131 section 4.1: overload first; then whatever stands last goes, since clients
/// list what they want most first. But before that, whatever would not fit beside the required ones alone: nothing else
/// is to go for its sake, in vain.
pub(super) fn fit(reply: &Reply, room: usize) -> (Fields<'_>, Vec<u8>) {
    // RFC 2131 table 3: an ACK MUST hold its lease time, whether or not the caller says so.
    let required = |code: u8| code == IP_ADDRESS_LEASE_TIME || reply.required.contains(&code);
    let mut dropped = Vec::new();
    let beside_required = |wanted: u8| reply.options.iter().filter(move |(code, _)| required(*code) || *code == wanted);
    let mut kept: Vec<(u8, &[u8])> = Vec::new();
    for option in reply.options.iter() {
        // No option of so few bytes is in doubt.
        let fits =
            option.1.len() < SNAME_BYTES || fits_whole(reply, &beside_required(option.0).collect::<Vec<_>>(), room);
        if required(option.0) || fits {
            kept.push(option);
        } else {
            dropped.push(option.0);
        }
    }
    loop {
        let echo: usize = match dropped.contains(&RELAY) {
            true => 0,
            false => reply.echo_bytes(),
        };
        if let Some(fields) = WHOLE.into_iter().find_map(|spread| place(reply, &kept, room.checked_sub(echo)?, spread))
        {
            return (fields, dropped);
        }
        if let Some(last) = kept.iter().rposition(|(code, _)| !required(*code)) {
            dropped.push(kept.remove(last).0);
            continue;
        }
        if let Some(fields) = room.checked_sub(echo).and_then(|room| place(reply, &kept, room, Spread::Split)) {
            return (fields, dropped);
        }
        // RFC 3046 section 2.2: "If a server is unable to copy a full Relay Agent Information field into a response,
        // it SHALL send the response without the Relay Information Field, and SHOULD increment an error counter".
        if echo != 0 {
            dropped.push(RELAY);
            continue;
        }
        match kept.pop() {
            Some((code, _)) => dropped.push(code),
            None => return (Fields::default(), dropped),
        }
    }
}

/// The ways that split no option.
const WHOLE: [Spread; 3] = [Spread::OptionsOnly, Spread::InOrder, Spread::FirstFit];

/// Whether options fit beside option 82, none of them split but as its length asks for.
fn fits_whole(reply: &Reply, options: &[(u8, &[u8])], room: usize) -> bool {
    let Some(room) = room.checked_sub(reply.echo_bytes()) else { return false };
    WHOLE.into_iter().any(|spread| place(reply, options, room, spread).is_some())
}

fn place<'p>(reply: &Reply, options: &[(u8, &'p [u8])], room: usize, spread: Spread) -> Option<Fields<'p>> {
    // One byte of `file` and of `sname` is for its END. A field that tells the client what to boot has no room.
    let spare = |text: &str, bytes: usize| if text.is_empty() { bytes - 1 } else { 0 };
    let left = match spread {
        Spread::OptionsOnly => [room, 0, 0],
        _ => [room.checked_sub(OVERLOAD_BYTES)?, spare(&reply.file, FILE_BYTES), spare(&reply.sname, SNAME_BYTES)],
    };
    let mut fields = Fields { left, ..Fields::default() };
    let mut field = 0;
    for (code, data) in options {
        let end = fields.put(*code, data, field, spread == Spread::Split)?;
        if spread != Spread::FirstFit {
            field = end;
        }
    }
    Some(fields)
}
