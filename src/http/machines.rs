//! Machines with one name for all their addresses, as the files of the configuration have them.

use config::beside::edit::{Client, Edit};
use config::beside::machines::{self, Interface};
use web::model::{Edited, Machine, MachineInterface, MachineWrite, Machines};
use web::{Conditions, ETag, Refusal};

use super::changes::of_file;
use super::desk::Desk;

impl Desk {
    pub(super) async fn machines(&self) -> Result<(ETag, Machines), Refusal> {
        let (main, beside) = match &self.parts.responder.orders {
            Some(orders) => orders.texts().await?,
            None => Default::default(),
        };
        Ok((ETag::of_bytes(beside.as_bytes()), listed(&main, &beside)))
    }

    pub(super) async fn put_machine(
        &self,
        name: String,
        written: MachineWrite,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        self.edit(put(name, written), dry_run, conditions, of_file).await
    }

    pub(super) async fn delete_machine(
        &self,
        name: String,
        dry_run: bool,
        conditions: Conditions,
    ) -> Result<Edited, Refusal> {
        self.edit(Edit::RemoveMachine(name), dry_run, conditions, of_file).await
    }
}

/// The machines of the main file and of the one beside it.
pub(crate) fn listed(main: &str, beside: &str) -> Machines {
    let of = |text: &str, made: bool| machines::machines(text).into_iter().map(move |one| shown(one, made));
    Machines { machines: of(main, false).chain(of(beside, true)).collect() }
}

fn shown(machine: machines::Machine, made: bool) -> Machine {
    let machines::Machine { name, domain, addresses, interfaces, ttl } = machine;
    let interfaces = interfaces.into_iter().map(|Interface { clients, address }| MachineInterface {
        clients: clients.iter().map(ToString::to_string).collect(),
        address,
    });
    Machine { name, domain, addresses, interfaces: interfaces.collect(), ttl, made }
}

/// What is to be written.
pub(crate) fn put(name: String, written: MachineWrite) -> Edit {
    let MachineWrite { domain, addresses, interfaces, ttl } = written;
    let interfaces = interfaces.into_iter().map(|MachineInterface { clients, address }| Interface {
        clients: clients.iter().map(|client| Client::parse(client)).collect(),
        address,
    });
    let ttl = ttl.map(|seconds| seconds.to_string());
    Edit::PutMachine(machines::Machine { name, domain, addresses, interfaces: interfaces.collect(), ttl })
}
