//! Tables of options by name and by number, to the bytes that are sent.

use std::collections::BTreeMap;

use dhcp::options::code;

use super::definitions::{Definitions, Meant, Space};
use super::option_value::{self, raw};
use super::options::own_key;
use super::raw_option;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::option_value::{OptionTable, OptionValue};

/// Options by code, as bytes, into `plain`.
pub(super) fn read(
    options: &OptionTable,
    definitions: &Definitions,
    plain: &mut BTreeMap<u8, Box<[u8]>>,
    findings: &mut Findings,
) {
    let read = read_space(options, &Space::Message, definitions, findings);
    plain.extend(read);
}

/// The options, or sub-options, of one space.
pub(super) fn read_space(
    options: &OptionTable,
    space: &Space,
    definitions: &Definitions,
    findings: &mut Findings,
) -> BTreeMap<u8, Box<[u8]>> {
    let mut out = BTreeMap::new();
    let mut seen: BTreeMap<u8, Span> = BTreeMap::new();
    for (key, value) in &options.0 {
        let Some(meant) = definitions.meant(space, key, findings) else { continue };
        if *space == Space::Message
            && let Some(why) = not_here(meant.code)
        {
            let option =
                key.value.0.parse::<u8>().map_or_else(|_| format!("`{}`", key.value.0), |code| code.to_string());
            let how = if option.starts_with('`') { "among `options`" } else { "by its number" };
            findings.fault(key.span, format!("option {option} cannot be set {how}"), "not here", why);
            continue;
        }
        if *space != Space::Message && matches!(meant.code, code::PAD | code::END) {
            let why = "it fills or ends the sub-options (RFC 2132 section 8.4); write a number from 1 to 254";
            findings.fault(key.span, format!("sub-option {} cannot be set", meant.code), "not here", why);
            continue;
        }
        if let Some(first) = seen.insert(meant.code, key.span) {
            findings
                .fault(
                    key.span,
                    format!("option {} is given twice: by its number, and by its name", meant.code),
                    "given again",
                    "take one of the two out",
                )
                .see(first, "given here too");
            continue;
        }
        let Some(data) = data(&meant, value, findings) else { continue };
        if *space != Space::Message && data.len() > usize::from(u8::MAX) {
            findings.fault(
                value.span,
                format!("the sub-option `{}` has {} bytes", meant.name, data.len()),
                "too long",
                "write 255 bytes at most: it has one byte for its length",
            );
            continue;
        }
        out.insert(meant.code, data);
    }
    out
}

fn data(meant: &Meant, value: &At<OptionValue>, findings: &mut Findings) -> Option<Box<[u8]>> {
    if let Some(kind) = &meant.kind {
        return option_value::read(value, &meant.name, kind, findings);
    }
    match (&value.value, raw(&value.value)) {
        (OptionValue::Text(text), _) => raw_option::read(text, value.span, findings),
        (_, Some(Some(data))) => Some(data),
        _ => {
            findings.fault(
                value.span,
                format!("the type of option {} is not known, so it takes raw data", meant.name),
                "not raw data",
                "write \"hex:01:02\", \"text:abc\", \"ip:192.0.2.1\", \"u8:1\", \"u16:1500\" or \"u32:3600\"; or define \
                 it: [[option]] with `name`, `code` and `type`",
            );
            None
        }
    }
}

/// Why an option cannot be set in a table of options, and what to do instead.
fn not_here(option_code: u8) -> Option<String> {
    if let Some(own_key) = own_key(option_code) {
        return Some(format!("it has a key of its own: write `{own_key}`"));
    }
    let engine = match option_code {
        code::PAD | code::END => "it only fills or ends the options",
        code::REQUESTED_IP_ADDRESS
        | code::PARAMETER_REQUEST_LIST
        | code::MAXIMUM_DHCP_MESSAGE_SIZE
        | code::SUBNET_SELECTION
        | 154
        | 155 => "only clients send it; take it out",
        code::OPTION_OVERLOAD | code::DHCP_MESSAGE_TYPE | code::SERVER_IDENTIFIER | code::MESSAGE => {
            "the server writes it itself in every reply that needs it; take it out"
        }
        code::CLIENT_IDENTIFIER | code::CLIENT_FQDN | code::RELAY_AGENT_INFORMATION | code::RAPID_COMMIT => {
            "the server answers with it when a client or relay sends it; take it out"
        }
        91 | 92 | 151..=153 | 156 | 157 => "the server writes it itself in answers to lease queries; take it out",
        _ => return None,
    };
    Some(engine.to_owned())
}
