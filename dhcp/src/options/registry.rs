//! Every option that IANA lists for DHCPv4 ("BOOTP Vendor Extensions and DHCP Options"), and the private ones that
//! everybody uses, by code and by name. Names are those of RFC 2132 and its successors, in snake case.
//!
//! Sub-options have tables of their own: see [`spaces`].

pub mod spaces;
mod table;

use super::kind::Kind;

pub use table::OPTIONS;

/// One option, or one sub-option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its code.
    pub code: u8,
    /// Its name.
    pub name: &'static str,
    /// The type of its data.
    pub kind: Kind,
    /// Where it is defined: an RFC and its section, or whose it is.
    pub source: &'static str,
    /// Who puts it into messages.
    pub set_by: SetBy,
}

/// Who puts an option into messages, and so whether it can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The administrator: it is sent as configured.
    Administrator,
    /// The server itself, in every reply that needs it.
    Server,
    /// The client alone.
    Client,
    /// The server, in answer to the same option of a client or a relay agent.
    Echo,
    /// Nobody: it only fills or ends the options.
    Nobody,
}

impl Definition {
    const fn new(code: u8, name: &'static str, kind: Kind, source: &'static str) -> Self {
        Self { code, name, kind, source, set_by: SetBy::Administrator }
    }

    const fn by(self, set_by: SetBy) -> Self {
        Self { set_by, ..self }
    }

    /// The fewest and the most bytes of its data; no most where only the message ends it.
    #[must_use]
    pub fn lengths(&self) -> (usize, Option<usize>) {
        self.kind.lengths()
    }
}

/// The definition of an option.
#[must_use]
pub fn by_code(code: u8) -> Option<&'static Definition> {
    in_space(OPTIONS, code)
}

/// The definition of an option.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Definition> {
    OPTIONS.iter().find(|definition| definition.name == name)
}

/// The definition of a code in a table that is sorted by code.
#[must_use]
pub fn in_space(space: &'static [Definition], code: u8) -> Option<&'static Definition> {
    space.binary_search_by_key(&code, |definition| definition.code).ok().map(|at| &space[at])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::options::code;

    #[test]
    fn every_table_is_sorted_by_code_and_has_each_code_and_each_name_once() {
        let nested = OPTIONS.iter().filter_map(|definition| match definition.kind {
            Kind::Suboptions(space) => Some(space),
            _ => None,
        });
        for space in nested.chain([OPTIONS]).chain(spaces::VENDORS.iter().map(|vendor| vendor.options)) {
            assert!(space.is_sorted_by(|one, other| one.code < other.code), "{space:?}");
            let names: BTreeSet<&str> = space.iter().map(|definition| definition.name).collect();
            assert_eq!(names.len(), space.len());
            for definition in space {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
                assert!(definition.name.bytes().all(plain), "{}", definition.name);
                assert!(!definition.name.starts_with(|c: char| c.is_ascii_digit()), "{}", definition.name);
            }
        }
    }

    #[test]
    fn options_are_found_by_code_and_by_name() {
        for definition in OPTIONS {
            assert_eq!(by_code(definition.code), Some(definition));
            assert_eq!(by_name(definition.name), Some(definition));
        }
        assert_eq!(by_name("router").map(|definition| definition.code), Some(code::ROUTER));
        assert_eq!((by_code(84), by_name("no_such_option")), (None, None));
    }

    #[test]
    fn rfc2132_lengths() {
        let lengths = |code| by_code(code).map(Definition::lengths);
        assert_eq!(lengths(code::SUBNET_MASK), Some((4, Some(4))));
        assert_eq!(lengths(code::ROUTER), Some((4, None)));
        assert_eq!(lengths(code::STATIC_ROUTE), Some((8, None)));
        assert_eq!(lengths(25), Some((2, None)), "section 4.7: its minimum length is 2");
        assert_eq!(lengths(68), Some((0, None)), "section 8.13: its minimum length is 0");
        assert_eq!(lengths(code::CLASSLESS_STATIC_ROUTE), Some((5, None)), "RFC 3442: five bytes at least");
        assert_eq!(lengths(97), Some((17, Some(17))));
    }
}
