//! What a client calls a file, as a path below the root.

use std::path::PathBuf;

/// The longest name that is taken, in bytes: twice what a DHCP message's `file` holds.
pub const NAME_BYTES_MAX: usize = 255;

/// Why a name is not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing is left of it.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("the name is too long")]
    TooLong,
    /// Not UTF-8, or with control characters.
    #[error("the name is not text")]
    NotText,
    /// It has `..` among its parts.
    #[error("the name leads upwards")]
    Upwards,
}

/// The path of a client's name, relative to the root and without `.`, `..` or empty parts. A name that begins at `/`
/// begins at the root. Some clients (Windows' boot manager) write `\` between the parts: it is taken for `/`.
///
/// Symbolic links are the business of whoever opens the file.
///
/// # Errors
/// The name is not looked for.
pub fn path_below_root(name: &[u8]) -> Result<PathBuf, BadName> {
    if name.len() > NAME_BYTES_MAX {
        return Err(BadName::TooLong);
    }
    let text = std::str::from_utf8(name).map_err(|_| BadName::NotText)?;
    if text.chars().any(char::is_control) {
        return Err(BadName::NotText);
    }
    let mut path = PathBuf::new();
    for part in text.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => return Err(BadName::Upwards),
            part => path.push(part),
        }
    }
    if path.as_os_str().is_empty() { Err(BadName::Empty) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_at_the_root_whatever_stands_in_front() {
        for name in ["boot/ipxe.efi", "/boot/ipxe.efi", "//boot//./ipxe.efi", "\\boot\\ipxe.efi", "./boot/ipxe.efi"] {
            assert_eq!(path_below_root(name.as_bytes()), Ok("boot/ipxe.efi".into()), "{name}");
        }
        assert_eq!(path_below_root("boot/menü.cfg".as_bytes()), Ok("boot/menü.cfg".into()));
        // Two dots are a part of their own only when they stand alone.
        assert_eq!(path_below_root(b"a..b/...c"), Ok("a..b/...c".into()));
    }

    #[test]
    fn names_that_lead_upwards_or_are_not_names_are_refused() {
        for name in ["..", "../etc/passwd", "boot/../../etc/passwd", "boot\\..\\x", "/..", "a/.."] {
            assert_eq!(path_below_root(name.as_bytes()), Err(BadName::Upwards), "{name}");
        }
        for name in ["", "/", ".", "//./"] {
            assert_eq!(path_below_root(name.as_bytes()), Err(BadName::Empty), "{name}");
        }
        assert_eq!(path_below_root(b"a\nb"), Err(BadName::NotText));
        assert_eq!(path_below_root(&[0xff, b'a']), Err(BadName::NotText));
        assert_eq!(path_below_root(&[b'a'; 256]), Err(BadName::TooLong));
    }
}
