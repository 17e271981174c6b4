//! Options by vendor: 43 by what option 60 says, 125 by enterprise number.

use dhcp::options::vendor::{VendorClass, VendorOptions};

use super::definitions::{Definitions, Space};
use super::named_options::read_space;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::v1::Vendor;

pub(super) fn read(list: &[At<Vendor>], definitions: &Definitions, findings: &mut Findings) -> VendorOptions {
    let mut out = VendorOptions::default();
    for at in list {
        read_one(at, definitions, &mut out, findings);
    }
    out
}

fn read_one(at: &At<Vendor>, definitions: &Definitions, out: &mut VendorOptions, findings: &mut Findings) {
    let Vendor { identifier, prefix, enterprise, options } = &at.value;
    let selectors = [
        identifier.as_ref().map(|at| (Space::Vendor(at.value.0.clone()), at.span)),
        prefix.as_ref().map(|at| (Space::Vendor(at.value.0.clone()), at.span)),
        enterprise.as_ref().map(|at| (Space::Enterprise(at.value), at.span)),
    ];
    let mut selectors = selectors.into_iter().flatten();
    let Some((space, span)) = selectors.next() else {
        findings.absent(
            at.span,
            "an item of `vendor` does not say for whom its options are",
            "has no `identifier`, `prefix` or `enterprise`",
            "add `identifier = \"MSFT 5.0\"`, which is the client's option 60; or `prefix` for what that begins with; or \
             `enterprise` with a number, for option 125",
        );
        return;
    };
    if let Some((_, second)) = selectors.next() {
        findings.fault(
            second,
            "an item of `vendor` has one of `identifier`, `prefix` and `enterprise`",
            "it is said already for whom",
            "take one of them out, or make two items",
        );
        return;
    }
    let Some(options) = options else { return };
    let data = encode(&read_space(options, &space, definitions, findings));
    match (space, identifier.is_some()) {
        (Space::Enterprise(number), _) => {
            if check_enterprise(number, &data, span, out, findings) {
                out.enterprises.push((number, data));
            }
        }
        (Space::Vendor(text), whole) => {
            let bytes = text.into_bytes().into();
            let class = if whole { VendorClass::Is(bytes) } else { VendorClass::StartsWith(bytes) };
            if out.classes.iter().any(|(earlier, _)| *earlier == class) {
                twice(span, findings);
                return;
            }
            out.classes.push((class, data));
        }
        (Space::Message, _) => {}
    }
}

/// Each sub-option after its code and its length. Longer ones have been reported.
fn encode(options: &std::collections::BTreeMap<u8, Box<[u8]>>) -> Box<[u8]> {
    let mut out = Vec::new();
    for (code, data) in options {
        let Ok(len) = u8::try_from(data.len()) else { continue };
        out.push(*code);
        out.push(len);
        out.extend(data);
    }
    out.into()
}

fn check_enterprise(number: u32, data: &[u8], span: Span, out: &VendorOptions, findings: &mut Findings) -> bool {
    if out.enterprises.iter().any(|(earlier, _)| *earlier == number) {
        twice(span, findings);
        return false;
    }
    if data.len() > usize::from(u8::MAX) {
        findings.fault(
            span,
            format!("the options of enterprise {number} have {} bytes together", data.len()),
            "too long",
            "write fewer: option 125 has one byte for their length, so 255 bytes at most (RFC 3925 section 4)",
        );
        return false;
    }
    true
}

fn twice(span: Span, findings: &mut Findings) {
    findings.fault(
        span,
        "two items of `vendor` are for the same clients",
        "again",
        "put the options of both into one item",
    );
}
