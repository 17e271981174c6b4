//! Where the demonstration takes place: a directory of its own, and ports that are free.

use std::fs::DirBuilder;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The ports that are tried first, because a person can remember them.
const DHCP_PORT: u16 = 10_067;
const DNS_PORT: u16 = 10_053;
const PAGE_PORT: u16 = 8_067;
/// Where clients would take replies; nobody does, as the only client is behind a relay.
const CLIENT_PORT: u16 = 10_068;

/// Directory and ports. The directory is removed when this is dropped.
#[derive(Debug)]
pub struct Setting {
    directory: PathBuf,
    dhcp_port: u16,
    dns_port: u16,
    page_port: u16,
}

/// Why there is nowhere to give the demonstration.
#[derive(Debug, Error)]
pub enum SettingError {
    /// No directory.
    #[error("cannot make the directory {0} for the demonstration's leases")]
    Directory(PathBuf, #[source] io::Error),
    /// No port.
    #[error("no free UDP port can be had on 127.0.0.1")]
    Port(#[source] io::Error),
}

impl Setting {
    /// Makes the directory, for this user alone, and finds the ports.
    ///
    /// # Errors
    /// See [`SettingError`].
    pub fn new() -> Result<Self, SettingError> {
        let dhcp_port = free_port(DHCP_PORT).map_err(SettingError::Port)?;
        let dns_port = free_port(DNS_PORT).map_err(SettingError::Port)?;
        let page_port = free_port(PAGE_PORT).map_err(SettingError::Port)?;
        let directory = std::env::temp_dir().join(format!("leasehold-demo-{:08x}", super::random_u32()));
        // Fails when it exists, whoever made it: a directory of somebody else's is no place for a socket of ours.
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|error| SettingError::Directory(directory.clone(), error))?;
        Ok(Self { directory, dhcp_port, dns_port, page_port })
    }

    /// Where the DHCP server listens.
    #[must_use]
    pub fn dhcp(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.dhcp_port)
    }

    /// Where the DNS server listens.
    #[must_use]
    pub fn dns(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.dns_port)
    }

    /// Where the page is.
    #[must_use]
    pub fn page(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.page_port)
    }

    /// The daemon's control socket.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.directory.join("control.sock")
    }

    /// The configuration, as one would write it.
    #[must_use]
    pub fn configuration(&self) -> String {
        let quoted = |path: &Path| toml_string(&path.to_string_lossy());
        let (store, control) = (quoted(&self.directory.join("store")), quoted(&self.control()));
        let (dhcp_port, dns, page) = (self.dhcp_port, self.dns(), self.page());
        format!(
            r#"[server]
interfaces  = ["lo"]
server_port = {dhcp_port}
client_port = {CLIENT_PORT}
store       = {store}
control     = {control}

[dns]
listen  = ["{dns}"]
forward = false

[web]
listen = "{page}"

[[subnet]]
prefix  = "192.168.30.0/24"
pools   = ["192.168.30.100-192.168.30.199"]
routers = ["192.168.30.1"]
domain  = "nasir.xyz"

[[zone]]
name = "nasir.xyz"
"#
        )
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(directory = %self.directory.display(), %error, "cannot remove the demonstration's directory");
        }
    }
}

/// `wanted`, or any other. It is free now; that it stays so until the daemon takes it is likely, not certain.
fn free_port(wanted: u16) -> io::Result<u16> {
    let free = |port| {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = udp.local_addr()?.port();
        // DNS needs the same port for TCP.
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        Ok::<u16, io::Error>(port)
    };
    free(wanted).or_else(|_| free(0))
}

/// A TOML basic string.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use super::*;

    #[test]
    fn the_setting_has_a_directory_of_its_own_while_it_lasts() {
        let setting = Setting::new().unwrap();
        let directory = setting.directory.clone();
        assert!(directory.is_dir());
        assert_ne!(Setting::new().unwrap().directory, directory);
        assert!(setting.configuration().contains(&format!("listen  = [\"{}\"]", setting.dns())));
        drop(setting);
        assert!(!directory.exists());
    }

    #[test]
    fn the_configuration_is_one_without_faults_or_warnings() {
        let setting = Setting::new().unwrap();
        let no_secrets = |_: &Path| Err(String::from("there is no key"));
        let checked = config::check(&setting.configuration(), "demo.toml", &no_secrets).unwrap();
        assert_eq!(checked.warnings.list, []);
        assert_eq!(checked.config.daemon.control, setting.control());
        assert_eq!(checked.config.daemon.ports.server, setting.dhcp().port());
        assert_eq!(checked.config.web.unwrap().listen, setting.page().into());
    }

    #[test]
    fn a_port_that_is_used_is_left_to_its_user() {
        let used = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = used.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
    }

    #[test]
    fn a_path_with_quotes_stays_one_toml_string() {
        assert_eq!(toml_string("/tmp/a\"b\\c\n"), r#""/tmp/a\"b\\c\u000A""#);
    }
}
