//! A whole configuration from one interface: for running with no file, and as a file to begin with.

use std::net::Ipv4Addr;

use dhcp::settings::AddressRange;
use ipnet::Ipv4Net;

use crate::fault::{Fault, Severity, Span};
use crate::resolve::pools::{cut, hosts, show};
use crate::settings::Config;
use crate::{Checked, Faults, check};

/// A configuration that was made, and the text that says the same.
#[derive(Clone, Debug)]
pub struct Derived {
    /// As [`check`] found it.
    pub checked: Checked,
    /// TOML that can be saved and changed.
    pub text: String,
}

/// What is wrong with an interface or a domain.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What is wrong.
    pub faults: Faults,
    /// The text that the places are in, for [`crate::render`]; empty when none was made.
    pub text: String,
}

impl Config {
    /// What can be derived from an `interface`, its `address` with the length of its prefix, and a `domain`: the upper
    /// half of the subnet is leased but for our own address and the `router`'s, names are held by the embedded DNS
    /// server, forward and reverse, and clients are told this server for DNS. Without a `router`, clients get none.
    ///
    /// # Errors
    /// What is wrong with the interface or the domain.
    pub fn from_interface(
        interface: &str,
        address: Ipv4Net,
        domain: &str,
        router: Option<Ipv4Addr>,
    ) -> Result<Derived, Refused> {
        let file = format!("--interface {interface} --domain {domain}");
        let subnet = address.trunc();
        let taken: Vec<Ipv4Addr> = [Some(address.addr()), router].into_iter().flatten().collect();
        let Some(pool) = pool(subnet, &taken) else {
            return Err(Refused { faults: no_room(&file, interface, address), text: String::new() });
        };
        let text = text(interface, subnet, domain, pool, &taken, router);
        match check(&text, &file, &|_: &std::path::Path| Err("no file is named".to_owned())) {
            Ok(checked) => Ok(Derived { checked, text }),
            Err(faults) => Err(Refused { faults, text }),
        }
    }
}

/// The upper half of the subnet's hosts; all of them where nothing would be left of that.
fn pool(subnet: Ipv4Net, taken: &[Ipv4Addr]) -> Option<AddressRange> {
    let (first, last) = hosts(subnet);
    if subnet.prefix_len() > 30 {
        // A link of two has nobody to lease to once we have one address and the peer the other.
        return None;
    }
    let size = 1_u32 << (32 - u32::from(subnet.prefix_len()).clamp(1, 32));
    let middle = Ipv4Addr::from(subnet.network().to_bits() + size / 2);
    [AddressRange { first: middle, last }, AddressRange { first, last }].into_iter().find(|pool| has_room(*pool, taken))
}

fn has_room(pool: AddressRange, taken: &[Ipv4Addr]) -> bool {
    let mut left = vec![pool];
    for &address in taken {
        left = left.into_iter().flat_map(|part| cut(part, AddressRange { first: address, last: address })).collect();
    }
    !left.is_empty()
}

fn no_room(file: &str, interface: &str, address: Ipv4Net) -> Faults {
    let fault = Fault {
        severity: Severity::Fault,
        span: Span::default(),
        message: format!("the interface {interface} has the address {address}: nothing is left there to lease"),
        label: String::from("no room"),
        mend: String::from("give the interface an address in a prefix of length 29 or less, such as 192.168.30.1/24"),
        related: None,
    };
    Faults { file: file.to_owned(), list: vec![fault] }
}

fn text(
    interface: &str,
    subnet: Ipv4Net,
    domain: &str,
    pool: AddressRange,
    taken: &[Ipv4Addr],
    router: Option<Ipv4Addr>,
) -> String {
    // A JSON string is a basic string of TOML too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let exclude: Vec<String> = taken
        .iter()
        .filter(|address| (pool.first..=pool.last).contains(*address))
        .map(|address| quoted(&address.to_string()))
        .collect();
    let exclude = if exclude.is_empty() { String::new() } else { format!("exclude    = [{}]\n", exclude.join(", ")) };
    let routers = match router {
        Some(router) => format!("routers    = [{}]\n", quoted(&router.to_string())),
        None => "# routers  = [\"...\"]  # without it, clients have no way out of their subnet\n".to_owned(),
    };
    format!(
        "# Derived from the interface {interface}. Save it, change what you like, and run with --config.\n\
         \n\
         [[subnet]]\n\
         prefix     = {}\n\
         interfaces = [{}]\n\
         pools      = [{}]\n\
         {exclude}{routers}\
         domain     = {}\n\
         \n\
         # Held by the embedded DNS server, and the reverse zone with it.\n\
         [[zone]]\n\
         name = {}\n",
        quoted(&subnet.to_string()),
        quoted(interface),
        quoted(&show(pool)),
        quoted(domain),
        quoted(domain),
    )
}
