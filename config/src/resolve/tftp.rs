//! Files that are read by TFTP.

use std::path::PathBuf;

use super::scalars::server_address;
use crate::fault::Findings;
use crate::file::v1;
use crate::settings::{Listen, TftpSettings};

/// RFC 1350 section 4.
const PORT: u16 = 69;

/// `None`: without a root there is nothing to serve (which is told).
pub(super) fn read(written: &v1::Tftp, findings: &mut Findings) -> Option<TftpSettings> {
    let listen = match &written.listen {
        Some(list) => Listen::Addresses(list.iter().filter_map(|at| server_address(at, PORT, findings)).collect()),
        None => Listen::Interfaces { port: PORT },
    };
    let root = written.root.as_ref()?;
    let path = PathBuf::from(root.value.0.trim());
    if !path.is_absolute() {
        findings.fault(
            root.span,
            format!("`{}` is not a path from `/` on", root.value.0),
            "depends on where the daemon is started",
            "write the whole path, such as \"/srv/tftp\"",
        );
    } else if path.parent().is_none() {
        findings.fault(
            root.span,
            "the TFTP root is `/`: every file that the daemon may read could be had by anybody in the subnets",
            "the whole machine",
            "keep the files for booting in a directory of their own, such as \"/srv/tftp\"",
        );
    }
    Some(TftpSettings { root: path, listen })
}
