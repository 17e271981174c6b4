//! Servers that do no work: what the machine's network and disk allow at most. They overlap nothing: receive, sync,
//! send. Frozen: a change here changes every ratio that was ever quoted.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use nix::sys::socket::SockaddrIn;

use crate::batch::BatchSocket;
use crate::packet::{ACK, OFFER};

/// What is written for each ACK, in bytes: as much as a lease record with its name takes.
const RECORD: usize = 128;
/// The file's length, written in full beforehand, so that a sync brings no metadata along.
const FILE: usize = 256 << 20;

/// When a reflector syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sync {
    Never,
    /// Once for all ACKs of a batch, before any of them leaves.
    Batch,
    /// Once for each ACK, before it leaves.
    Each,
}

/// Answers every DISCOVER and REQUEST.
#[derive(Args, Debug)]
pub(crate) struct Reflect {
    #[arg(long)]
    server: Ipv4Addr,
    #[arg(long)]
    sync: Sync,
    /// Where records are written.
    #[arg(long)]
    file: PathBuf,
}

impl Reflect {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&self.file)?;
        if self.sync != Sync::Never {
            let zeros = vec![0; 1 << 20];
            for at in (0..FILE).step_by(zeros.len()) {
                file.write_all_at(&zeros, at as u64)?;
            }
            file.sync_all()?;
        }
        let mut socket = BatchSocket::bind(SocketAddrV4::new(self.server, 67), Duration::from_secs(1))?;
        let mut at = 0;
        let mut out = Vec::new();
        loop {
            if !socket.receive()? {
                continue;
            }
            out.clear();
            out.extend(socket.datagrams().filter_map(|(request, _)| self.reply(request)));
            let is_ack = |(reply, _): &(Vec<u8>, SockaddrIn)| reply[242] == ACK;
            let acks = out.iter().filter(|reply| is_ack(reply)).count();
            match self.sync {
                Sync::Never => socket.send(&out)?,
                Sync::Batch => {
                    if acks > 0 {
                        write(&file, &mut at, acks)?;
                    }
                    socket.send(&out)?;
                }
                Sync::Each => {
                    for reply in &out {
                        if is_ack(reply) {
                            write(&file, &mut at, 1)?;
                        }
                        socket.send(std::slice::from_ref(reply))?;
                    }
                }
            }
        }
    }

    /// OFFER or ACK of the address that the client's number makes.
    fn reply(&self, request: &[u8]) -> Option<(Vec<u8>, SockaddrIn)> {
        let kind = match request.get(240..243)? {
            [53, 1, 1] => OFFER,
            [53, 1, 3] => ACK,
            _ => return None,
        };
        let number = u32::from_be_bytes(request.get(30..34)?.try_into().ok()?);
        let giaddr: [u8; 4] = request.get(24..28)?.try_into().ok()?;
        let mut reply = request.get(..240)?.to_vec();
        reply[0] = 2;
        reply[16..20].copy_from_slice(&(u32::from(Ipv4Addr::new(10, 65, 0, 0)) + number).to_be_bytes());
        reply.extend([53, 1, kind, 54, 4]);
        reply.extend(self.server.octets());
        reply.extend([51, 4, 0, 0, 14, 16, 1, 4, 255, 192, 0, 0, 255]);
        reply.resize(300, 0);
        let [a, b, c, d] = giaddr;
        Some((reply, SockaddrIn::new(a, b, c, d, 67)))
    }
}

fn write(file: &File, at: &mut usize, records: usize) -> anyhow::Result<()> {
    let bytes = vec![0x5A; records * RECORD];
    if *at + bytes.len() > FILE {
        *at = 0;
    }
    file.write_all_at(&bytes, *at as u64)?;
    *at += bytes.len();
    Ok(file.sync_data()?)
}
