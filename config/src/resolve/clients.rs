//! Whom a reservation is for, as it is written.

use dhcp::settings::ReservedFor;

use super::scalars::{client_id, duid, hardware, relay_bytes};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{BytesText, OneOrMore};
use crate::file::v1::{HostInterface, Reservation};

/// A key, or `None` for a faulty one that is reported already; where it is written; what it is called.
pub(super) type Written = (Option<ReservedFor>, Span, String);

/// Makes a key of its bytes.
type Key = fn(Box<[u8]>) -> ReservedFor;

/// All keys of a host's interface, as a reservation for it has them.
pub(super) fn of_interface(interface: &HostInterface, findings: &mut Findings) -> Vec<Written> {
    let HostInterface { hardware, client_id, duid, .. } = interface.clone();
    written(&Reservation { hardware, client_id, duid, ..Reservation::default() }, findings)
}

/// All keys of a reservation.
pub(super) fn written(reservation: &Reservation, findings: &mut Findings) -> Vec<Written> {
    let mut out: Vec<Written> = Vec::new();
    for text in reservation.hardware.iter().flat_map(At::each) {
        let key = hardware(&text, findings).map(ReservedFor::Hardware);
        out.push((key, text.span, format!("hardware address {}", text.value.0)));
    }
    for text in reservation.client_id.iter().flat_map(At::each) {
        let key = client_id(&text, findings).map(ReservedFor::ClientId);
        out.push((key, text.span, format!("client identifier {}", text.value.0)));
    }
    for text in reservation.duid.iter().flat_map(At::each) {
        out.push((duid(&text, findings).map(ReservedFor::Duid), text.span, format!("DUID {}", text.value.0)));
    }
    out.extend(places(reservation, findings));
    let subscriber = ("subscriber identifier", ReservedFor::SubscriberId as Key);
    out.extend(each(reservation.subscriber_id.as_ref(), subscriber, findings));
    out
}

/// Circuit and remote identifier: each alone, or both together.
fn places(reservation: &Reservation, findings: &mut Findings) -> Vec<Written> {
    let circuit = ("circuit identifier", ReservedFor::CircuitId as Key);
    let remote = ("remote identifier", ReservedFor::RemoteId as Key);
    let (Some(circuits), Some(remotes)) = (&reservation.circuit_id, &reservation.remote_id) else {
        let mut out = each(reservation.circuit_id.as_ref(), circuit, findings);
        out.extend(each(reservation.remote_id.as_ref(), remote, findings));
        return out;
    };
    let (circuit_texts, remote_texts) = (circuits.each(), remotes.each());
    let [circuit_text] = &*circuit_texts else {
        findings.fault(
            circuits.span,
            "beside `remote_id` there is one `circuit_id`, not a list: a client is at one port of one switch",
            "a list",
            "write one of them, and a reservation for each of the others, or take `remote_id` out",
        );
        return vec![(None, circuits.span, String::new())];
    };
    let mut out = Vec::new();
    let circuit_id = relay_bytes(circuit_text, circuit.0, findings);
    for remote_text in &remote_texts {
        let remote_id = relay_bytes(remote_text, remote.0, findings);
        let key = circuit_id
            .clone()
            .zip(remote_id)
            .map(|(circuit_id, remote_id)| ReservedFor::Port { circuit_id, remote_id });
        let what = format!("circuit {} of {}", circuit_text.value.0, remote_text.value.0);
        out.push((key, circuit_text.span, what));
    }
    out
}

fn each(list: Option<&At<OneOrMore<BytesText>>>, (what, key): (&str, Key), findings: &mut Findings) -> Vec<Written> {
    let read = |text: At<BytesText>| {
        let client = relay_bytes(&text, what, findings).map(key);
        (client, text.span, format!("{what} {}", text.value.0))
    };
    list.into_iter().flat_map(At::each).map(read).collect()
}
