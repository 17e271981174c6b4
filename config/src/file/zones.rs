//! Tables about names in DNS: how they are kept there, the zones that they are in, static records, and what updates are
//! signed with.

use schemars::JsonSchema;
use serde::Deserialize;

use super::access::UpdateRule;
use super::at::At;
use super::keys::NamingKeys;
use super::kinds::{
    AskerText, DomainName, Duration, FilePath, FreeText, HowOften, OneOrMore, PercentText, Prefix, RecordTypeText,
    Secret, ServerAddress, ViewName,
};
use super::naming::{AfterExpiryValue, Generate, TtlValue};
use super::words::{
    Algorithm, Clean, ClientUpdates, Conflict, ConflictCheck, FormerServer, Outside, Replace, ReservedNames,
    ReverseGuard, ZoneKind,
};

table! {
    [
        /// How names are kept in DNS, and the naming defaults for every subnet.
    ] Ddns {
        /// The server that takes the updates of every domain and subnet that no `[[zone]]` holds (RFC 2136). It is asked
        /// where its zones begin.
        pub server: Option<At<OneOrMore<ServerAddress>>>,
        /// The key that signs updates to `server`.
        pub key: Option<At<DomainName>>,
        /// Instead of `key`: the account whose Kerberos tickets sign updates to `server` (GSS-TSIG).
        pub gss: Option<At<Gss>>,
        /// How PTR records are guarded: by a DHCID record, or replaced without a question as RFC 4703 has it.
        pub reverse: Option<ReverseGuard>,
        /// Names that no client may take.
        pub protected: Option<Vec<At<DomainName>>>,
        /// The first pause after a failed update.
        pub retry_first: Option<At<Duration>>,
        /// The longest pause after failed updates.
        pub retry_max: Option<At<Duration>>,
        /// The pause after somebody else was found to own the name.
        pub retry_conflict: Option<At<Duration>>,
        /// How often every zone is compared with what it should hold.
        pub audit: Option<At<HowOften>>,
        /// Such an audit mends what is this server's.
        pub audit_repairs: Option<At<bool>>,
        /// How much of a zone's names may be deleted in one go without being asked.
        pub delete_share_max: Option<At<PercentText>>,
        /// DHCP servers that were here before, whose names for the same clients are taken over.
        pub inherit: Option<Vec<FormerServer>>,
    } + naming_keys
}

/// A TSIG key (RFC 8945).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name, the same on both sides.
    #[schemars(required)]
    pub name: Option<At<DomainName>>,
    /// Its algorithm.
    pub algorithm: Option<Algorithm>,
    /// Its secret in base64. Better in a file of its own that only the daemon can read.
    pub secret: Option<At<Secret>>,
    /// A file that holds the secret: base64 alone, or a key as `tsig-keygen` writes it.
    pub secret_file: Option<At<FilePath>>,
}

/// An account at a Kerberos realm (RFC 3645), such as an Active Directory domain.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gss {
    /// Its principal, with the realm.
    #[schemars(required)]
    pub principal: Option<At<FreeText>>,
    /// The file that holds its key.
    #[schemars(required)]
    pub keytab: Option<At<FilePath>>,
    /// The principal of the DNS server, or a list with one for each server; else each is asked for its name.
    pub service: Option<At<OneOrMore<FreeText>>>,
}

/// A DNS zone that names are kept in.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its apex.
    pub name: Option<At<DomainName>>,
    /// Instead of `name`: the reverse zone (or zones) of this prefix. Beside `name`: the prefix, longer than 24, whose PTR
    /// records stand in that zone (RFC 2317).
    pub prefix: Option<At<Prefix>>,
    /// Whether the zone is this server's own (`"primary"`, unless it is written otherwise), or a copy of another server's
    /// (`"secondary"`), which `primaries` names.
    pub kind: Option<At<ZoneKind>>,
    /// Secondary: the servers that the zone is transferred from, the preferred one first.
    pub primaries: Option<At<Vec<At<Primary>>>>,
    /// Secondary: who may say that the zone has changed (NOTIFY), beside the primaries.
    pub allow_notify: Option<Vec<At<AskerText>>>,
    /// Secondary: the most records that it may have; else 1,000,000.
    pub records_max: Option<At<u32>>,
    /// Secondary: the most that one transfer of it may bring, in MiB; else 128.
    pub transfer_mib_max: Option<At<u32>>,
    /// Secondary: how long one transfer of it may take; else 30 minutes.
    pub transfer_time_max: Option<At<Duration>>,
    /// The server that takes its updates (RFC 2136), or several, the preferred one first; else the embedded one holds it.
    pub server: Option<At<OneOrMore<ServerAddress>>>,
    /// The key that signs updates to `server`.
    pub key: Option<At<DomainName>>,
    /// Instead of `key`: the account whose Kerberos tickets sign updates to `server` (GSS-TSIG).
    pub gss: Option<At<Gss>>,
    /// Embedded: keys that may update it, with nsupdate for instance.
    pub update_keys: Option<Vec<At<DomainName>>>,
    /// Embedded: rules of who may change what, of which the first that is about a record decides.
    #[serde(default)]
    pub update: Vec<At<UpdateRule>>,
    /// Embedded: the holder of a lease may keep its own A record by itself, over TCP and without a key.
    pub self_by_lease: Option<At<bool>>,
    /// The views that have it; else whoever is in none that has another zone of this name. Several zones may have one name,
    /// each for other views.
    pub views: Option<Vec<At<ViewName>>>,
    /// Embedded, of several zones with one name: whether the names of leases, hosts and reservations are in it; else they are.
    pub leases: Option<At<bool>>,
    /// Embedded: who may ask for its names; else as `[dns]` says.
    pub allow_query: Option<Vec<At<AskerText>>>,
    /// Embedded: who may not, even if allowed.
    pub deny_query: Option<Vec<At<AskerText>>>,
    /// Embedded: from where updates are taken; else as `[dns]` says.
    pub allow_update: Option<Vec<At<AskerText>>>,
    /// Embedded: from where they are not, even if allowed.
    pub deny_update: Option<Vec<At<AskerText>>>,
    /// Embedded: the name of its name server.
    pub ns: Option<At<DomainName>>,
    /// Embedded: the mail address of whoever is responsible.
    pub hostmaster: Option<At<FreeText>>,
    /// Time to live of its static records; embedded: of its SOA and NS records too.
    pub ttl: Option<At<Duration>>,
    /// Embedded: a master file (RFC 1035) with static records, and perhaps the SOA record.
    pub file: Option<At<FilePath>>,
    /// Static records: in the embedded zone, or kept at its `server`.
    pub records: Option<Vec<At<Record>>>,
    /// Embedded: servers that hold a copy. They are told of changes (NOTIFY), and may transfer the zone.
    pub secondaries: Option<Vec<At<Secondary>>>,
    /// Embedded: whether the name servers of the zone that have addresses in it are told of changes too.
    pub notify_ns: Option<At<bool>>,
    /// Embedded: who may transfer it, beside the secondaries.
    pub allow_transfer: Option<Vec<At<AskerText>>>,
}

/// A server that a zone is transferred from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Primary {
    /// Where it answers.
    #[schemars(required)]
    pub address: Option<At<ServerAddress>>,
    /// The key that signs all that is asked of it, and that its answers and notifications must be signed with.
    pub key: Option<At<DomainName>>,
}

/// A server that holds a copy of an embedded zone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secondary {
    /// Where it is told of changes, and comes from for transfers.
    #[schemars(required)]
    pub address: Option<At<ServerAddress>>,
    /// The key that signs what it is told, and that it must sign transfers with; else its address is enough.
    pub key: Option<At<DomainName>>,
}

/// A static record.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// In a `[[record]]` that stands by itself: the zone's name.
    pub zone: Option<At<DomainName>>,
    /// In a `[[record]]` that stands by itself, where several zones have that name: a view of the one that is meant; else it
    /// is the one for all others.
    pub view: Option<At<ViewName>>,
    /// Its owner: relative to the zone, `@` for the apex, or a full name with a final dot.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// Its type.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub rtype: Option<At<RecordTypeText>>,
    /// Its data, as in a zone file.
    #[schemars(required)]
    pub data: Option<At<FreeText>>,
    /// Its time to live; else the zone's.
    pub ttl: Option<At<Duration>>,
    /// Embedded: the views that have it in place of what the zone has of this name and type; else it is the zone's.
    pub views: Option<Vec<At<ViewName>>>,
}
