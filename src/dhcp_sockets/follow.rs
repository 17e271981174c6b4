//! Sockets follow the machine's interfaces, and new settings: which are opened and closed, and what is told of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{
    DhcpSockets, InterfaceInfo, InterfaceTable, LinkKind, Links, NotServed, SocketError, SocketSettings, Way, port,
    select_served,
};

/// A socket that could not be opened while running is tried again this much later.
const RETRY: Duration = Duration::from_secs(2);

/// For how long an interface is heard that new settings serve no more.
const DRAIN: Duration = Duration::from_secs(2);

impl DhcpSockets {
    /// Opens what other settings serve beside what is open, so that nothing can fail when they are adopted.
    ///
    /// # Errors
    /// What cannot be opened, or what sockets that are open cannot become; then nothing is different.
    pub fn prepare(&mut self, settings: &SocketSettings) -> Result<(), SocketError> {
        self.prepared.clear();
        let table = Arc::clone(&self.table.borrow());
        let links = self.links.load_full();
        let Way::Interfaces { sockets, .. } = &links.way else { return Ok(()) };
        let (served, _) = select_served(settings, &table);
        let mut prepared = BTreeMap::new();
        for info in served.iter().filter(|info| !sockets.contains_key(&info.index)) {
            let socket = port::open_on_interface(&info.name, settings.server_port)?;
            prepared.insert(info.index, Arc::new(socket));
        }
        self.prepared = prepared;
        Ok(())
    }

    /// Whether other settings need another way of sending and hearing than is open.
    #[must_use]
    pub fn needs_restart(&self, settings: &SocketSettings) -> bool {
        let links = self.links.load();
        let loopback = names_loopback_alone(settings, &self.table.borrow());
        let way = match &links.way {
            Way::Closed => settings.closed,
            Way::Address { address, .. } => {
                let meant = if loopback { Ipv4Addr::LOCALHOST } else { settings.bind_address };
                !settings.closed && meant == *address
            }
            Way::Interfaces { .. } => !settings.closed && settings.bind_address.is_unspecified() && !loopback,
        };
        let ports = |settings: &SocketSettings| (settings.server_port, settings.client_port, settings.relay_port);
        !way || ports(settings) != ports(&self.settings)
    }

    /// Serves by other settings: what was prepared is heard at once, and what they serve no more is heard a little longer,
    /// so that whoever has been offered an address there can take it.
    pub fn adopt(&mut self, settings: SocketSettings) {
        if settings == self.settings {
            return;
        }
        self.settings = settings;
        let before = self.served();
        let names = before.iter().map(|info| info.name.clone()).collect();
        self.draining = Some((names, Instant::now() + DRAIN));
        let failures = self.follow_interfaces();
        self.tell_failures(&failures);
        self.prepared.clear();
    }

    /// Opens and closes sockets after the newest table. Returns what could not be opened.
    pub(super) fn follow_interfaces(&mut self) -> Vec<(String, SocketError)> {
        let table = Arc::clone(&self.table.borrow_and_update());
        let old = self.links.load_full();
        let mut failures = Vec::new();
        let (mut served, mut not_served) = select_served(&self.settings, &table);
        let drains = self.draining.take_if(|(_, until)| *until <= Instant::now()).is_none();
        if let Some((names, _)) = self.draining.as_ref().filter(|_| drains) {
            let is_served = |index| served.iter().any(|info: &Arc<InterfaceInfo>| info.index == index);
            let drained = old.served.iter().filter(|info| names.contains(&info.name) && !is_served(info.index));
            let drained: Vec<_> = drained.filter_map(|info| table.by_name(&info.name)).map(Arc::clone).collect();
            served.extend(drained);
        }
        let way = match &old.way {
            Way::Address { address, socket } => {
                (served, not_served) = (Vec::new(), Vec::new());
                Way::Address { address: *address, socket: Arc::clone(socket) }
            }
            Way::Closed => {
                (served, not_served) = (Vec::new(), Vec::new());
                Way::Closed
            }
            Way::Interfaces { sockets, frames, datagrams } => {
                let mut open = BTreeMap::new();
                served.retain(|info| {
                    let socket = match sockets.get(&info.index) {
                        Some(socket) => Ok(Arc::clone(socket)),
                        None if self.prepared.contains_key(&info.index) => Ok(Arc::clone(&self.prepared[&info.index])),
                        None => port::open_on_interface(&info.name, self.settings.server_port).map(Arc::new),
                    };
                    match socket {
                        Ok(socket) => _ = open.insert(info.index, socket),
                        Err(error) => failures.push((info.name.clone(), error)),
                    }
                    open.contains_key(&info.index)
                });
                Way::Interfaces { sockets: open, frames: Arc::clone(frames), datagrams: Arc::clone(datagrams) }
            }
        };
        self.tell_changes(&old.served, &served, &not_served);
        forget_closed(&mut self.overflows, &old.way, &way);
        self.links.store(Arc::new(Links { table, served, ports: old.ports, way }));
        self.retry_at = (!failures.is_empty()).then(|| Instant::now() + RETRY);
        failures
    }

    pub(super) fn tell_failures(&mut self, failures: &[(String, SocketError)]) {
        let words = |(name, error): &(String, SocketError)| format!("cannot serve {name}: {}", crate::words(error));
        let told: Vec<String> = failures.iter().map(words).collect();
        for line in told.iter().filter(|line| !self.failing.contains(line)) {
            tracing::error!("{line}; it is tried again every {} s", RETRY.as_secs());
        }
        self.failing = told;
    }

    fn tell_changes(&mut self, before: &[Arc<InterfaceInfo>], now: &[Arc<InterfaceInfo>], not_served: &[NotServed]) {
        let has = |list: &[Arc<InterfaceInfo>], index| list.iter().any(|info| info.index == index);
        for info in now.iter().filter(|info| !has(before, info.index)) {
            tracing::info!(interface = info.name, addresses = ?info.addresses, "serving");
        }
        for info in before.iter().filter(|info| !has(now, info.index)) {
            tracing::warn!(
                interface = info.name,
                "no longer serving: it went down, lost its address, is gone, or the configuration leaves it out"
            );
        }
        let mut told: Vec<String> = not_served.iter().map(ToString::to_string).collect();
        if now.is_empty() && told.is_empty() && matches!(self.links.load().way, Way::Interfaces { .. }) {
            told.push(NOTHING_SERVED.to_owned());
        }
        for line in told.iter().filter(|line| !self.not_served.contains(line)) {
            tracing::warn!("{line}");
        }
        self.not_served = told;
    }
}

/// The kernel counts by socket, from when it is opened: the count of one that was closed says nothing of the next one.
fn forget_closed(overflows: &mut BTreeMap<u32, u32>, before: &Way, now: &Way) {
    if let (Way::Interfaces { sockets: before, .. }, Way::Interfaces { sockets: now, .. }) = (before, now) {
        let same =
            |index: &u32| before.get(index).zip(now.get(index)).is_some_and(|(before, now)| Arc::ptr_eq(before, now));
        overflows.retain(|index, _| same(index));
    }
}

/// What relays bring can come by any interface, so that one has to be named for it.
const NOTHING_SERVED: &str = "no interface is served, and no client is heard: none that is up has an address in a \
                              subnet; where relays bring all requests, name the interface that they reach this \
                              machine by (`interfaces` in [server])";

pub(super) fn names_loopback_alone(settings: &SocketSettings, table: &InterfaceTable) -> bool {
    let is_loopback = |name: &String| table.by_name(name).is_some_and(|info| info.kind == LinkKind::Loopback);
    !settings.interfaces.is_empty() && settings.interfaces.iter().all(is_loopback)
}
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use super::*;
    use crate::dhcp_sockets::AsyncSocket;

    #[tokio::test]
    async fn what_the_kernel_lost_is_counted_by_open_socket() {
        let socket = || Arc::new(port::open_on_address(Ipv4Addr::LOCALHOST, 0).unwrap());
        let (stays, closed, opened, other) = (socket(), socket(), socket(), socket());
        let way = |list: &[(u32, &Arc<AsyncSocket>)]| Way::Interfaces {
            sockets: list.iter().map(|(index, socket)| (*index, Arc::clone(socket))).collect(),
            frames: Arc::clone(&other),
            datagrams: Arc::clone(&other),
        };
        let both = way(&[(2, &stays), (3, &closed)]);
        let mut overflows = BTreeMap::from([(2, 20), (3, 30)]);
        forget_closed(&mut overflows, &both, &both);
        assert_eq!(overflows, BTreeMap::from([(2, 20), (3, 30)]));
        forget_closed(&mut overflows, &both, &way(&[(2, &stays)]));
        assert_eq!(overflows, BTreeMap::from([(2, 20)]), "the interface went down");
        overflows.insert(3, 30);
        forget_closed(&mut overflows, &both, &way(&[(2, &stays), (3, &opened)]));
        assert_eq!(overflows, BTreeMap::from([(2, 20)]), "another socket counts from zero");

        // One address is bound: whatever interfaces do, its socket stays.
        let way = Way::Address { address: Ipv4Addr::LOCALHOST, socket: stays };
        let mut overflows = BTreeMap::from([(0, 7)]);
        forget_closed(&mut overflows, &way, &way);
        assert_eq!(overflows, BTreeMap::from([(0, 7)]));
    }
}
