//! Why a datagram gets no answer: counted by kind, never an error.

use std::fmt;

/// Makes [`DropReason`] from one list, so that a reason cannot lack its label, its words or its counter.
macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident, $label:literal, $words:literal;)*) => {
        /// Why a datagram was dropped, or answered by silence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// Every reason, in the order of [`DropReason::index`]: what an array of counters is made from.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The reason's name in metrics: lower-case words joined by underscores. Never changes.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

drop_reasons! {
    // What the decoder finds.

    /// Shorter than the header and the magic cookie (240 bytes, RFC 2131 section 2).
    Truncated, "truncated", "the datagram is shorter than a DHCP header";
    /// The options do not start with 99.130.83.99 (RFC 2131 section 3): BOOTP of before RFC 1048, or not DHCP.
    BadMagicCookie, "bad_magic_cookie", "the magic cookie of DHCP is missing";
    /// `op` is not BOOTREQUEST: a server's message, or nonsense.
    NotARequest, "not_a_request", "the message is not a BOOTREQUEST";
    /// `hlen` is over the 16 bytes of `chaddr`.
    HardwareAddressTooLong, "hardware_address_too_long", "the hardware address is longer than 16 bytes";
    /// `op` is not BOOTREPLY, where a server's message is read.
    NotAReply, "not_a_reply", "the message is not a BOOTREPLY";
    /// Without a readable option 53: plain BOOTP.
    NoMessageType, "no_message_type", "the message type option is missing or malformed (BOOTP is not served)";
    /// Option 53 holds a type that RFC 2131 does not define.
    UnknownMessageType, "unknown_message_type", "the message type is none of RFC 2131";
    /// OFFER, ACK or NAK, which only servers send.
    ServerMessage, "server_message", "only servers send this message type";
    /// Neither a client identifier nor a hardware address, so that the client cannot be told from others (RFC 4390).
    NoIdentity, "no_identity", "the client gave neither a client identifier nor a hardware address";

    // What the limits find.

    /// More packets of one hardware address than `packets_per_client` allows.
    ClientPacketLimit, "client_packet_limit", "the client sends more packets than `packets_per_client` allows";
    /// More packets of one relay or link than `packets_per_relay` allows.
    RelayPacketLimit, "relay_packet_limit", "the relay or link sends more packets than `packets_per_relay` allows";
    /// More new leases of one hardware address than `new_leases_per_client` allows.
    ClientLeaseLimit, "client_lease_limit", "the client takes more new leases than `new_leases_per_client` allows";
    /// More new leases of one relay or link than `new_leases_per_relay` allows.
    RelayLeaseLimit, "relay_lease_limit", "the relay or link takes more new leases than `new_leases_per_relay` allows";
    /// As many leases and offers behind one port as `leases_per_port` allows.
    PortLeaseLimit, "port_lease_limit", "the port has as many leases as `leases_per_port` allows";

    // What the engine decides.

    /// A leasequery (RFC 4388) of somebody whom the settings do not allow to ask.
    LeasequeryRefused, "leasequery_refused", "it is a leasequery of somebody whom `allow` in [leasequery] does not name";
    /// A leasequery without giaddr, or one that asks for nothing, or for several things (RFC 4388 section 6.1).
    LeasequeryMalformed, "leasequery_malformed", "it is a leasequery without giaddr, or one that does not ask for one thing";
    /// A BOOTP client where BOOTP is not served, or serves reservations alone and there is none for it.
    BootpRefused, "bootp_refused", "it is a BOOTP client, and `bootp` of the subnet has nothing for it";

    /// No subnet of the settings lies on the link that the message came from.
    NoSubnet, "no_subnet", "no subnet is configured for the link that it came from";
    /// The subnet is deactivated.
    SubnetInactive, "subnet_inactive", "the subnet is deactivated";
    /// Option 82 without a relay, where the subnet's settings refuse it (RFC 3046 section 2.1).
    UnrelayedOption82, "unrelayed_option_82", "it has relay agent information but came without a relay, which this subnet refuses";
    /// The sender is of a class whose messages are dropped.
    ClassDropped, "class_dropped", "the client is of a class whose messages are dropped";
    /// The sender is of a class that gets no address.
    ClassDenied, "class_denied", "the client is of a class that gets no address";
    /// No subnet of the link is for a client of these classes.
    ClassNotAllowed, "class_not_allowed", "no subnet of the link is for a client of its classes";
    /// Nobody knows the device, and unknown ones wait in its subnet until somebody approves of them.
    WaitsForApproval, "waits_for_approval", "nobody knows the device: it waits for `leasehold approve`";
    /// Somebody has denied the device, and unknown ones wait in its subnet.
    DeviceDenied, "device_denied", "the device was denied";
    /// The interface has no address that could be the server identifier.
    NoServerAddress, "no_server_address", "the interface has no address to answer from";
    /// A DISCOVER found every address of the link's pools taken.
    NoFreeAddress, "no_free_address", "no address is free for this client: the pools are used up";
    /// A DISCOVER from a client that is not known here and that has not tried for as long as the pools want.
    TooSoon, "too_soon", "the client has not tried for long enough: another server is to answer first";
    /// Every address that was tried for a client, as many as the settings allow, is used by somebody without a lease.
    ConflictsInARow, "conflicts_in_a_row", "somebody without a lease uses each of the addresses that were tried for it";
    /// As many addresses are being probed as the settings allow, and they want silence then.
    ProbesAtOnce, "probes_at_once", "as many addresses are being probed already as probes_at_once allows";
    /// The server identifier is another server's: the client chose that one.
    OtherServer, "other_server", "the client chose another server";
    /// A REQUEST with neither requested address nor ciaddr, a DECLINE without the one, a RELEASE or INFORM without the
    /// other.
    NoAddressNamed, "no_address_named", "the message names no address";
    /// RFC 2131 section 4.3.2: without a record of the client there is silence.
    UnknownClient, "unknown_client", "there is no record of this client, which another server may know";
    /// A RELEASE or DECLINE by somebody who does not hold the address.
    NotTheHolder, "not_the_holder", "the client does not hold the address";
    /// Nothing more can be stored, so that no new lease can be promised.
    StorageFull, "storage_full", "the storage is full, and the client has no stored lease to be answered from";
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// This reason's place in [`DropReason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_label_and_words() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
        let labels: BTreeSet<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
        let words: BTreeSet<_> = DropReason::ALL.iter().map(ToString::to_string).collect();
        assert_eq!((labels.len(), words.len()), (DropReason::COUNT, DropReason::COUNT));
    }
}
