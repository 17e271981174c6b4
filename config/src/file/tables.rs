//! How tables that share groups of keys are made.

/// Makes a table out of keys of its own and of groups that several tables share. (`serde(flatten)` would lose the
/// places of the values.) For each group, a method gives its keys by reference.
macro_rules! table {
    ([$($meta:tt)*] $name:ident { $($body:tt)* }) => {
        $($meta)*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($body)* }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + time_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// Lease time when the client asks for none.
            pub lease_time: Option<At<Duration>>,
            /// The least that a client gets, whatever it asks for.
            pub lease_time_min: Option<At<Duration>>,
            /// The most that a client gets, whatever it asks for.
            pub lease_time_max: Option<At<Duration>>,
        } $(+ $more)* }

        impl $name {
            /// The keys about lease times.
            #[must_use]
            pub fn time_keys(&self) -> TimeKeys<'_> {
                TimeKeys {
                    lease_time: self.lease_time.as_ref(),
                    lease_time_min: self.lease_time_min.as_ref(),
                    lease_time_max: self.lease_time_max.as_ref(),
                }
            }
        }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + lease_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// When a client renews, as a share of its lease time (T1).
            pub t1: Option<At<f64>>,
            /// When a client asks any server, as a share of its lease time (T2).
            pub t2: Option<At<f64>>,
            /// Broadcast every reply to a client on the link, for clients that cannot take unicast.
            pub always_broadcast: Option<bool>,
            /// Know clients by their hardware address alone, ignoring the client identifier (option 61).
            pub ignore_client_id: Option<bool>,
            /// Drop packets with option 82 that came through no relay.
            pub refuse_unrelayed_option82: Option<bool>,
            /// Acknowledge a client's first message at once when it asks for that (option 80).
            pub rapid_commit: Option<bool>,
            /// Which addresses are asked for, by ARP or ICMP echo, before they are offered.
            pub probe: Option<Probe>,
            /// Which BOOTP clients are served.
            pub bootp: Option<Bootp>,
        } $(+ $more)* }

        impl $name {
            /// The other keys about leases.
            #[must_use]
            pub fn lease_keys(&self) -> LeaseKeys<'_> {
                LeaseKeys {
                    t1: self.t1.as_ref(),
                    t2: self.t2.as_ref(),
                    always_broadcast: self.always_broadcast,
                    ignore_client_id: self.ignore_client_id,
                    refuse_unrelayed_option82: self.refuse_unrelayed_option82,
                    rapid_commit: self.rapid_commit,
                    probe: self.probe,
                    bootp: self.bootp,
                }
            }
        }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + second_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// How long an offer to a client that has nothing here yet waits before it is sent, in milliseconds: for the
            /// second of two servers that share the subnet.
            pub offer_delay_ms: Option<At<u32>>,
            /// For how many seconds such a client must have tried before it gets an offer.
            pub min_secs: Option<At<u16>>,
        } $(+ $more)* }

        impl $name {
            /// The keys of a second server.
            #[must_use]
            pub fn second_keys(&self) -> SecondKeys<'_> {
                SecondKeys { offer_delay_ms: self.offer_delay_ms.as_ref(), min_secs: self.min_secs.as_ref() }
            }
        }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + option_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// Subnet mask (option 1), where it is not the prefix's own.
            pub mask: Option<At<Address>>,
            /// Routers (option 3), the preferred one first.
            pub routers: Option<At<Vec<At<Address>>>>,
            /// DNS servers (option 6).
            pub dns_servers: Option<At<WordOr<OwnAddress, Address>>>,
            /// The domain that clients are told (option 15); else the one that their names are put under.
            pub domain_name: Option<At<DomainName>>,
            /// Domains that clients search (option 119).
            pub domain_search: Option<At<Vec<At<DomainName>>>>,
            /// NTP servers (option 42).
            pub ntp_servers: Option<At<Vec<At<Address>>>>,
            /// Broadcast address (option 28), where it is not the prefix's own.
            pub broadcast: Option<At<Address>>,
            /// Classless static routes (option 121). Clients that read them ignore `routers`, so the default route
            /// is added to them.
            pub routes: Option<At<Vec<At<Route>>>>,
            /// Interface MTU (option 26) in bytes.
            pub mtu: Option<At<u16>>,
            /// IPv6-only preferred (option 108): for how long a client that can do without IPv4 leaves it off.
            pub ipv6_only: Option<At<Duration>>,
            /// TFTP server name (option 66).
            pub tftp_server_name: Option<At<FreeText>>,
            /// Boot file name (option 67).
            pub boot_file_name: Option<At<FreeText>>,
            /// The server to boot from: the header field `siaddr`.
            pub next_server: Option<At<Address>>,
            /// That server's name: the header field `sname`.
            pub server_name: Option<At<FreeText>>,
            /// What to boot: the header field `file`.
            pub boot_file: Option<At<FreeText>>,
            /// Options to send though the client does not ask for them, by name or number.
            pub always_send: Option<At<Vec<At<FreeText>>>>,
            /// Options not to send though the client asks for them, by name or number.
            pub never_send: Option<At<Vec<At<FreeText>>>>,
            /// Any other option, by its name or by its number.
            pub options: Option<OptionTable>,
            /// Options 43 and 125, by who made the client.
            pub vendor: Option<Vec<At<Vendor>>>,
        } $(+ $more)* }

        impl $name {
            /// The keys about options.
            #[must_use]
            pub fn option_keys(&self) -> OptionKeys<'_> {
                OptionKeys {
                    mask: self.mask.as_ref(),
                    routers: self.routers.as_ref(),
                    dns_servers: self.dns_servers.as_ref(),
                    domain_name: self.domain_name.as_ref(),
                    domain_search: self.domain_search.as_ref(),
                    ntp_servers: self.ntp_servers.as_ref(),
                    broadcast: self.broadcast.as_ref(),
                    routes: self.routes.as_ref(),
                    mtu: self.mtu.as_ref(),
                    ipv6_only: self.ipv6_only.as_ref(),
                    tftp_server_name: self.tftp_server_name.as_ref(),
                    boot_file_name: self.boot_file_name.as_ref(),
                    next_server: self.next_server.as_ref(),
                    server_name: self.server_name.as_ref(),
                    boot_file: self.boot_file.as_ref(),
                    always_send: self.always_send.as_ref(),
                    never_send: self.never_send.as_ref(),
                    options: self.options.as_ref(),
                    vendor: self.vendor.as_deref(),
                }
            }
        }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + naming_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// The domain that clients' names are put under. It must be in a zone. Without it, nothing is published.
            pub domain: Option<At<DomainName>>,
            /// Characters that a host name cannot have: make a hyphen of each run, leave them out, or take no such name.
            pub clean: Option<Clean>,
            /// A client's full name that is in no zone: keep its first label under the domain, or publish nothing.
            pub outside: Option<Outside>,
            /// A client that wants to write its A record itself: override it, allow it, ignore its option 81, or give it
            /// no records.
            pub client_updates: Option<ClientUpdates>,
            /// Publish also the name of a client that asks for no update at all (option 81 with N=1).
            pub override_no_update: Option<bool>,
            /// Make a name by address, by hardware address or by a pattern: see `replace`.
            pub generate: Option<At<Generate>>,
            /// When the name that is made stands in the place of the client's: when it sent none, always, or when it
            /// sent one.
            pub replace: Option<At<Replace>>,
            /// Time to live of the records; else ten minutes, or a third of the lease time if that is less.
            pub ttl: Option<At<TtlValue>>,
            /// What must hold in DNS before a name is written.
            pub conflict_check: Option<ConflictCheck>,
            /// What comes of a name that another host holds: no name, one with a number, or the name goes over to the
            /// client that came last.
            pub conflict: Option<Conflict>,
            /// For how long after its last lease a host keeps the number behind its name.
            pub suffix_keep: Option<At<Duration>>,
            /// What becomes of a name when its lease has expired.
            pub after_expiry: Option<At<AfterExpiryValue>>,
            /// When a reservation's records are there.
            pub reserved_names: Option<ReservedNames>,
        } $(+ $more)* }

        impl $name {
            /// The keys about names.
            #[must_use]
            pub fn naming_keys(&self) -> NamingKeys<'_> {
                NamingKeys {
                    domain: self.domain.as_ref(),
                    clean: self.clean,
                    outside: self.outside,
                    client_updates: self.client_updates,
                    override_no_update: self.override_no_update,
                    generate: self.generate.as_ref(),
                    replace: self.replace.as_ref(),
                    ttl: self.ttl.as_ref(),
                    conflict_check: self.conflict_check,
                    conflict: self.conflict,
                    suffix_keep: self.suffix_keep.as_ref(),
                    after_expiry: self.after_expiry.as_ref(),
                    reserved_names: self.reserved_names,
                }
            }
        }
    };
}
