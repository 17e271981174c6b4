//! DHCPv4: messages, subnets, leases and the engine that decides.
//!
//! Reading order: [`time`], [`identity`] (who a client is), [`settings`] (what the administrator
//! wants, checked), [`limits`] (what a sender may cost), [`message`] (one datagram read tolerantly), [`class`] (what
//! kinds of client its sender is of), [`lease`], [`leasequery`] (who may be told of one), [`names`] (the question
//! about a client's name that the engine asks outwards), [`engine`] (a message in, a [`decision`] out),
//! [`reply`] (a decision's reply as bytes), [`destination`] (where it goes), [`relay_info`] (option 82 in words) and
//! [`client`] (the other side).
//!
//! Architecture Invariant: nothing here opens a socket or a file, reads a clock or draws a random
//! number. Time comes in as a parameter; what is to be done goes out as a value.

pub mod class;
pub mod client;
pub mod decision;
pub mod destination;
pub mod devices;
mod drop_reason;
pub mod engine;
mod few;
pub mod identity;
pub mod lease;
pub mod leasequery;
pub mod limits;
pub mod message;
pub mod names;
pub mod options;
pub mod probing;
pub mod relay_info;
pub mod reply;
pub mod settings;
pub mod time;
