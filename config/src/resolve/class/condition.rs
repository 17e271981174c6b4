//! The condition of a class.

use std::net::Ipv4Addr;

use dhcp::class::{Condition, Fact, Test, VALUE_BYTES_MAX};
use dhcp::message::MessageType;
use dhcp::options::code;
use ipnet::Ipv4Net;

use super::Names;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{AddressOrPrefix, FreeText, HardwareBytes, MatchValue, OneOrMore, OptionName};
use crate::file::matching::{Ask, Match};
use crate::file::v1::MessageTypeWord;
use crate::resolve::definitions::{Definitions, Space};
use crate::resolve::raw_option;
use crate::resolve::scalars::hex;

pub(super) fn read(at: &At<Match>, names: &Names, definitions: &Definitions, findings: &mut Findings) -> Condition {
    Reader { names, definitions, findings }.condition(at)
}

struct Reader<'r> {
    names: &'r Names,
    definitions: &'r Definitions,
    findings: &'r mut Findings,
}

impl Reader<'_> {
    fn condition(&mut self, at: &At<Match>) -> Condition {
        let mut parts = Vec::new();
        self.nested(&at.value, &mut parts);
        self.option(&at.value, &mut parts);
        self.texts(&at.value, &mut parts);
        self.header(&at.value, &mut parts);
        if parts.is_empty() && !self.findings.refuses() {
            self.findings.fault(
                at.span,
                "the condition asks nothing",
                "asks nothing",
                "write what the clients have in common, such as `vendor_class = { prefix = \"PXEClient\" }`; \
                 what every client gets stands in [dhcp]",
            );
        }
        single(parts, Condition::All)
    }

    fn nested(&mut self, written: &Match, parts: &mut Vec<Condition>) {
        for (key, list, join) in [
            ("all", &written.all, Condition::All as fn(Vec<Condition>) -> Condition),
            ("any", &written.any, Condition::Any),
        ] {
            let Some(list) = list else { continue };
            if list.value.is_empty() {
                self.empty(key, list.span);
            }
            let conditions = list.value.iter().map(|at| self.condition(at)).collect();
            parts.push(single(conditions, join));
        }
        if let Some(inner) = &written.not {
            parts.push(self.condition(inner).negated());
        }
        if let Some(classes) = &written.class {
            self.any_of("class", classes, parts, |reader, at| {
                reader.names.get(at, reader.findings).map(Condition::Class)
            });
        }
    }

    /// Conditions of which one must hold, one for each value of a key.
    fn any_of<T: Clone>(
        &mut self,
        key: &str,
        values: &At<OneOrMore<T>>,
        parts: &mut Vec<Condition>,
        mut read: impl FnMut(&mut Self, &At<T>) -> Option<Condition>,
    ) {
        let values_each = values.each();
        if values_each.is_empty() {
            self.empty(key, values.span);
        }
        let conditions = values_each.iter().filter_map(|value| read(self, value)).collect();
        parts.push(single(conditions, Condition::Any));
    }

    fn empty(&mut self, key: &str, span: Span) {
        self.findings.fault(span, format!("`{key}` is an empty list"), "empty", "write what it is to hold");
    }

    fn option(&mut self, written: &Match, parts: &mut Vec<Condition>) {
        let tests = TestKeys {
            equal: written.equal.as_ref(),
            prefix: written.prefix.as_ref(),
            offset: written.offset.as_ref(),
            contains: written.contains.as_ref(),
            present: written.present.as_ref(),
        };
        let Some(option) = &written.option else {
            let stray = tests.first().or(written.sub_option.as_ref().map(|at| ("sub_option", at.span)));
            if let Some((key, span)) = stray.or(written.enterprise.as_ref().map(|at| ("enterprise", at.span))) {
                self.findings.fault(
                    span,
                    format!("`{key}` asks about an option, and there is no `option` beside it"),
                    "of which option?",
                    "add `option = 60`, with the option's number or name",
                );
            }
            return;
        };
        if let Some(fact) = self.option_fact(option, written) {
            self.tests(fact, &tests, parts);
        }
    }

    /// What an option, its sub-option and its enterprise number are.
    fn option_fact(&mut self, option: &At<OptionName>, written: &Match) -> Option<Fact> {
        let option_code = self.option_code(option)?;
        let sub_option = written.sub_option.as_ref();
        match (option_code, &written.enterprise, sub_option) {
            (VENDOR_CLASS, Some(enterprise), None) => Some(Fact::VendorClass(enterprise.value)),
            (VENDOR_INFORMATION, Some(enterprise), Some(sub_option)) => {
                Some(Fact::VendorOption(enterprise.value, sub_option.value))
            }
            (VENDOR_CLASS | VENDOR_INFORMATION, Some(enterprise), _) => {
                self.findings.fault(
                    enterprise.span,
                    "option 124 has a vendor class for each enterprise, option 125 sub-options",
                    "what of it?",
                    "write `option = 124` without `sub_option`, or `option = 125` with it",
                );
                None
            }
            (_, Some(enterprise), _) => {
                self.findings.fault(
                    enterprise.span,
                    format!("option {option_code} has no enterprise numbers"),
                    "not in this option",
                    "take `enterprise` out; options 124 and 125 have them",
                );
                None
            }
            (VENDOR_INFORMATION, None, Some(sub_option)) => {
                self.findings.fault(
                    sub_option.span,
                    "the sub-options of option 125 are an enterprise's",
                    "whose?",
                    "add `enterprise`, with the number that IANA gave the vendor",
                );
                None
            }
            (_, None, Some(sub_option)) => Some(Fact::SubOption(option_code, sub_option.value)),
            (_, None, None) => Some(Fact::Option(option_code)),
        }
    }

    fn option_code(&mut self, at: &At<OptionName>) -> Option<u8> {
        match &at.value {
            // The schema has the range.
            OptionName::Code(number) => u8::try_from(*number).ok(),
            OptionName::Name(name) => {
                let name = At { value: FreeText(name.clone()), span: at.span };
                self.definitions.meant(&Space::Message, &name, self.findings).map(|meant| meant.code)
            }
        }
    }

    fn texts(&mut self, written: &Match, parts: &mut Vec<Condition>) {
        for (ask, fact) in [
            (&written.vendor_class, Fact::Option(code::VENDOR_CLASS_IDENTIFIER)),
            (&written.user_class, Fact::UserClass),
            (&written.hostname, Fact::Option(code::HOST_NAME)),
            (&written.circuit_id, Fact::CIRCUIT_ID),
            (&written.remote_id, Fact::REMOTE_ID),
            (&written.subscriber_id, Fact::SUBSCRIBER_ID),
            (&written.port, Fact::Port),
            (&written.interface, Fact::Interface),
        ] {
            let Some(at) = ask else { continue };
            match &at.value {
                Ask::Equal(values) => {
                    let values = At { value: values.clone(), span: at.span };
                    self.tests(fact, &TestKeys { equal: Some(&values), ..TestKeys::default() }, parts);
                }
                Ask::Tests(tests) => {
                    let keys = TestKeys {
                        equal: tests.equal.as_ref(),
                        prefix: tests.prefix.as_ref(),
                        offset: tests.offset.as_ref(),
                        contains: tests.contains.as_ref(),
                        present: tests.present.as_ref(),
                    };
                    self.tests(fact, &keys, parts);
                }
            }
        }
    }

    fn tests(&mut self, fact: Fact, keys: &TestKeys<'_>, parts: &mut Vec<Condition>) {
        if keys.first().is_none() {
            parts.push(Condition::has(fact));
        }
        if let Some(present) = keys.present {
            let has = Condition::has(fact);
            parts.push(if present.value { has } else { has.negated() });
            let other = keys.equal.or(keys.prefix).or(keys.contains).filter(|_| !present.value);
            if let Some(other) = other {
                let words = "what is not there is nothing and begins with nothing, so the condition never holds";
                self.findings.fault(other.span, words, "of what is not there", "take `present = false` out, or this");
            }
        }
        if let Some(offset) = keys.offset.filter(|_| keys.prefix.is_none()) {
            let words = "`offset` says where `prefix` is compared, and there is no `prefix`";
            self.findings.fault(offset.span, words, "of what?", "add `prefix = \"...\"`, or take `offset` out");
        }
        if let Some(values) = keys.equal {
            self.any_of("equal", values, parts, |reader, at| {
                Some(Condition::Is(fact, Test::Equal(reader.value(at, false)?)))
            });
        }
        if let Some(values) = keys.prefix {
            let offset = keys.offset.map_or(0, |at| at.value);
            self.any_of("prefix", values, parts, |reader, at| {
                let data = reader.value(at, true)?;
                Some(Condition::Is(fact, if offset == 0 { Test::Prefix(data) } else { Test::At { offset, data } }))
            });
        }
        if let Some(values) = keys.contains {
            self.any_of("contains", values, parts, |reader, at| {
                Some(Condition::Is(fact, Test::Contains(reader.value(at, true)?)))
            });
        }
    }

    /// A value to compare with: text, unless it begins as the data of an option does.
    fn value(&mut self, at: &At<MatchValue>, is_part: bool) -> Option<Box<[u8]>> {
        let (text, span) = (at.value.0.as_str(), at.span);
        let data = if raw_option::is_raw(text) {
            match raw_option::parse(text) {
                Some(data) => data,
                None => {
                    let message = format!("`{text}` is not a value");
                    let mend =
                        "write \"hex:01:02\", \"ip:192.0.2.1\", \"u16:7\", or \"text:\" before text that begins so";
                    self.findings.fault(span, message, "not a value", mend);
                    return None;
                }
            }
        } else {
            text.as_bytes().to_vec()
        };
        if data.len() > VALUE_BYTES_MAX {
            self.findings.fault(
                span,
                format!(
                    "a value of {} bytes is longer than the {VALUE_BYTES_MAX} that can be compared with",
                    data.len()
                ),
                "too long",
                "write a part of it with `prefix` or `contains`",
            );
            return None;
        }
        if data.is_empty() && is_part {
            let words = "everything begins with nothing and holds nothing";
            self.findings.fault(span, words, "empty", "write a text, or `present = true` instead");
            return None;
        }
        Some(data.into())
    }

    fn header(&mut self, written: &Match, parts: &mut Vec<Condition>) {
        for (key, values, fact) in
            [("hardware", &written.hardware, Fact::Hardware), ("switch", &written.switch, Fact::Switch)]
        {
            let Some(values) = values else { continue };
            self.any_of(key, values, parts, |reader, at| {
                let data = reader.hardware(at)?;
                Some(Condition::Is(fact, if data.len() < 6 { Test::Prefix(data) } else { Test::Equal(data) }))
            });
        }
        for (key, values, fact) in
            [("vlan", &written.vlan, Fact::Vlan), ("architecture", &written.architecture, Fact::Architecture)]
        {
            let Some(values) = values else { continue };
            self.any_of(key, values, parts, |_, at| Some(is(fact, &at.value.to_be_bytes())));
        }
        if let Some(values) = &written.hardware_type {
            self.any_of("hardware_type", values, parts, |_, at| Some(is(Fact::HardwareType, &[at.value])));
        }
        for (key, values, fact) in
            [("giaddr", &written.giaddr, Fact::Giaddr), ("ciaddr", &written.ciaddr, Fact::Ciaddr)]
        {
            if let Some(values) = values {
                self.any_of(key, values, parts, |reader, at| Some(Condition::Is(fact, within(reader.network(at)?))));
            }
        }
        if written.secs_min.is_some() || written.secs_max.is_some() {
            let min = written.secs_min.as_ref().map_or(0, |at| at.value);
            let max = written.secs_max.as_ref().map_or(u16::MAX, |at| at.value);
            if let Some(at) = written.secs_min.as_ref().filter(|_| min > max) {
                let message = format!("no number is at least {min} and at most {max}");
                self.findings.fault(at.span, message, "more than `secs_max`", "make `secs_min` the lesser one");
            }
            let test = Test::Between(min.to_be_bytes().into(), max.to_be_bytes().into());
            parts.push(Condition::Is(Fact::Secs, test));
        }
        if let Some(broadcast) = &written.broadcast {
            let has = Condition::has(Fact::Broadcast);
            parts.push(if broadcast.value { has } else { has.negated() });
        }
        if let Some(values) = &written.message_type {
            self.any_of("message_type", values, parts, |_, at| {
                Some(is(Fact::MessageType, &[message_type(at.value) as u8]))
            });
        }
    }

    fn hardware(&mut self, at: &At<HardwareBytes>) -> Option<Box<[u8]>> {
        let data = hex(&at.value.0.replace('.', "")).filter(|data| (1..=16).contains(&data.len()));
        if data.is_none() {
            self.findings.fault(
                at.span,
                format!("`{}` is neither a hardware address nor the beginning of one", at.value.0),
                "not a hardware address",
                "write one to six bytes in hexadecimal with colons between, such as \"00:04:f2\"",
            );
        }
        Some(data?.into())
    }

    fn network(&mut self, at: &At<AddressOrPrefix>) -> Option<Ipv4Net> {
        let text = at.value.0.trim();
        let parsed = text.parse::<Ipv4Net>().ok().or_else(|| text.parse::<Ipv4Addr>().ok().map(Ipv4Net::from));
        if parsed.is_none() {
            self.findings.fault(
                at.span,
                format!("`{text}` is neither an address nor a prefix"),
                "not an address",
                "write an address such as \"10.20.0.1\", or a prefix such as \"10.20.0.0/16\"",
            );
        }
        parsed
    }
}

/// What is asked of one text.
#[derive(Clone, Copy, Debug, Default)]
struct TestKeys<'a> {
    equal: Option<&'a At<OneOrMore<MatchValue>>>,
    prefix: Option<&'a At<OneOrMore<MatchValue>>>,
    offset: Option<&'a At<u16>>,
    contains: Option<&'a At<OneOrMore<MatchValue>>>,
    present: Option<&'a At<bool>>,
}

impl TestKeys<'_> {
    /// The first that is written.
    fn first(&self) -> Option<(&'static str, Span)> {
        let values = [("equal", self.equal), ("prefix", self.prefix), ("contains", self.contains)];
        let found = values.into_iter().find_map(|(key, at)| Some((key, at?.span)));
        let present = || self.present.map(|at| ("present", at.span));
        found.or_else(present).or_else(|| self.offset.map(|at| ("offset", at.span)))
    }
}

/// RFC 3925 section 3.
const VENDOR_CLASS: u8 = 124;
/// RFC 3925 section 4.
const VENDOR_INFORMATION: u8 = 125;

/// Several conditions as one.
fn single(mut conditions: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            join(conditions)
        }
        None => join(conditions),
    }
}

fn is(fact: Fact, value: &[u8]) -> Condition {
    Condition::Is(fact, Test::Equal(value.into()))
}

/// An address is in a prefix. Whole bytes are compared as such, for these are looked up together.
fn within(net: Ipv4Net) -> Test {
    let (first, last) = (net.network().octets(), net.broadcast().octets());
    match (net.prefix_len(), usize::from(net.prefix_len() / 8)) {
        (32, _) => Test::Equal(first.into()),
        (len, bytes) if len > 0 && len % 8 == 0 => Test::Prefix(first[..bytes].into()),
        _ => Test::Between(first.into(), last.into()),
    }
}

fn message_type(word: MessageTypeWord) -> MessageType {
    match word {
        MessageTypeWord::Discover => MessageType::Discover,
        MessageTypeWord::Request => MessageType::Request,
        MessageTypeWord::Decline => MessageType::Decline,
        MessageTypeWord::Release => MessageType::Release,
        MessageTypeWord::Inform => MessageType::Inform,
    }
}
