//! Replies as a capture file, and what tshark finds wrong with it.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Frames are IP datagrams (LINKTYPE_RAW).
const LINK_TYPE: u32 = 101;

pub(crate) struct Capture {
    file: std::io::BufWriter<std::fs::File>,
    path: PathBuf,
    pub(crate) frames: usize,
}

impl Capture {
    pub(crate) fn create(path: &Path) -> Self {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
        let head: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, LINK_TYPE];
        head.iter().for_each(|word| file.write_all(&word.to_le_bytes()).expect("written"));
        Self { file, path: path.to_owned(), frames: 0 }
    }

    /// A datagram from a server to `port`. The frame's time is its seed, so that tshark's line names it.
    pub(crate) fn add(&mut self, seed: u64, from: Ipv4Addr, to: (Ipv4Addr, u16), payload: &[u8]) {
        let total = u16::try_from(28 + payload.len()).expect("an Ethernet frame's worth");
        let mut frame = vec![0x45, 0];
        frame.extend_from_slice(&total.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend_from_slice(&from.octets());
        frame.extend_from_slice(&to.0.octets());
        let sum: u32 = frame.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded");
        frame[10..12].copy_from_slice(&checksum.to_be_bytes());
        frame.extend_from_slice(&67_u16.to_be_bytes());
        frame.extend_from_slice(&to.1.to_be_bytes());
        frame.extend_from_slice(&(total - 20).to_be_bytes());
        // No checksum (RFC 768).
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(payload);
        let len = u32::from(total);
        for word in [u32::try_from(seed & 0x7fff_ffff).expect("31 bits"), 0, len, len] {
            self.file.write_all(&word.to_le_bytes()).expect("written");
        }
        self.file.write_all(&frame).expect("written");
        self.frames += 1;
    }

    /// Panics with tshark's lines about frames that are malformed or that it has an error to tell of, or that are not
    /// DHCP to it. Without tshark it says so, unless `LEASEHOLD_REQUIRE_TSHARK` is set.
    pub(crate) fn dissect(self) {
        drop(self.file);
        let tshark = |filter: &str| {
            let mut command = Command::new("tshark");
            command.arg("-r").arg(&self.path).args(["-Y", filter, "-T", "fields"]);
            command.args([
                "-e",
                "frame.number",
                "-e",
                "frame.time_epoch",
                "-e",
                "_ws.expert.message",
                "-e",
                "_ws.malformed",
            ]);
            command.output()
        };
        // 0x800000 is an expert error.
        let found = match tshark("_ws.malformed || _ws.expert.severity >= 0x800000 || !dhcp") {
            Ok(found) => found,
            Err(error) => {
                assert!(std::env::var_os("LEASEHOLD_REQUIRE_TSHARK").is_none(), "tshark: {error}");
                println!("tshark is not there: nobody has read {}", self.path.display());
                return;
            }
        };
        assert!(found.status.success(), "tshark: {}", String::from_utf8_lossy(&found.stderr));
        let told = String::from_utf8_lossy(&found.stdout);
        let lines: Vec<&str> = told.lines().take(10).collect();
        assert!(lines.is_empty(), "{} has frames (number, seed, what):\n{}", self.path.display(), lines.join("\n"));
        let read = tshark("dhcp").expect("tshark was there");
        assert_eq!(String::from_utf8_lossy(&read.stdout).lines().count(), self.frames, "tshark reads them all");
    }
}
