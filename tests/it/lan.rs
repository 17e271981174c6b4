//! A link with a server on it and clients of their own hosts.

use crate::netns::{Host, Lab};

/// A server with a bridge that clients are cabled to, at 192.168.30.1/24.
pub(crate) fn server(lab: &Lab) -> Host {
    let host = lab.host("server");
    add_link(&host, "192.168.30.1/24");
    host
}

/// A bridge that clients are cabled to.
pub(crate) fn add_link(host: &Host, address: &str) {
    host.ip("link add name lan type bridge forward_delay 0 stp_state 0");
    host.ip("link set dev lan addrgenmode none");
    host.ip(&format!("address add {address} dev lan"));
    host.ip("link set dev lan up");
}

/// A client's host on the server's own link.
pub(crate) fn client_host(lab: &Lab, server: &Host, name: &str) -> Host {
    let host = lab.host(name);
    lab.cable(&host, "eth0", server, name);
    server.ip(&format!("link set dev {name} master lan"));
    host
}
