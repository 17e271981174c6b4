//! Options whose data depends on who made the client: 43, chosen by its vendor class identifier (60), and 125, by the
//! enterprises that it names in 124 or 125.

use super::code;
use super::kind::Kind;
use super::value::{Value, decode};
use crate::message::Message;

/// What one scope has for the clients of certain vendors.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct VendorOptions {
    /// Data of option 43. The first whose vendor class the client has counts.
    pub classes: Vec<(VendorClass, Box<[u8]>)>,
    /// Data by enterprise number, at most 255 bytes each, for option 125. Each number once.
    pub enterprises: Vec<(u32, Box<[u8]>)>,
}

impl VendorOptions {
    /// Whether there is nothing for anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.enterprises.is_empty()
    }
}

/// A condition on option 60.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VendorClass {
    /// It is this.
    Is(Box<[u8]>),
    /// It begins so.
    StartsWith(Box<[u8]>),
}

impl VendorClass {
    fn has(&self, identifier: &[u8]) -> bool {
        match self {
            Self::Is(whole) => **whole == *identifier,
            Self::StartsWith(start) => identifier.starts_with(start),
        }
    }
}

/// The data of option 43 or 125 for the client that sent `message`; `None` when nothing is meant for it, or for another
/// option.
#[must_use]
pub fn data_for(options: &VendorOptions, wanted: u8, message: &Message<'_>) -> Option<Box<[u8]>> {
    match wanted {
        code::VENDOR_SPECIFIC_INFORMATION => {
            let mut identifier = message.options.get(code::VENDOR_CLASS_IDENTIFIER)?;
            // RFC 2132 section 2: "the receiver of such options MUST be prepared to delete trailing nulls if they
            // exist."
            while let [rest @ .., 0] = identifier {
                identifier = rest;
            }
            let (_, data) = options.classes.iter().find(|(class, _)| class.has(identifier))?;
            Some(data.clone())
        }
        code::VENDOR_IDENTIFYING_VENDOR_SPECIFIC => enterprises_for(options, message),
        _ => None,
    }
}

/// RFC 3925 section 4: each enterprise's data stands after its number and a length of one byte. A client that names
/// enterprises is told of those alone; one that names none is told of all, and takes what it knows.
fn enterprises_for(options: &VendorOptions, message: &Message<'_>) -> Option<Box<[u8]>> {
    let both = [code::VENDOR_IDENTIFYING_VENDOR_CLASS, code::VENDOR_IDENTIFYING_VENDOR_SPECIFIC];
    let mut named: Vec<u32> = Vec::new();
    for data in both.into_iter().filter_map(|code| message.options.get(code)) {
        if let Some(Value::Enterprises(list)) = decode(&Kind::Enterprises, data) {
            named.extend(list.iter().map(|(number, _)| *number));
        }
    }
    let mut out = Vec::new();
    for (number, data) in &options.enterprises {
        // More than 255 bytes are never configured.
        if let (true, Ok(len)) = (named.is_empty() || named.contains(number), u8::try_from(data.len())) {
            out.extend(number.to_be_bytes());
            out.push(len);
            out.extend(data);
        }
    }
    (!out.is_empty()).then(|| out.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

    use super::*;

    /// A DISCOVER with these options.
    fn discover(options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 236];
        bytes[..3].copy_from_slice(&[1, 1, 6]);
        bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        bytes.extend([99, 130, 83, 99, 53, 1, 1]);
        for (code, data) in options {
            bytes.extend([*code, u8::try_from(data.len()).unwrap()]);
            bytes.extend(*data);
        }
        bytes.push(255);
        bytes
    }

    fn told(wanted: u8, sent: &[(u8, &[u8])]) -> Option<Vec<u8>> {
        let options = VendorOptions {
            classes: vec![
                (VendorClass::Is(b"MSFT 5.0"[..].into()), [1, 4, 0, 0, 0, 2][..].into()),
                (VendorClass::StartsWith(b"PXEClient"[..].into()), [6, 1, 8][..].into()),
            ],
            enterprises: vec![(311, [1][..].into()), (4491, [2, 3][..].into())],
        };
        let bytes = discover(sent);
        data_for(&options, wanted, &Message::parse(&bytes).unwrap()).map(Vec::from)
    }

    #[test]
    fn rfc2132_section_8_4_option_43_is_for_the_clients_of_its_vendor() {
        assert_eq!(told(43, &[(60, b"MSFT 5.0")]), Some(vec![1, 4, 0, 0, 0, 2]));
        assert_eq!(told(43, &[(60, b"MSFT 5.0\0")]), Some(vec![1, 4, 0, 0, 0, 2]));
        assert_eq!(told(43, &[(60, b"PXEClient:Arch:00007:UNDI:003016")]), Some(vec![6, 1, 8]));
        assert_eq!(told(43, &[(60, b"MSFT 98")]), None);
        assert_eq!(told(43, &[]), None, "nobody is told of a vendor that it did not name");
        assert_eq!(told(44, &[(60, b"MSFT 5.0")]), None);
    }

    #[test]
    fn rfc3925_section_4_option_125_holds_the_enterprises_that_the_client_names() {
        let both = vec![0, 0, 1, 55, 1, 1, 0, 0, 17, 139, 2, 2, 3];
        assert_eq!(told(125, &[]), Some(both), "all of them for a client that names none");
        assert_eq!(told(125, &[(124, &[0, 0, 17, 139, 1, 0])]), Some(vec![0, 0, 17, 139, 2, 2, 3]));
        assert_eq!(told(125, &[(125, &[0, 0, 1, 55, 0])]), Some(vec![0, 0, 1, 55, 1, 1]));
        assert_eq!(told(125, &[(124, &[0, 0, 0, 9, 0])]), None, "an enterprise that nothing is known of");
        assert_eq!(told(125, &[(124, &[0, 0])]).map(|data| data.len()), Some(13), "what cannot be read names nobody");
    }
}
