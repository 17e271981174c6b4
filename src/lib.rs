//! The daemon.

pub mod dhcp_sockets;
pub mod link_check;
