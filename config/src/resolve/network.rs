//! Shared networks, and the subnets that name them.

use dhcp::settings::{NetworkId, SharedNetwork};

use super::class::check_name;
use super::interfaces;
use super::options::Options;
use super::scope::{self, With};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::NetworkName;
use crate::file::suggest::nearest;
use crate::file::v1;

/// The shared networks of a file, in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Networks {
    pub(super) list: Vec<SharedNetwork>,
    /// Their options as they are written, in the same order.
    options: Vec<Options>,
    spans: Vec<Span>,
    /// Some network's name could not be read, so a name that is not here may have been meant by it.
    unnamed: bool,
}

pub(super) fn read(file: &v1::File, with: With<'_>, findings: &mut Findings) -> Networks {
    let mut out = Networks::default();
    for at in &file.network {
        let interfaces = interfaces(at.value.interfaces.as_deref(), findings);
        let (keys, times) = (at.value.option_keys(), at.value.time_keys());
        let (scope, options) = scope::read(keys, times, file.dhcp.time_keys(), with, findings);
        let Some(written) = &at.value.name else {
            out.unnamed = true;
            continue;
        };
        let name = written.value.0.clone();
        check_name(&name, "network", written.span, findings);
        if let Some(earlier) = out.list.iter().position(|network| network.name == name) {
            findings
                .fault(
                    written.span,
                    format!("the network `{name}` is defined twice"),
                    "defined again",
                    "take one of them out, or give it another name",
                )
                .see(out.spans[earlier], "defined here first");
        }
        out.list.push(SharedNetwork { name, scope, interfaces, order: Vec::new() });
        out.options.push(options);
        out.spans.push(written.span);
    }
    if let (true, Some(span)) = (u16::try_from(out.list.len()).is_err(), out.spans.last()) {
        findings.fault(*span, "there are more than 65,535 networks", "too many", "make fewer networks");
    }
    out
}

/// The table of the network that a subnet names.
pub(super) fn table<'f>(file: &'f v1::File, subnet: &v1::Subnet) -> Option<&'f v1::Network> {
    let wanted = subnet.network.as_ref()?;
    let named = |at: &&At<v1::Network>| at.value.name.as_ref().is_some_and(|name| name.value == wanted.value);
    file.network.iter().find(named).map(|at| &at.value)
}

impl Networks {
    /// A network's options as they are written.
    pub(super) fn options(&self, id: NetworkId) -> Option<&Options> {
        self.options.get(usize::from(id.0))
    }

    /// The network that `at` names; reported when there is none.
    pub(super) fn get(&self, at: &At<NetworkName>, findings: &mut Findings) -> Option<NetworkId> {
        let found = self.list.iter().position(|network| network.name == at.value.0);
        if found.is_none() && !self.unnamed {
            let names: Vec<&str> = self.list.iter().map(|network| network.name.as_str()).collect();
            let mend = match nearest(&at.value.0, &names) {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("add a [[network]] with `name = \"{}\"`", at.value.0),
            };
            findings.absent(at.span, format!("the network `{}` is not defined", at.value.0), "no such network", mend);
        }
        found.and_then(|place| u16::try_from(place).ok()).map(NetworkId)
    }
}
