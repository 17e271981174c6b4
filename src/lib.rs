//! The daemon.

pub mod dhcp_sockets;
