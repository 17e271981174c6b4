//! What is changed from the page and the API, by the same ways as by commands.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use config::beside::edit::{Client, Edit, NewRecords, RecordKey};
use dhcp::settings::ReservedFor;
use ipnet::Ipv4Net;
use web::model::{Edited, Fault, LeaseRow, RecordsKey, RecordsWrite, Reservation, ReservationWrite, Reservations};
use web::{Conditions, ETag, Refusal};

use super::desk::Desk;
use super::leases::row_of;
use crate::control::ReserveRequest;
use crate::dhcp_service::Question;
use crate::reload::{Guard, ReloadView};

impl Desk {
    pub(super) async fn reservations(&self) -> Result<(ETag, Reservations), Refusal> {
        let text = match &self.parts.responder.orders {
            Some(orders) => orders.beside().await?,
            None => String::new(),
        };
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
        Ok((ETag::of_bytes(text.as_bytes()), Reservations { reservations: all.map(row).collect() }))
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
        self.edit(Edit::Reserve(new), dry_run, conditions).await
    }

    pub(super) async fn unreserve(
        &self,
        key: &str,
        subnet: Option<String>,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        let subnet = subnet.map(|subnet| prefix(&subnet)).transpose()?;
        self.edit(Edit::Unreserve(Client::parse(key), subnet), dry_run, conditions).await
    }

    pub(super) async fn put_records(
        &self,
        key: RecordsKey,
        written: RecordsWrite,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        let new = NewRecords { key: record_key(key), data: written.data, ttl_secs: written.ttl };
        self.edit(Edit::PutRecords(new), dry_run, conditions).await
    }

    pub(super) async fn delete_records(
        &self,
        key: RecordsKey,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        self.edit(Edit::RemoveRecords(record_key(key)), dry_run, conditions).await
    }

    async fn edit(&self, edit: Edit, dry_run: bool, conditions: Conditions) -> Result<Edited, Refusal> {
        let guard: Guard = Box::new(move |text| conditions.check(Some(&ETag::of_bytes(text.as_bytes()))));
        self.parts.responder.edit(vec![edit], dry_run, guard).await.map(change_of)
    }

    pub(super) async fn release(&self, address: Ipv4Addr) -> Result<LeaseRow, Refusal> {
        let ended = self.parts.responder.ask_service(|to| Question::Release(address, to)).await;
        let lease = ended.ok_or(Refusal::Ending)?.map_err(Refusal::NotFound)?;
        Ok(row_of(&lease, &self.parts.config.load().switches))
    }

    pub(super) async fn check(&self, text: String) -> Result<Edited, Refusal> {
        let orders = self.parts.responder.orders()?;
        orders.check(text).await.map(change_of)
    }

    pub(super) async fn apply(&self, dry_run: bool) -> Result<Edited, Refusal> {
        let orders = self.parts.responder.orders()?;
        orders.reload(dry_run).await.map(change_of)
    }
}

fn prefix(text: &str) -> Result<Ipv4Net, Refusal> {
    text.parse().map_err(|_| Refusal::Unfit(format!("{text:?} is no prefix such as 192.168.30.0/24")))
}

fn record_key(key: RecordsKey) -> RecordKey {
    RecordKey { zone: key.zone, name: key.name, rtype: key.rtype }
}

fn change_of(view: ReloadView) -> Edited {
    let ReloadView { applied, changes, effects, refused, found, .. } = view;
    // Made by the same crate that they are read here from.
    let faults: Vec<Fault> = found.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect();
    Edited { applied, changes, effects, refused, faults }
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
