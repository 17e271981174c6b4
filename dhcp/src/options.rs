//! Option codes of DHCPv4 by name (RFC 2132 and the IANA registry), their data built and read.
//!
//! [`registry`] has every option by name and type, [`kind`] the types, [`value`] typed data.
//!
//! Builders return an option's data without code and length; [`crate::reply`] splits what is over 255 bytes
//! (RFC 3396). Readers return `None` for malformed data.

mod build;
pub mod kind;
mod list;
mod order;
mod read;
pub mod registry;
pub mod value;
pub mod vendor;

pub use build::{
    addresses, broadcast_address, classless_static_routes, domain_name, domain_name_servers, domain_search,
    interface_mtu, ipv6_only_preferred, ntp_servers, routers, seconds, subnet_mask, text, with_default_route,
};
pub use list::{OptionData, OptionList};
pub(crate) use order::for_each_code;
pub use order::in_requested_order;
pub use read::{RelayAgentInfo, read_address, read_first_address, read_specified_address, read_u16, read_u32};

/// RFC 2132 section 9.10: "The minimum legal value is 576 octets." What a client takes that did not say.
pub const MINIMUM_MESSAGE_SIZE: u16 = 576;

/// RFC 8925 section 3.4: "MIN_V6ONLY_WAIT: The lower boundary for V6ONLY_WAIT. Value: 300 seconds".
pub const IPV6_ONLY_WAIT_SECS_MIN: u32 = 300;

/// Option 52 (RFC 2132 section 9.3): "the 'file' field is used to hold options".
pub const OVERLOAD_FILE: u8 = 1;
/// Option 52: "the 'sname' field is used to hold options".
pub const OVERLOAD_SNAME: u8 = 2;

/// Option codes, by the names of their RFCs.
pub mod code {
    /// RFC 2132 section 3.1: one byte of padding, without a length.
    pub const PAD: u8 = 0;
    /// RFC 2132 section 3.3.
    pub const SUBNET_MASK: u8 = 1;
    /// RFC 2132 section 3.5.
    pub const ROUTER: u8 = 3;
    /// RFC 2132 section 3.8.
    pub const DOMAIN_NAME_SERVER: u8 = 6;
    /// RFC 2132 section 3.14.
    pub const HOST_NAME: u8 = 12;
    /// RFC 2132 section 3.17.
    pub const DOMAIN_NAME: u8 = 15;
    /// RFC 2132 section 5.1.
    pub const INTERFACE_MTU: u8 = 26;
    /// RFC 2132 section 5.3.
    pub const BROADCAST_ADDRESS: u8 = 28;
    /// RFC 2132 section 5.8.
    pub const STATIC_ROUTE: u8 = 33;
    /// RFC 2132 section 8.3.
    pub const NETWORK_TIME_PROTOCOL_SERVERS: u8 = 42;
    /// RFC 2132 section 8.4.
    pub const VENDOR_SPECIFIC_INFORMATION: u8 = 43;
    /// RFC 2132 section 9.1.
    pub const REQUESTED_IP_ADDRESS: u8 = 50;
    /// RFC 2132 section 9.2.
    pub const IP_ADDRESS_LEASE_TIME: u8 = 51;
    /// RFC 2132 section 9.3.
    pub const OPTION_OVERLOAD: u8 = 52;
    /// RFC 2132 section 9.6.
    pub const DHCP_MESSAGE_TYPE: u8 = 53;
    /// RFC 2132 section 9.7.
    pub const SERVER_IDENTIFIER: u8 = 54;
    /// RFC 2132 section 9.8.
    pub const PARAMETER_REQUEST_LIST: u8 = 55;
    /// RFC 2132 section 9.9: words for a person, with a NAK or a DECLINE.
    pub const MESSAGE: u8 = 56;
    /// RFC 2132 section 9.10.
    pub const MAXIMUM_DHCP_MESSAGE_SIZE: u8 = 57;
    /// RFC 2132 section 9.11: T1.
    pub const RENEWAL_TIME_VALUE: u8 = 58;
    /// RFC 2132 section 9.12: T2.
    pub const REBINDING_TIME_VALUE: u8 = 59;
    /// RFC 2132 section 9.13.
    pub const VENDOR_CLASS_IDENTIFIER: u8 = 60;
    /// RFC 2132 section 9.14.
    pub const CLIENT_IDENTIFIER: u8 = 61;
    /// RFC 2132 section 9.4.
    pub const TFTP_SERVER_NAME: u8 = 66;
    /// RFC 2132 section 9.5.
    pub const BOOTFILE_NAME: u8 = 67;
    /// RFC 3004.
    pub const USER_CLASS: u8 = 77;
    /// RFC 4039.
    pub const RAPID_COMMIT: u8 = 80;
    /// RFC 4702.
    pub const CLIENT_FQDN: u8 = 81;
    /// RFC 3046.
    pub const RELAY_AGENT_INFORMATION: u8 = 82;
    /// RFC 4388 section 6.1: how long ago the client was last heard, in seconds.
    pub const CLIENT_LAST_TRANSACTION_TIME: u8 = 91;
    /// RFC 4388 section 6.1: all addresses of the client.
    pub const ASSOCIATED_IP: u8 = 92;
    /// RFC 4578 section 2.1.
    pub const CLIENT_SYSTEM_ARCHITECTURE: u8 = 93;
    /// RFC 8925.
    pub const IPV6_ONLY_PREFERRED: u8 = 108;
    /// RFC 8910.
    pub const CAPTIVE_PORTAL: u8 = 114;
    /// RFC 2563.
    pub const AUTO_CONFIGURE: u8 = 116;
    /// RFC 3011.
    pub const SUBNET_SELECTION: u8 = 118;
    /// RFC 3397.
    pub const DOMAIN_SEARCH: u8 = 119;
    /// RFC 3442.
    pub const CLASSLESS_STATIC_ROUTE: u8 = 121;
    /// RFC 3925 section 3.
    pub const VENDOR_IDENTIFYING_VENDOR_CLASS: u8 = 124;
    /// RFC 3925 section 4.
    pub const VENDOR_IDENTIFYING_VENDOR_SPECIFIC: u8 = 125;
    /// RFC 6926 section 6.2.2.
    pub const STATUS_CODE: u8 = 151;
    /// RFC 6926 section 6.2.3: UTC seconds at which the answer was true.
    pub const BASE_TIME: u8 = 152;
    /// RFC 6926 section 6.2.4: seconds before the base time.
    pub const START_TIME_OF_STATE: u8 = 153;
    /// RFC 6926 section 6.2.5: UTC seconds.
    pub const QUERY_START_TIME: u8 = 154;
    /// RFC 6926 section 6.2.6: UTC seconds.
    pub const QUERY_END_TIME: u8 = 155;
    /// RFC 6926 section 6.2.7.
    pub const DHCP_STATE: u8 = 156;
    /// RFC 6926 section 6.2.8.
    pub const DATA_SOURCE: u8 = 157;
    /// RFC 6607: virtual subnet selection.
    pub const VIRTUAL_SUBNET_SELECTION: u8 = 221;
    /// RFC 2132 section 3.2: the end of a field of options, without a length.
    pub const END: u8 = 255;
}

/// Sub-options of option 82, by the names of their RFCs.
pub mod relay_code {
    /// RFC 3046 section 3.1.
    pub const AGENT_CIRCUIT_ID: u8 = 1;
    /// RFC 3046 section 3.2.
    pub const AGENT_REMOTE_ID: u8 = 2;
    /// RFC 3256: a class of DOCSIS cable modems.
    pub const DOCSIS_DEVICE_CLASS: u8 = 4;
    /// RFC 3527.
    pub const LINK_SELECTION: u8 = 5;
    /// RFC 3993.
    pub const SUBSCRIBER_ID: u8 = 6;
    /// RFC 4014.
    pub const RADIUS_ATTRIBUTES: u8 = 7;
    /// RFC 4030. Not checked: no relay agent is known to send it.
    pub const AUTHENTICATION: u8 = 8;
    /// RFC 4243: enterprise number, length, data.
    pub const VENDOR_SPECIFIC: u8 = 9;
    /// RFC 5010: how the relay agent got the message.
    pub const FLAGS: u8 = 10;
    /// RFC 5010: of [`FLAGS`], set when the client sent by unicast.
    pub const FLAG_UNICAST: u8 = 0x80;
    /// RFC 5107.
    pub const SERVER_IDENTIFIER_OVERRIDE: u8 = 11;
    /// RFC 6925.
    pub const RELAY_AGENT_IDENTIFIER: u8 = 12;
    /// RFC 8357 section 5.2: without data.
    pub const RELAY_SOURCE_PORT: u8 = 19;
    /// Link selection as Cisco's relays number it, unless they are told `standard`.
    pub const CISCO_LINK_SELECTION: u8 = 150;
    /// RFC 6607: the VPN that the client is in.
    pub const VSS: u8 = 151;
    /// RFC 6607, without data: a server that takes no heed of [`VSS`] leaves it in its reply. With an address as data it
    /// is the server identifier override as Cisco's relays number it, unless they are told `standard`.
    pub const VSS_CONTROL: u8 = 152;
}
