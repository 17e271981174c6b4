//! The daemon.

pub mod demo;
pub mod dhcp_sockets;
pub mod link_check;
