//! Interfaces that come and go: a table that follows the machine.
//!
//! A route netlink socket tells that something about a link or an IPv4 address changed; what it is now is
//! read afresh. So a message that got lost (ENOBUFS), or that a newer kernel words in a new way, costs
//! nothing: every message, and every error, means "look again".

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use tokio::sync::watch;

use super::interfaces::InterfaceTable;
use super::port::{AsyncSocket, into_reactor};

/// RTMGRP_LINK and RTMGRP_IPV4_IFADDR (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10;

/// Changes come in bursts (a link, its flags, its address); this long after the first of them we look.
const SETTLE: Duration = Duration::from_millis(20);

/// We look this often even when nothing was told, against a change that no message announced.
const LOOK_ANYWAY: Duration = Duration::from_secs(30);

/// Looks at the machine now and whenever it changes. The table is replaced only when it differs. The task
/// ends when every receiver is gone.
///
/// # Errors
/// When the kernel gives no netlink socket, or cannot list its interfaces.
pub(super) fn watch_interfaces() -> io::Result<watch::Receiver<Arc<InterfaceTable>>> {
    // The socket first: a change between the first look and the first wait is then told, not missed.
    let changes = into_reactor(open_netlink()?)?;
    let (sender, receiver) = watch::channel(Arc::new(InterfaceTable::snapshot()?));
    tokio::spawn(follow(changes, sender));
    Ok(receiver)
}

fn open_netlink() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    Ok(netlink)
}

async fn follow(changes: AsyncSocket, sender: watch::Sender<Arc<InterfaceTable>>) {
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(LOOK_ANYWAY) => {}
            ready = changes.readable() => match ready {
                Ok(mut ready) => {
                    tokio::time::sleep(SETTLE).await;
                    drain(changes.get_ref());
                    ready.clear_ready();
                }
                // The runtime is shutting down, or the descriptor is lost: fall back on looking now and then.
                Err(_) => tokio::time::sleep(LOOK_ANYWAY).await,
            },
        }
        match InterfaceTable::snapshot() {
            Ok(table) => {
                sender.send_if_modified(|current| {
                    let changed = **current != table;
                    if changed {
                        *current = Arc::new(table);
                    }
                    changed
                });
            }
            Err(error) => tracing::warn!(%error, "the interfaces cannot be listed; the last known ones stay in use"),
        }
    }
}

/// Reads until nothing is left. What the messages say does not matter, and neither does an overrun.
fn drain(netlink: &OwnedFd) {
    let mut buffer = [0; 8192];
    // Bounded, so that a machine whose interfaces never rest cannot hold us here.
    for _ in 0..1024 {
        match recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(_) | Err(nix::Error::ENOBUFS | nix::Error::EINTR) => {}
            Err(_) => return,
        }
    }
}
