//! What one table gives to its clients: options, boot fields, lease times, rules of names. Nothing of a wider table is mixed in; the
//! engine knows the order.

use std::net::Ipv4Addr;

use dhcp::options::{self as build, code};
use dhcp::settings::{Boot, OptionSet, Scope};

use super::definitions::{Definitions, Space};
use super::naming;
use super::options::{self, DnsServers, Options};
use super::scalars::address;
use super::times::lease_times;
use super::zones::Zones;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::FreeText;
use crate::file::v1::{NamingKeys, OptionKeys, TimeKeys};

/// Bytes that `sname` and `file` hold before the null at their end (RFC 2131 section 2).
const SNAME_BYTES_MAX: usize = 63;
const FILE_BYTES_MAX: usize = 127;

/// What every scope is read with.
#[derive(Clone, Copy)]
pub(super) struct With<'a> {
    pub(super) definitions: &'a Definitions,
    pub(super) zones: &'a Zones,
    pub(super) dns_enabled: bool,
}

/// What a table has of a scope.
#[derive(Clone, Copy, Default)]
pub(super) struct Written<'a> {
    pub(super) options: OptionKeys<'a>,
    pub(super) times: TimeKeys<'a>,
    pub(super) naming: NamingKeys<'a>,
}

/// What is written around a table, for checks that need both.
#[derive(Clone, Copy, Default)]
pub(super) struct Wider<'a> {
    pub(super) times: TimeKeys<'a>,
    pub(super) naming: NamingKeys<'a>,
}

/// What a table has of a scope, by the methods that each such table has.
macro_rules! written {
    ($table:expr) => {
        crate::resolve::scope::Written {
            options: $table.option_keys(),
            times: $table.time_keys(),
            naming: $table.naming_keys(),
        }
    };
}
pub(super) use written;

/// The scope of a table, and its options with their places in the file.
pub(super) fn read(table: Written<'_>, wider: Wider<'_>, with: With<'_>, findings: &mut Findings) -> (Scope, Options) {
    let keys = table.options;
    let written = options::read(keys, with.definitions, findings);
    check_own_dns(&written, with.dns_enabled, findings);
    let scope = Scope {
        options: option_set(&written),
        vendor: written.vendor.clone(),
        own_dns: matches!(written.dns, Some((DnsServers::Own, _))),
        always: codes(keys.always_send, UNASKED, with, findings),
        never: codes(keys.never_send, UNSENT, with, findings),
        boot: boot(keys, findings),
        lease_secs: lease_times(table.times, wider.times, findings),
        naming: naming::boxed(naming::part(table.naming, wider.naming, with.zones, findings)),
    };
    check_both_lists(keys, &scope, findings);
    (scope, written)
}

/// The options as they are sent. An empty list takes the option of a wider scope back. The default route is put into
/// option 121 where the reply is made, since routers and routes may come from different scopes.
fn option_set(written: &Options) -> OptionSet {
    let mut set = written.plain.clone();
    if let Some((routers, _)) = &written.routers {
        set.insert(code::ROUTER, build::routers(routers));
    }
    if let Some((routes, _)) = &written.routes {
        set.insert(code::CLASSLESS_STATIC_ROUTE, build::classless_static_routes(routes, None));
    }
    if let Some((DnsServers::Listed(servers), _)) = &written.dns {
        set.insert(code::DOMAIN_NAME_SERVER, build::domain_name_servers(servers));
    }
    OptionSet(set)
}

fn boot(keys: OptionKeys<'_>, findings: &mut Findings) -> Boot {
    let next_server: Option<Ipv4Addr> = keys.next_server.and_then(|at| address(at, findings));
    let mut text = |at: Option<&At<FreeText>>, key: &str, most: usize| {
        let at = at?;
        if at.value.0.len() > most || at.value.0.contains('\0') {
            findings.fault(
                at.span,
                format!(
                    "`{key}` has {} bytes; its field in the message holds {most}, none of them null",
                    at.value.0.len()
                ),
                "does not fit",
                "write a shorter one; option 66 or 67 (`tftp_server_name`, `boot_file_name`) holds up to 255",
            );
            return None;
        }
        Some(at.value.0.as_str().into())
    };
    let server_name = text(keys.server_name, "server_name", SNAME_BYTES_MAX);
    let file = text(keys.boot_file, "boot_file", FILE_BYTES_MAX);
    Boot { next_server, server_name, file }
}

/// Why an option cannot stand in a list, if so.
type Why = fn(u8) -> Option<&'static str>;

const UNASKED: Why = |option| match option {
    code::IPV6_ONLY_PREFERRED | code::AUTO_CONFIGURE => {
        Some("only clients that ask for it may be sent it (RFC 8925, RFC 2563); take it out")
    }
    _ => UNSENT(option),
};

const UNSENT: Why = |option| match option {
    code::PAD | code::END => Some("it only fills or ends the options; take it out"),
    code::IP_ADDRESS_LEASE_TIME
    | code::OPTION_OVERLOAD
    | code::DHCP_MESSAGE_TYPE
    | code::SERVER_IDENTIFIER
    | code::MESSAGE
    | code::CLIENT_IDENTIFIER
    | code::RAPID_COMMIT
    | code::CLIENT_FQDN
    | code::RELAY_AGENT_INFORMATION
    | code::SUBNET_SELECTION => Some("the server decides by the protocol when it is sent; take it out"),
    _ => None,
};

/// A list of options by name or number, as codes.
fn codes(list: Option<&At<Vec<At<FreeText>>>>, why: Why, with: With<'_>, findings: &mut Findings) -> Vec<u8> {
    let mut out = Vec::new();
    for at in list.into_iter().flat_map(|list| &list.value) {
        let Some(meant) = with.definitions.meant(&Space::Message, at, findings) else { continue };
        if let Some(why) = why(meant.code) {
            findings.fault(at.span, format!("option {} cannot stand in this list", at.value.0), "not here", why);
        } else if !out.contains(&meant.code) {
            out.push(meant.code);
        }
    }
    out
}

fn check_both_lists(keys: OptionKeys<'_>, scope: &Scope, findings: &mut Findings) {
    let both = scope.never.iter().find(|code| scope.always.contains(code));
    if let (Some(option), Some(never), Some(always)) = (both, keys.never_send, keys.always_send) {
        findings
            .fault(
                never.span,
                format!("option {option} is always sent and never sent"),
                "never",
                "take it out of one of the two lists",
            )
            .see(always.span, "always");
    }
}

fn check_own_dns(options: &Options, dns_enabled: bool, findings: &mut Findings) {
    if let (Some((DnsServers::Own, span)), false) = (&options.dns, dns_enabled) {
        let span: Span = *span;
        findings.absent(
            span,
            "clients cannot be told this server as their DNS server: the embedded one does not run",
            "does not run",
            "list the addresses of your DNS servers, or add a [[zone]] without `server`, or `enabled = true` in [dns]",
        );
    }
}
