//! Which files and directories a configuration names: a daemon that confines itself must still reach them.
//!
//! They are found by where they stand rather than key by key, so that a key that is new is not forgotten here: every text
//! that begins with `/`, but in the tables of DHCP, where such a text is meant for a client's disk.

use std::path::PathBuf;

use toml::{Table, Value};

/// Tables whose texts are told to clients.
const FOR_CLIENTS: [&str; 7] = ["dhcp", "subnet", "network", "class", "host", "option", "switch"];
/// Keys of files that are only read, wherever they stand.
const READ_ONLY: [&str; 11] = [
    "upstream_ca",
    "file",
    "command",
    "root",
    "secret_file",
    "keytab",
    "gss_keytab",
    "trust_anchors",
    "certificate",
    "certificate_file",
    "certificate_key",
];

/// A path that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPath {
    /// The keys that lead to it, such as `server.store`.
    pub keys: String,
    /// As it is written: absolute.
    pub path: PathBuf,
    /// Whether the daemon may write there.
    pub written: bool,
}

/// The paths that `text` names, in no order that matters; none of a text that is not TOML. Relative ones are left out:
/// they lie beside the file or below.
#[must_use]
pub fn named_paths(text: &str) -> Vec<NamedPath> {
    let mut found = Vec::new();
    if let Ok(table) = text.parse::<Table>() {
        for (key, value) in table.iter().filter(|(key, _)| !FOR_CLIENTS.contains(&key.as_str())) {
            walk(key, value, &mut found);
        }
    }
    found
}

fn walk(keys: &str, value: &Value, found: &mut Vec<NamedPath>) {
    match value {
        Value::String(text) if text.starts_with('/') => {
            let last = keys.rsplit('.').next().unwrap_or(keys);
            let written = !READ_ONLY.contains(&last);
            found.push(NamedPath { keys: keys.to_owned(), path: PathBuf::from(text), written });
        }
        Value::Array(list) => list.iter().for_each(|value| walk(keys, value, found)),
        Value::Table(table) => table.iter().for_each(|(key, value)| walk(&format!("{keys}.{key}"), value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_every_table_but_those_for_clients() {
        let text = "[server]\nstore = \"/var/lib/l\"\n[[key]]\nname = \"k\"\nsecret_file = \"/etc/l/k\"\n\
                    [[zone]]\nname = \"z\"\nfile = \"zones/z\"\n[tftp]\nroot = \"/srv/tftp\"\n\
                    [[subnet]]\nboot_file = \"/pxelinux.0\"\n[new]\nlist = [\"/a/b\", \"c\", { deep = \"/d\" }]\n";
        let found: Vec<String> = named_paths(text)
            .iter()
            .map(|one| format!("{} {} {}", one.keys, one.path.display(), if one.written { "rw" } else { "r" }))
            .collect();
        let mut sorted = found.clone();
        sorted.sort();
        let expected =
            ["key.secret_file /etc/l/k r", "new.list /a/b rw", "new.list.deep /d rw", "server.store /var/lib/l rw"];
        assert_eq!(sorted[..4], expected);
        assert_eq!(sorted[4..], ["tftp.root /srv/tftp r"]);
        assert_eq!(named_paths("not = = toml"), []);
    }
}
