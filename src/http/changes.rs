//! What is changed from the page and the API, by the same ways as by commands.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use config::beside::edit::{Client, Edit, NewRecords, RecordKey};
use dhcp::settings::ReservedFor;
use ipnet::Ipv4Net;
use web::model::{
    ConfigurationFile, DeviceDecision, DnsRetry, Edited, FileWord, LeaseRow, RecordsKey, RecordsSet, RecordsWrite,
    Reservation, ReservationWrite, Reservations, ReservationsQuery, Retried,
};
use web::{Actor, Ask, Conditions, ETag, Refusal};

use super::desk::Desk;
use super::leases::{row_of, version_of};
use crate::config_files::Which;
use crate::control::{
    APPLY_WORDS, ReserveRequest, Responder, decision_words, put_machine_words, release_words, remove_machine_words,
    retry_words, unreserve_words,
};
use crate::devices::DecisionGuard;
use crate::dhcp_service::ReleaseGuard;
use crate::reload::{Guard, ReloadView, refusal_words};
use crate::responder::held_by;
use crate::static_records;

impl Desk {
    pub(super) async fn reservations(&self, query: ReservationsQuery) -> Result<(ETag, Reservations), Refusal> {
        let text = self.beside().await?;
        let made = made(&text);
        let config = self.parts.config.load();
        let all =
            config.dhcp.subnets.iter().flat_map(|subnet| subnet.reservations.iter().map(|one| (subnet.prefix, one)));
        let row = |(subnet, one): (Ipv4Net, &dhcp::settings::Reservation)| {
            let clients: Vec<String> = one.clients.iter().map(key_of).collect();
            Reservation {
                made: clients.iter().any(|client| made.contains(&(Client::parse(client).to_normal(), one.address))),
                clients,
                address: one.address,
                subnet: subnet.to_string(),
                hostname: one.hostname.clone(),
            }
        };
        let client = query.client.map(|client| Client::parse(&client).to_normal());
        let is_asked_for = |one: &Reservation| {
            let of_address = query.address.is_some() && one.address == query.address;
            let of_client = client
                .as_ref()
                .is_some_and(|client| one.clients.iter().any(|other| Client::parse(other).to_normal() == *client));
            (query.address.is_none() && client.is_none()) || of_address || of_client
        };
        let reservations = all.map(row).filter(is_asked_for).collect();
        Ok((ETag::of_bytes(text.as_bytes()), Reservations { reservations }))
    }

    pub(super) async fn reserve(
        &self,
        key: String,
        written: ReservationWrite,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        let ReservationWrite { address, subnet, hostname } = written;
        let subnet = subnet.map(|subnet| prefix(&subnet)).transpose()?;
        if address.is_none() && subnet.is_none() {
            return Err(Refusal::Unfit("it needs an `address`, or a `subnet`".to_owned()));
        }
        let wanted = ReserveRequest { client: Some(key), address, subnet, hostname, from_lease: None };
        let new = self.parts.responder.reservation_of(wanted).await?;
        self.edit(Edit::Reserve(new), dry_run, conditions, of_file).await
    }

    pub(super) async fn unreserve(
        &self,
        key: &str,
        subnet: Option<String>,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        let subnet = subnet.map(|subnet| prefix(&subnet)).transpose()?;
        self.edit(Edit::Unreserve(Client::parse(key), subnet), dry_run, conditions, of_file).await
    }

    pub(super) async fn put_records(
        &self,
        key: RecordsKey,
        written: RecordsWrite,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        let key = self.record_key(key);
        let tag = of_records(key.clone());
        let new = NewRecords { key, data: written.data, ttl_secs: written.ttl };
        self.edit(Edit::PutRecords(new), dry_run, conditions, tag).await
    }

    pub(super) async fn delete_records(
        &self,
        key: RecordsKey,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        let key = self.record_key(key);
        self.edit(Edit::RemoveRecords(key.clone(), Vec::new()), dry_run, conditions, of_records(key)).await
    }

    /// Changes the file beside the main one. `tag` tells the version of what is changed, of what that file says.
    pub(super) async fn edit(
        &self,
        edit: Edit,
        dry_run: bool,
        conditions: Conditions,
        tag: impl Fn(&str) -> Option<ETag> + Clone + Send + 'static,
    ) -> Result<Edited, Refusal> {
        let before = tag.clone();
        let guard: Guard = Box::new(move |text| conditions.check(before(text).as_ref()));
        let view = self.parts.responder.edit(vec![edit], dry_run, guard).await?;
        let etag = view.text.as_deref().and_then(tag);
        Ok(Edited { etag, ..view.edited() })
    }

    pub(super) async fn static_records(&self, key: RecordsKey) -> Result<(ETag, RecordsSet), Refusal> {
        let key = self.record_key(key);
        let none = || Refusal::NotFound(format!("no record {key} was made by a command, the API or the page"));
        let text = self.beside().await?;
        static_records::set(&text, &key).ok_or_else(none)
    }

    fn record_key(&self, key: RecordsKey) -> RecordKey {
        let RecordsKey { zone, view, name, rtype } = key;
        let key = RecordKey { zone, view, name, rtype, same: Vec::new() };
        static_records::canonical(&self.parts.config.load(), key)
    }

    /// What the file beside the main one says; nothing where there is none.
    pub(super) async fn beside(&self) -> Result<String, Refusal> {
        match &self.parts.responder.orders {
            Some(orders) => orders.beside().await,
            None => Ok(String::new()),
        }
    }

    pub(super) async fn lease(&self, address: Ipv4Addr) -> Result<(ETag, LeaseRow), Refusal> {
        let lease = self.look(move |core, _| core.engine().lease(address)).await?;
        let lease = lease.ok_or_else(|| Refusal::NotFound(format!("{address} has no lease")))?;
        let row = self.rows_at(vec![address]).await?.pop();
        // It may have gone between the two; then it is told as it was.
        let row = row.unwrap_or_else(|| row_of(&lease, &self.parts.config.load().switches));
        Ok((version_of(&lease), row))
    }

    pub(super) async fn release(
        &self,
        address: Ipv4Addr,
        client: Option<String>,
        conditions: Conditions,
    ) -> Result<LeaseRow, Refusal> {
        let of_client = held_by(address, client);
        let guard: ReleaseGuard = Box::new(move |held| {
            let version = held.map(version_of);
            conditions.check(version.as_ref()).map_err(|refusal| match held {
                Some(held) => Refusal::Changed(format!(
                    "the lease of {address} is another by now: {} has it; look again",
                    held.hardware
                )),
                None => refusal,
            })?;
            of_client(held)
        });
        let lease = self.parts.responder.release(address, guard).await?;
        Ok(row_of(&lease, &self.parts.config.load().switches))
    }

    pub(super) async fn decide_device(
        &self,
        hardware: String,
        decision: DeviceDecision,
        conditions: Conditions,
    ) -> Result<(ETag, String), Refusal> {
        let of = hardware.clone();
        let guard: DecisionGuard = Box::new(move |version, word| {
            let other = |_| Refusal::Changed(format!("somebody else has decided about {of}: it is {word}; look again"));
            conditions.check(Some(version)).map_err(other)
        });
        self.parts.responder.decide_device(hardware, decision.verdict, guard).await
    }

    /// One of the files as it is on the disk, without secrets. Its version is that of the whole text.
    pub(super) async fn file(&self, which: FileWord) -> Result<(ETag, ConfigurationFile), Refusal> {
        let files = self.parts.responder.orders()?.files().await?;
        let text = files.text(which_of(which)).map_err(Refusal::Conflict)?;
        let shown = match which {
            FileWord::Main => config::hidden::hidden(text).ok_or_else(|| no_toml(files.name(Which::Main)))?,
            FileWord::Local => text.to_owned(),
        };
        let name = files.name(which_of(which)).to_owned();
        Ok((ETag::of_bytes(text.as_bytes()), ConfigurationFile { name, text: shown }))
    }

    pub(super) async fn put_file(
        &self,
        which: FileWord,
        text: String,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        let guard: Guard = Box::new(move |text| conditions.check(of_file(text).as_ref()));
        let view = self.parts.responder.orders()?.write(which_of(which), text, dry_run, guard).await?;
        let etag = view.text.as_deref().and_then(of_file);
        Ok(Edited { etag, ..view.edited() })
    }

    pub(super) async fn check(&self, text: String) -> Result<Edited, Refusal> {
        let orders = self.parts.responder.orders()?;
        orders.check(text).await.map(ReloadView::edited)
    }

    pub(super) async fn apply(&self, dry_run: bool) -> Result<Edited, Refusal> {
        let orders = self.parts.responder.orders()?;
        orders.reload(dry_run).await.map(ReloadView::edited)
    }
}

fn prefix(text: &str) -> Result<Ipv4Net, Refusal> {
    text.parse().map_err(|_| Refusal::Unfit(format!("{text:?} is no prefix such as 192.168.30.0/24")))
}

/// Its secrets cannot be told from the rest.
fn no_toml(name: &str) -> Refusal {
    Refusal::Conflict(format!("{name} is not TOML: mend it on the machine; `leasehold check` tells the line"))
}

fn which_of(word: FileWord) -> Which {
    match word {
        FileWord::Main => Which::Main,
        FileWord::Local => Which::Beside,
    }
}

/// The version of reservations is that of their file.
#[allow(clippy::unnecessary_wraps, reason = "what is not there has none")]
pub(super) fn of_file(text: &str) -> Option<ETag> {
    Some(ETag::of_bytes(text.as_bytes()))
}

/// Records have their own; none where there are none.
fn of_records(key: RecordKey) -> impl Fn(&str) -> Option<ETag> + Clone + Send + 'static {
    move |text| static_records::set(text, &key).map(|(tag, _)| tag)
}

fn reserve_words(key: &str, written: &ReservationWrite) -> String {
    let ReservationWrite { address, subnet, hostname } = written;
    let request = ReserveRequest {
        client: Some(key.to_owned()),
        address: *address,
        subnet: None,
        hostname: hostname.clone(),
        from_lease: None,
    };
    let of = subnet.as_ref().map(|subnet| format!(", in {subnet}")).unwrap_or_default();
    request.words() + &of
}

/// Who asks for what change, in words for the audit log; `None`: it only asks, or only wants to be told.
pub(super) fn change_of(ask: &Ask) -> Option<(Actor, String)> {
    let records = |RecordsKey { zone, view, name, rtype }: &RecordsKey| {
        let view = view.as_ref().map_or_else(String::new, |view| format!(" (view {view})"));
        format!("{rtype} of {name} in the zone {zone}{view}")
    };
    match ask {
        Ask::Reserve { key, written, dry_run: false, actor, .. } => {
            Some((actor.clone(), reserve_words(key, written)))
        }
        Ask::Unreserve { key, subnet, dry_run: false, actor, .. } => {
            Some((actor.clone(), unreserve_words(key, subnet.as_ref())))
        }
        Ask::PutRecords { key, written, dry_run: false, actor, .. } => {
            Some((actor.clone(), format!("put the records {}: {}", records(key), written.data.join(", "))))
        }
        Ask::DeleteRecords { key, dry_run: false, actor, .. } => {
            Some((actor.clone(), format!("take out the records {}", records(key))))
        }
        Ask::RetryNames(DnsRetry { of }, actor, _) => Some((actor.clone(), retry_words(of.as_deref()))),
        Ask::PutMachine { name, written, dry_run: false, actor, .. } => {
            Some((actor.clone(), put_machine_words(name, written)))
        }
        Ask::DeleteMachine { name, dry_run: false, actor, .. } => Some((actor.clone(), remove_machine_words(name))),
        Ask::Release { address, actor, .. } => Some((actor.clone(), release_words(*address))),
        Ask::DecideDevice { hardware, decision, actor, .. } => {
            Some((actor.clone(), decision_words(hardware, &decision.verdict)))
        }
        Ask::PutFile { which, dry_run: false, actor, .. } => {
            let which = match which {
                FileWord::Main => "the main file",
                FileWord::Local => "the file of reservations and records",
            };
            Some((actor.clone(), format!("write {which} of the configuration, and take it over")))
        }
        Ask::Apply { dry_run: false, actor, .. } => Some((actor.clone(), APPLY_WORDS.to_owned())),
        Ask::Reserve { dry_run: true, .. }
        | Ask::Unreserve { dry_run: true, .. }
        | Ask::PutRecords { dry_run: true, .. }
        | Ask::DeleteRecords { dry_run: true, .. }
        | Ask::PutMachine { dry_run: true, .. }
        | Ask::DeleteMachine { dry_run: true, .. }
        | Ask::Apply { dry_run: true, .. }
        | Ask::PutFile { dry_run: true, .. }
        | Ask::File(..)
        | Ask::CheckConfiguration(..)
        | Ask::Status(_)
        | Ask::Leases(..)
        | Ask::Host(..)
        | Ask::Explain(..)
        | Ask::Subnets(_)
        | Ask::Subnet(..)
        | Ask::Map(..)
        | Ask::Zones(_)
        | Ask::Records(..)
        | Ask::DnsWork(..)
        | Ask::History(..)
        | Ask::Past(..)
        | Ask::Changes(..)
        | Ask::PastHolder(..)
        | Ask::Configuration(_)
        | Ask::Hosts(..)
        | Ask::Queries(..)
        | Ask::Forwarder(_)
        | Ask::Reservations(..)
        | Ask::StaticRecords(..)
        | Ask::Machines(_)
        | Ask::Devices(_)
        | Ask::Device(..)
        | Ask::Lease(..)
        // Noted where commands are obeyed.
        | Ask::Command(..) => None,
    }
}

/// What keeps an answer from being a change that was made.
pub(super) trait Outcome {
    /// In words; none where nothing does.
    fn hindered(&self) -> Option<String>;
}

impl Outcome for Edited {
    fn hindered(&self) -> Option<String> {
        self.hindrance()
    }
}

impl Outcome for Retried {
    fn hindered(&self) -> Option<String> {
        None
    }
}

impl Outcome for (ETag, String) {
    fn hindered(&self) -> Option<String> {
        None
    }
}

impl Outcome for LeaseRow {
    fn hindered(&self) -> Option<String> {
        None
    }
}

/// Makes a change, and notes it before whoever asked is told.
pub(super) async fn noting<T: Outcome>(
    responder: &impl Responder,
    change: Option<(Actor, String)>,
    making: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let made = making.await;
    if let Some((actor, what)) = change {
        let result = match &made {
            Ok(made) => made.hindered().map_or(Ok(()), Err),
            Err(refusal) => Err(refusal_words(refusal.clone())),
        };
        responder.noted(actor, what, result).await;
    }
    made
}

/// The keys of reservations in the file beside the main one, each with its address.
fn made(text: &str) -> HashSet<(String, Option<Ipv4Addr>)> {
    let list = config::beside::edit::reservations(text);
    list.into_iter().map(|(client, address)| (client.to_normal(), address)).collect()
}

/// A client as a key of the API.
fn key_of(client: &ReservedFor) -> String {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":");
    match client {
        ReservedFor::Hardware(hardware) => hardware.to_string(),
        ReservedFor::ClientId(id) => format!("hex:{}", hex(&id.0)),
        ReservedFor::Duid(duid) => format!("duid:hex:{}", hex(duid)),
        ReservedFor::CircuitId(id) => format!("circuit hex:{}", hex(id)),
        ReservedFor::RemoteId(id) => format!("remote hex:{}", hex(id)),
        ReservedFor::SubscriberId(id) => format!("subscriber hex:{}", hex(id)),
        ReservedFor::Port { circuit_id, remote_id } => {
            format!("circuit hex:{} of remote hex:{}", hex(circuit_id), hex(remote_id))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::oneshot;

    use super::*;
    use crate::control::{Answer, Request};

    /// Who, what, and what came of it.
    type Noted = (Actor, String, Result<(), String>);

    #[derive(Default)]
    struct Kept(Mutex<Vec<Noted>>);

    impl Responder for Kept {
        async fn respond(&self, _: Request) -> Answer<serde_json::Value> {
            Answer::Ok(serde_json::Value::Null)
        }

        async fn noted(&self, actor: Actor, what: String, result: Result<(), String>) {
            self.0.lock().unwrap().push((actor, what, result));
        }
    }

    #[tokio::test]
    async fn a_reservation_by_the_api_is_noted_with_who_made_it() {
        let actor = Actor::Token { name: "netbox".to_owned(), address: [10, 0, 0, 2].into() };
        let ask = |dry_run| Ask::Reserve {
            key: "00:11:32:aa:bb:cc".to_owned(),
            written: ReservationWrite { address: Some([10, 0, 0, 5].into()), subnet: None, hostname: None },
            dry_run,
            conditions: Conditions::default(),
            actor: actor.clone(),
            to: oneshot::channel().0,
        };
        assert_eq!(change_of(&ask(true)), None, "a dry run changes nothing");
        let kept = Kept::default();
        let applied = Edited { applied: true, ..Edited::default() };
        let refused = Edited { refused: vec!["it is taken".to_owned()], ..Edited::default() };
        let gone = Refusal::Changed("somebody was first".to_owned());
        for made in [Ok(applied), Ok(refused), Err(gone)] {
            _ = noting(&kept, change_of(&ask(false)), async { made }).await;
        }
        let what = "reserve 10.0.0.5 for 00:11:32:aa:bb:cc".to_owned();
        let results = [Ok(()), Err("it is taken".to_owned()), Err("somebody was first".to_owned())];
        assert_eq!(kept.0.into_inner().unwrap(), results.map(|result| (actor.clone(), what.clone(), result)));
    }
}
