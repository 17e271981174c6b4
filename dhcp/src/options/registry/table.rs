//! The table itself, sorted by code. Codes that are missing are unassigned, or removed after RFC 3679.

use super::spaces::{ACCESS_NETWORK_ADDRESSES, ACCESS_NETWORK_NAMES, CABLELABS, NETWARE, RELAY_AGENT};
use super::{Definition, SetBy};
use crate::options::kind::{BYTES, Field, I32, Kind, Number, U8, U16, U32};

const fn option(code: u8, name: &'static str, kind: Kind, source: &'static str) -> Definition {
    Definition::new(code, name, kind, source)
}

const fn number(bytes: u8, min: i64) -> Kind {
    Kind::Number(Number { min, ..Number::unsigned(bytes) })
}

const fn words(bytes: u8, words: &'static [(i64, &'static str)]) -> Kind {
    Kind::Number(Number { words, ..Number::unsigned(bytes) })
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const U8S: Kind = Kind::Numbers(Number::unsigned(1));
const U16S: Kind = Kind::Numbers(Number::unsigned(2));
/// Addresses, of which option 68 may have none.
const MAYBE_ADDRESSES: Kind = Kind::MaybeAddresses;
/// Names that may point to each other's tails.
const COMPRESSED: Kind = Kind::Names { compressed: true };
const NAMES: Kind = Kind::Names { compressed: false };

/// Every option, sorted by code.
pub static OPTIONS: &[Definition] = &[
    option(0, "pad", Kind::Empty, "RFC 2132 3.1").by(SetBy::Nobody),
    option(1, "subnet_mask", Kind::Address, "RFC 2132 3.3"),
    option(2, "time_offset", I32, "RFC 2132 3.4"),
    option(3, "router", Kind::Addresses, "RFC 2132 3.5"),
    option(4, "time_server", Kind::Addresses, "RFC 2132 3.6"),
    option(5, "name_server", Kind::Addresses, "RFC 2132 3.7"),
    option(6, "domain_name_server", Kind::Addresses, "RFC 2132 3.8"),
    option(7, "log_server", Kind::Addresses, "RFC 2132 3.9"),
    option(8, "cookie_server", Kind::Addresses, "RFC 2132 3.10"),
    option(9, "lpr_server", Kind::Addresses, "RFC 2132 3.11"),
    option(10, "impress_server", Kind::Addresses, "RFC 2132 3.12"),
    option(11, "resource_location_server", Kind::Addresses, "RFC 2132 3.13"),
    option(12, "host_name", Kind::Text, "RFC 2132 3.14"),
    option(13, "boot_file_size", U16, "RFC 2132 3.15"),
    option(14, "merit_dump_file", Kind::Text, "RFC 2132 3.16"),
    option(15, "domain_name", Kind::Text, "RFC 2132 3.17"),
    option(16, "swap_server", Kind::Address, "RFC 2132 3.18"),
    option(17, "root_path", Kind::Text, "RFC 2132 3.19"),
    option(18, "extensions_path", Kind::Text, "RFC 2132 3.20"),
    option(19, "ip_forwarding", Kind::Bool, "RFC 2132 4.1"),
    option(20, "non_local_source_routing", Kind::Bool, "RFC 2132 4.2"),
    option(21, "policy_filter", Kind::AddressPairs, "RFC 2132 4.3"),
    option(22, "maximum_datagram_reassembly_size", number(2, 576), "RFC 2132 4.4"),
    option(23, "default_ip_time_to_live", number(1, 1), "RFC 2132 4.5"),
    option(24, "path_mtu_aging_timeout", U32, "RFC 2132 4.6"),
    option(25, "path_mtu_plateau_table", Kind::Numbers(Number { min: 68, ..Number::unsigned(2) }), "RFC 2132 4.7"),
    option(26, "interface_mtu", number(2, 68), "RFC 2132 5.1"),
    option(27, "all_subnets_are_local", Kind::Bool, "RFC 2132 5.2"),
    option(28, "broadcast_address", Kind::Address, "RFC 2132 5.3"),
    option(29, "perform_mask_discovery", Kind::Bool, "RFC 2132 5.4"),
    option(30, "mask_supplier", Kind::Bool, "RFC 2132 5.5"),
    option(31, "perform_router_discovery", Kind::Bool, "RFC 2132 5.6"),
    option(32, "router_solicitation_address", Kind::Address, "RFC 2132 5.7"),
    option(33, "static_route", Kind::AddressPairs, "RFC 2132 5.8"),
    option(34, "trailer_encapsulation", Kind::Bool, "RFC 2132 6.1"),
    option(35, "arp_cache_timeout", U32, "RFC 2132 6.2"),
    option(36, "ethernet_encapsulation", Kind::Bool, "RFC 2132 6.3"),
    option(37, "tcp_default_ttl", number(1, 1), "RFC 2132 7.1"),
    option(38, "tcp_keepalive_interval", U32, "RFC 2132 7.2"),
    option(39, "tcp_keepalive_garbage", Kind::Bool, "RFC 2132 7.3"),
    option(40, "nis_domain", Kind::Text, "RFC 2132 8.1"),
    option(41, "nis_servers", Kind::Addresses, "RFC 2132 8.2"),
    option(42, "network_time_protocol_servers", Kind::Addresses, "RFC 2132 8.3"),
    option(43, "vendor_specific_information", BYTES, "RFC 2132 8.4"),
    option(44, "netbios_name_server", Kind::Addresses, "RFC 2132 8.5"),
    option(45, "netbios_datagram_distribution_server", Kind::Addresses, "RFC 2132 8.6"),
    option(
        46,
        "netbios_node_type",
        words(1, &[(1, "b-node"), (2, "p-node"), (4, "m-node"), (8, "h-node")]),
        "RFC 2132 8.7",
    ),
    option(47, "netbios_scope", Kind::Text, "RFC 2132 8.8"),
    option(48, "x_window_font_server", Kind::Addresses, "RFC 2132 8.9"),
    option(49, "x_window_display_manager", Kind::Addresses, "RFC 2132 8.10"),
    option(50, "requested_ip_address", Kind::Address, "RFC 2132 9.1").by(SetBy::Client),
    option(51, "ip_address_lease_time", U32, "RFC 2132 9.2").by(SetBy::Server),
    option(52, "option_overload", words(1, &[(1, "file"), (2, "sname"), (3, "both")]), "RFC 2132 9.3")
        .by(SetBy::Server),
    option(53, "dhcp_message_type", words(1, MESSAGE_TYPES), "RFC 2132 9.6").by(SetBy::Server),
    option(54, "server_identifier", Kind::Address, "RFC 2132 9.7").by(SetBy::Server),
    option(55, "parameter_request_list", U8S, "RFC 2132 9.8").by(SetBy::Client),
    option(56, "message", Kind::Text, "RFC 2132 9.9").by(SetBy::Server),
    option(57, "maximum_dhcp_message_size", number(2, 576), "RFC 2132 9.10").by(SetBy::Client),
    option(58, "renewal_time_value", U32, "RFC 2132 9.11").by(SetBy::Server),
    option(59, "rebinding_time_value", U32, "RFC 2132 9.12").by(SetBy::Server),
    option(60, "vendor_class_identifier", Kind::Text, "RFC 2132 9.13"),
    option(61, "client_identifier", Kind::Bytes { min: 2, max: u16::MAX }, "RFC 2132 9.14").by(SetBy::Echo),
    option(62, "netware_ip_domain", Kind::Text, "RFC 2242 2"),
    option(63, "netware_ip_option", Kind::Suboptions(NETWARE), "RFC 2242 3"),
    option(64, "nis_plus_domain", Kind::Text, "RFC 2132 8.11"),
    option(65, "nis_plus_servers", Kind::Addresses, "RFC 2132 8.12"),
    option(66, "tftp_server_name", Kind::Text, "RFC 2132 9.4"),
    option(67, "bootfile_name", Kind::Text, "RFC 2132 9.5"),
    option(68, "mobile_ip_home_agent", MAYBE_ADDRESSES, "RFC 2132 8.13"),
    option(69, "smtp_server", Kind::Addresses, "RFC 2132 8.14"),
    option(70, "pop3_server", Kind::Addresses, "RFC 2132 8.15"),
    option(71, "nntp_server", Kind::Addresses, "RFC 2132 8.16"),
    option(72, "www_server", Kind::Addresses, "RFC 2132 8.17"),
    option(73, "finger_server", Kind::Addresses, "RFC 2132 8.18"),
    option(74, "irc_server", Kind::Addresses, "RFC 2132 8.19"),
    option(75, "streettalk_server", Kind::Addresses, "RFC 2132 8.20"),
    option(76, "streettalk_directory_assistance_server", Kind::Addresses, "RFC 2132 8.21"),
    option(77, "user_class", Kind::Texts { long: false }, "RFC 3004"),
    option(78, "directory_agent", Kind::Record(DIRECTORY_AGENT), "RFC 2610 3"),
    option(79, "service_scope", Kind::Record(SERVICE_SCOPE), "RFC 2610 4"),
    option(80, "rapid_commit", Kind::Empty, "RFC 4039").by(SetBy::Echo),
    option(81, "client_fqdn", Kind::Bytes { min: 3, max: u16::MAX }, "RFC 4702").by(SetBy::Echo),
    option(82, "relay_agent_information", Kind::Suboptions(RELAY_AGENT), "RFC 3046").by(SetBy::Echo),
    option(83, "isns", Kind::Bytes { min: 14, max: u16::MAX }, "RFC 4174"),
    option(85, "nds_servers", Kind::Addresses, "RFC 2241 2"),
    option(86, "nds_tree_name", Kind::Text, "RFC 2241 3"),
    option(87, "nds_context", Kind::Text, "RFC 2241 4"),
    option(88, "bcmcs_controller_domain_names", NAMES, "RFC 4280 4.1"),
    option(89, "bcmcs_controller_ipv4_addresses", Kind::Addresses, "RFC 4280 4.3"),
    option(90, "authentication", Kind::Bytes { min: 11, max: u16::MAX }, "RFC 3118"),
    option(91, "client_last_transaction_time", U32, "RFC 4388").by(SetBy::Server),
    option(92, "associated_ip", Kind::Addresses, "RFC 4388").by(SetBy::Server),
    option(93, "client_system_architecture", U16S, "RFC 4578 2.1"),
    option(94, "client_network_interface_identifier", Kind::Record(NETWORK_INTERFACE), "RFC 4578 2.2"),
    option(95, "ldap", Kind::Text, "RFC 3679 3.1.6"),
    option(97, "client_machine_identifier", Kind::Uuid, "RFC 4578 2.3"),
    option(98, "user_authentication", Kind::Text, "RFC 2485"),
    option(99, "geoconf_civic", Kind::Bytes { min: 3, max: u16::MAX }, "RFC 4776"),
    option(100, "posix_timezone", Kind::Text, "RFC 4833 2"),
    option(101, "tzdb_timezone", Kind::Text, "RFC 4833 2"),
    option(108, "ipv6_only_preferred", U32, "RFC 8925"),
    option(109, "softwire_source_address", Kind::Ipv6Address, "RFC 8539"),
    option(112, "netinfo_address", Kind::Addresses, "RFC 3679 3.1.13"),
    option(113, "netinfo_tag", Kind::Text, "RFC 3679 3.1.13"),
    option(114, "captive_portal", Kind::Text, "RFC 8910 2.1"),
    option(116, "auto_configure", words(1, &[(0, "do-not-auto-configure"), (1, "auto-configure")]), "RFC 2563"),
    option(117, "name_service_search", U16S, "RFC 2937"),
    option(118, "subnet_selection", Kind::Address, "RFC 3011").by(SetBy::Client),
    option(119, "domain_search", COMPRESSED, "RFC 3397"),
    option(120, "sip_servers", Kind::NamesOrAddresses, "RFC 3361"),
    option(121, "classless_static_route", Kind::Routes, "RFC 3442"),
    option(122, "cablelabs_client_configuration", Kind::Suboptions(CABLELABS), "RFC 3495"),
    option(123, "geoconf", Kind::Bytes { min: 16, max: 16 }, "RFC 6225"),
    option(124, "vendor_identifying_vendor_class", Kind::Enterprises, "RFC 3925 3"),
    option(125, "vendor_identifying_vendor_specific_information", Kind::Enterprises, "RFC 3925 4"),
    option(128, "pxe_128", BYTES, "RFC 4578 2.4"),
    option(129, "pxe_129", BYTES, "RFC 4578 2.4"),
    option(130, "pxe_130", BYTES, "RFC 4578 2.4"),
    option(131, "pxe_131", BYTES, "RFC 4578 2.4"),
    option(132, "pxe_132", BYTES, "RFC 4578 2.4"),
    option(133, "pxe_133", BYTES, "RFC 4578 2.4"),
    option(134, "pxe_134", BYTES, "RFC 4578 2.4"),
    option(135, "pxe_135", BYTES, "RFC 4578 2.4"),
    option(136, "pana_authentication_agent", Kind::Addresses, "RFC 5192"),
    option(137, "lost_server", Kind::Name, "RFC 5223"),
    option(138, "capwap_access_controller", Kind::Addresses, "RFC 5417"),
    option(139, "mobility_services_addresses", Kind::Suboptions(ACCESS_NETWORK_ADDRESSES), "RFC 5678"),
    option(140, "mobility_services_names", Kind::Suboptions(ACCESS_NETWORK_NAMES), "RFC 5678"),
    option(141, "sip_ua_configuration_service_domains", NAMES, "RFC 6011"),
    option(142, "andsf_addresses", Kind::Addresses, "RFC 6153"),
    option(143, "sztp_redirect", Kind::Texts { long: true }, "RFC 8572 8.1"),
    option(144, "geoloc", Kind::Bytes { min: 16, max: 16 }, "RFC 6225"),
    option(145, "forcerenew_nonce_capable", U8S, "RFC 6704"),
    option(146, "rdnss_selection", Kind::Record(RDNSS_SELECTION), "RFC 6731 4.3"),
    option(147, "dots_agent_name", Kind::Name, "RFC 8973"),
    option(148, "dots_agent_addresses", Kind::Addresses, "RFC 8973"),
    option(150, "tftp_server_address", Kind::Addresses, "RFC 5859"),
    option(151, "status_code", Kind::Record(STATUS_CODE), "RFC 6926 6.2.2").by(SetBy::Server),
    option(152, "base_time", U32, "RFC 6926 6.2.3").by(SetBy::Server),
    option(153, "start_time_of_state", U32, "RFC 6926 6.2.4").by(SetBy::Server),
    option(154, "query_start_time", U32, "RFC 6926 6.2.5").by(SetBy::Client),
    option(155, "query_end_time", U32, "RFC 6926 6.2.6").by(SetBy::Client),
    option(156, "dhcp_state", U8, "RFC 6926 6.2.7").by(SetBy::Server),
    option(157, "data_source", U8, "RFC 6926 6.2.8").by(SetBy::Server),
    option(158, "pcp_server", Kind::AddressLists, "RFC 7291 4"),
    option(159, "port_parameters", Kind::Record(PORT_PARAMETERS), "RFC 7618 9"),
    option(161, "mud_url", Kind::Text, "RFC 8520 10"),
    option(162, "v4_dnr", Kind::Resolvers, "RFC 9463 5"),
    option(175, "etherboot_175", BYTES, "tentative: Etherboot, iPXE"),
    option(176, "ip_telephone", BYTES, "tentative: IP telephones"),
    option(177, "etherboot_177", BYTES, "tentative: Etherboot, PacketCable"),
    option(208, "pxelinux_magic", Kind::Bytes { min: 4, max: 4 }, "RFC 5071 3"),
    option(209, "pxelinux_configfile", Kind::Text, "RFC 5071 4"),
    option(210, "pxelinux_pathprefix", Kind::Text, "RFC 5071 5"),
    option(211, "pxelinux_reboottime", U32, "RFC 5071 6"),
    option(212, "six_rd", Kind::Record(SIX_RD), "RFC 5969 7.1.1"),
    option(213, "access_domain", Kind::Name, "RFC 5986 3.2"),
    option(220, "subnet_allocation", BYTES, "RFC 6656"),
    option(221, "virtual_subnet_selection", BYTES, "RFC 6607"),
    option(249, "ms_classless_static_route", Kind::Routes, "private: Microsoft's form of 121"),
    option(252, "wpad", Kind::Text, "private: Web Proxy Auto-Discovery"),
    option(255, "end", Kind::Empty, "RFC 2132 3.2").by(SetBy::Nobody),
];

/// RFC 2132 section 9.6, RFC 3203, RFC 4388, RFC 6926, RFC 7724.
const MESSAGE_TYPES: &[(i64, &str)] = &[
    (1, "discover"),
    (2, "offer"),
    (3, "request"),
    (4, "decline"),
    (5, "ack"),
    (6, "nak"),
    (7, "release"),
    (8, "inform"),
    (9, "forcerenew"),
    (10, "leasequery"),
    (11, "leaseunassigned"),
    (12, "leaseunknown"),
    (13, "leaseactive"),
    (14, "bulkleasequery"),
    (15, "leasequerydone"),
    (16, "activeleasequery"),
    (17, "leasequerystatus"),
    (18, "tls"),
];

const DIRECTORY_AGENT: &[Field] = &[field("mandatory", Kind::Bool), field("addresses", Kind::Addresses)];
const SERVICE_SCOPE: &[Field] = &[field("mandatory", Kind::Bool), field("scopes", Kind::Text)];
const NETWORK_INTERFACE: &[Field] = &[field("type", U8), field("major", U8), field("minor", U8)];
/// RFC 6731 section 4.3: two bits of preference, then the two servers, then the domains.
const RDNSS_SELECTION: &[Field] = &[
    field("preference", U8),
    field("primary", Kind::Address),
    field("secondary", Kind::Address),
    field("domains", NAMES),
];
const STATUS_CODE: &[Field] = &[field("status", U8), field("message", Kind::Text)];
const PORT_PARAMETERS: &[Field] = &[field("offset", U8), field("psid_length", U8), field("psid", U16)];
const SIX_RD: &[Field] = &[
    field("ipv4_mask_length", Kind::Number(Number { max: 32, ..Number::unsigned(1) })),
    field("prefix_length", Kind::Number(Number { max: 128, ..Number::unsigned(1) })),
    field("prefix", Kind::Ipv6Address),
    field("border_relays", Kind::Addresses),
];
