//! Tables of sub-options: those of options 63, 82, 122, 139 and 140, and what well-known vendors put into option 43.

use super::Definition;
use crate::options::kind::{BYTES, Field, Kind, Number, U8, U16, U32};

const fn option(code: u8, name: &'static str, kind: Kind, source: &'static str) -> Definition {
    Definition::new(code, name, kind, source)
}

/// The sub-options of option 43 that clients of one vendor read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorSpace {
    /// What their option 60 begins with.
    pub identifier: &'static str,
    /// Their sub-options, sorted by code.
    pub options: &'static [Definition],
}

/// The vendors whose sub-options of option 43 have names here.
pub static VENDORS: &[VendorSpace] = &[
    VendorSpace { identifier: "MSFT", options: MICROSOFT },
    VendorSpace { identifier: "PXEClient", options: PXE },
    VendorSpace { identifier: "dslforum.org", options: BROADBAND_FORUM },
];

/// The sub-options that clients with this option 60 read, if it is one of [`VENDORS`].
#[must_use]
pub fn of_vendor(identifier: &str) -> Option<&'static VendorSpace> {
    VENDORS.iter().find(|vendor| identifier.starts_with(vendor.identifier))
}

/// [MS-DHCPE] section 2.2.2: read by clients that send "MSFT 5.0".
const MICROSOFT: &[Definition] = &[
    option(
        1,
        "disable_netbios",
        Kind::Number(Number { words: &[(1, "enabled"), (2, "disabled")], ..Number::unsigned(4) }),
        "[MS-DHCPE] 2.2.2.1",
    ),
    option(
        2,
        "release_on_shutdown",
        Kind::Number(Number { words: &[(0, "no"), (1, "yes")], ..Number::unsigned(4) }),
        "[MS-DHCPE] 2.2.2.2",
    ),
    option(3, "default_router_metric_base", U32, "[MS-DHCPE] 2.2.2.3"),
];

/// Preboot Execution Environment 2.1, table 2-1.
const PXE: &[Definition] = &[
    option(1, "mtftp_address", Kind::Address, "PXE 2.1"),
    option(2, "mtftp_client_port", U16, "PXE 2.1"),
    option(3, "mtftp_server_port", U16, "PXE 2.1"),
    option(4, "mtftp_timeout", U8, "PXE 2.1"),
    option(5, "mtftp_delay", U8, "PXE 2.1"),
    option(6, "discovery_control", U8, "PXE 2.1"),
    option(7, "discovery_multicast_address", Kind::Address, "PXE 2.1"),
    option(8, "boot_servers", BYTES, "PXE 2.1"),
    option(9, "boot_menu", BYTES, "PXE 2.1"),
    option(
        10,
        "menu_prompt",
        Kind::Record(&[Field { name: "timeout", kind: U8 }, Field { name: "prompt", kind: Kind::Text }]),
        "PXE 2.1",
    ),
    option(
        71,
        "boot_item",
        Kind::Record(&[Field { name: "type", kind: U16 }, Field { name: "layer", kind: U16 }]),
        "PXE 2.1",
    ),
];

/// TR-069, table 2: read by clients that send "dslforum.org".
const BROADBAND_FORUM: &[Definition] = &[
    option(1, "acs_url", Kind::Text, "TR-069 3.1"),
    option(2, "provisioning_code", Kind::Text, "TR-069 3.1"),
    option(3, "cwmp_retry_minimum_wait", Kind::Text, "TR-069 3.1"),
    option(4, "cwmp_retry_interval_multiplier", Kind::Text, "TR-069 3.1"),
];

/// RFC 2242 section 3: the first four have no data.
pub(super) const NETWARE: &[Definition] = &[
    option(1, "nwip_does_not_exist", Kind::Empty, "RFC 2242 3"),
    option(2, "nwip_exist_in_options_area", Kind::Empty, "RFC 2242 3"),
    option(3, "nwip_exist_in_sname_file", Kind::Empty, "RFC 2242 3"),
    option(4, "nwip_exist_but_too_big", Kind::Empty, "RFC 2242 3"),
    option(5, "nsq_broadcast", Kind::Bool, "RFC 2242 3"),
    option(6, "preferred_dss", Kind::Addresses, "RFC 2242 3"),
    option(7, "nearest_nwip_server", Kind::Addresses, "RFC 2242 3"),
    option(8, "autoretries", U8, "RFC 2242 3"),
    option(9, "autoretry_secs", U8, "RFC 2242 3"),
    option(10, "nwip_1_1", Kind::Bool, "RFC 2242 3"),
    option(11, "primary_dss", Kind::Address, "RFC 2242 3"),
];

/// The sub-options of option 82.
pub const RELAY_AGENT: &[Definition] = &[
    option(1, "agent_circuit_id", BYTES, "RFC 3046 3.1"),
    option(2, "agent_remote_id", BYTES, "RFC 3046 3.2"),
    option(4, "docsis_device_class", U32, "RFC 3256"),
    option(5, "link_selection", Kind::Address, "RFC 3527"),
    option(6, "subscriber_id", Kind::Text, "RFC 3993"),
    option(7, "radius_attributes", BYTES, "RFC 4014"),
    option(8, "authentication", BYTES, "RFC 4030"),
    option(9, "vendor_specific", Kind::Enterprises, "RFC 4243"),
    option(10, "relay_agent_flags", U8, "RFC 5010"),
    option(11, "server_identifier_override", Kind::Address, "RFC 5107"),
    option(12, "relay_agent_identifier", BYTES, "RFC 6925"),
    option(13, "access_technology_type", BYTES, "RFC 7839"),
    option(14, "access_network_name", Kind::Text, "RFC 7839"),
    option(15, "access_point_name", Kind::Text, "RFC 7839"),
    option(16, "access_point_bssid", Kind::Bytes { min: 6, max: 6 }, "RFC 7839"),
    option(17, "operator_identifier", Kind::Bytes { min: 4, max: 4 }, "RFC 7839"),
    option(18, "operator_realm", Kind::Text, "RFC 7839"),
    option(19, "relay_source_port", Kind::Empty, "RFC 8357"),
    option(151, "virtual_subnet_selection", BYTES, "RFC 6607"),
    option(152, "virtual_subnet_selection_control", Kind::Empty, "RFC 6607"),
];

const TICKETS: Kind = Kind::Record(&[
    Field { name: "nominal_timeout", kind: U32 },
    Field { name: "maximum_timeout", kind: U32 },
    Field { name: "maximum_retries", kind: U32 },
]);

/// RFC 3495 section 8, with the additions of RFC 3594 and RFC 3634.
pub(super) const CABLELABS: &[Definition] = &[
    option(1, "primary_dhcp_server", Kind::Address, "RFC 3495 5.1"),
    option(2, "secondary_dhcp_server", Kind::Address, "RFC 3495 5.1"),
    option(3, "provisioning_server", Kind::NamesOrAddresses, "RFC 3495 5.2"),
    option(4, "as_backoff", TICKETS, "RFC 3495 5.3"),
    option(5, "ap_backoff", TICKETS, "RFC 3495 5.4"),
    option(6, "kerberos_realm", Kind::Name, "RFC 3495 5.5"),
    option(7, "ticket_granting_server", Kind::Bool, "RFC 3495 5.6"),
    option(8, "provisioning_timer", U8, "RFC 3495 5.7"),
    option(9, "security_ticket_control", U16, "RFC 3594"),
    option(10, "key_distribution_centers", Kind::Addresses, "RFC 3634"),
];

/// RFC 5678 section 2.
pub(super) const ACCESS_NETWORK_ADDRESSES: &[Definition] = &[
    option(1, "information_services", Kind::Addresses, "RFC 5678 2"),
    option(2, "command_services", Kind::Addresses, "RFC 5678 2"),
    option(3, "event_services", Kind::Addresses, "RFC 5678 2"),
];

/// RFC 5678 section 3.
pub(super) const ACCESS_NETWORK_NAMES: &[Definition] = &[
    option(1, "information_services", Kind::Names { compressed: false }, "RFC 5678 3"),
    option(2, "command_services", Kind::Names { compressed: false }, "RFC 5678 3"),
    option(3, "event_services", Kind::Names { compressed: false }, "RFC 5678 3"),
];
