//! A server's side of TFTP (RFC 1350), for reading alone, with the options of RFC 2347, 2348, 2349 and 7440.
//!
//! Reading order: [`packet`] (bytes to a packet and back), [`name`] (what a client calls a file, as a path below a
//! root) and [`transfer`] (one file on its way: which blocks go out, and when).
//!
//! Architecture Invariant: nothing here opens a socket or a file, or reads a clock. Time comes in as a parameter, and
//! what is to be sent goes out as numbers of blocks.
//!
//! Why not a crate: those that are kept (async-tftp, tftpd) bring an executor or a thread for each client, bind their
//! sockets themselves, and open files by a path that they have joined.

pub mod name;
pub mod packet;
pub mod transfer;
