//! Who made a network card, by the first digits of its hardware address (IEEE's OUI).
//!
//! The list is the machine's, not ours: of Debian's `ieee-data`, `nmap-common` or `arp-scan`, whichever is there when
//! somebody first asks. Without any, nobody's maker is known, and nothing else is missing.

use std::path::Path;
use std::sync::OnceLock;

/// Lists that the machine may have, the fullest first.
const LISTS: [&str; 5] = [
    "/usr/share/ieee-data/oui.csv",
    "/var/lib/ieee-data/oui.csv",
    "/usr/share/nmap/nmap-mac-prefixes",
    "/usr/share/ieee-data/oui.txt",
    "/usr/share/arp-scan/ieee-oui.txt",
];
/// A list longer than this is none, in octets.
const LIST_OCTETS_MAX: u64 = 16 << 20;
/// Hexadecimal digits of a prefix: 24, 28 and 36 bits are assigned.
const DIGITS: [usize; 3] = [9, 7, 6];

static KNOWN: OnceLock<Makers> = OnceLock::new();

/// The makers that a list names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Makers {
    /// Prefixes as hexadecimal digits with their makers' place in `names`, sorted.
    prefixes: Vec<(u64, u32, u16)>,
    /// All names, one after the other.
    names: String,
}

impl Makers {
    /// Those of the machine's list; read at the first call, which takes some ten milliseconds: not on a thread that has
    /// anything else to do.
    pub fn of_this_machine() -> &'static Self {
        KNOWN.get_or_init(|| LISTS.iter().find_map(|path| Self::read(Path::new(path))).unwrap_or_default())
    }

    fn read(path: &Path) -> Option<Self> {
        let is_list = std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LIST_OCTETS_MAX);
        let bytes = is_list.then(|| std::fs::read(path).ok())??;
        let makers = Self::parse(&String::from_utf8_lossy(&bytes));
        (!makers.prefixes.is_empty()).then_some(makers)
    }

    /// From the text of a list, in any of the forms: `MA-L,00000C,"Cisco, Inc",...`, `00-00-0C   (hex) Cisco`,
    /// `00000C Cisco`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut makers = Self::default();
        for (digits, name) in text.lines().filter_map(entry) {
            let Ok(key) = u64::from_str_radix(&digits, 16) else { continue };
            let (Ok(start), Ok(length)) = (u32::try_from(makers.names.len()), u16::try_from(name.len())) else {
                continue;
            };
            makers.names.push_str(name);
            makers.prefixes.push((keyed(key, digits.len()), start, length));
        }
        makers.prefixes.sort_unstable();
        makers
    }

    /// Who made it, as far as the list knows. Addresses that their devices have made up, and those of groups, are nobody's.
    #[must_use]
    pub fn maker(&self, hardware: &str) -> Option<&str> {
        let digits: String = hardware.chars().filter(char::is_ascii_hexdigit).take(12).collect();
        let first = u8::from_str_radix(digits.get(..2)?, 16).ok()?;
        if digits.len() != 12 || first & 0b11 != 0 {
            return None;
        }
        DIGITS.iter().find_map(|count| {
            let key = keyed(u64::from_str_radix(&digits[..*count], 16).ok()?, *count);
            let at = self.prefixes.binary_search_by_key(&key, |(key, ..)| *key).ok()?;
            let (_, start, length) = self.prefixes[at];
            self.names.get(start as usize..start as usize + usize::from(length))
        })
    }
}

/// Prefixes of different lengths are different keys.
fn keyed(prefix: u64, digits: usize) -> u64 {
    prefix << 8 | digits as u64
}

/// The prefix's digits and the maker's name of a line; `None`: the line is about nothing.
fn entry(line: &str) -> Option<(String, &str)> {
    let line = line.strip_prefix("MA-L,").or_else(|| line.strip_prefix("MA-M,")).unwrap_or(line);
    let line = line.strip_prefix("MA-S,").unwrap_or(line);
    let end = line.find(|one: char| !one.is_ascii_hexdigit() && one != '-' && one != ':')?;
    let (prefix, rest) = line.split_at(end);
    let digits: String = prefix.chars().filter(char::is_ascii_hexdigit).collect();
    if !DIGITS.contains(&digits.len()) {
        return None;
    }
    let name = match rest.strip_prefix(',') {
        Some(cell) => cell.strip_prefix('"').map_or_else(|| cell.split(',').next(), |cell| cell.split('"').next())?,
        None => {
            let rest = rest.trim_start();
            rest.strip_prefix("(hex)").or_else(|| rest.strip_prefix("(base 16)")).unwrap_or(rest)
        }
    };
    let name = name.trim();
    (!name.is_empty()).then_some((digits, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_list_is_read_and_the_longest_prefix_wins() {
        let csv = "Registry,Assignment,Organization Name,Organization Address\r\n\
                   MA-L,00000C,\"Cisco Systems, Inc\",170 WEST TASMAN DRIVE US 95134 \r\nMA-L,001132,Synology,Taipei\r\n";
        let text = "OUI/MA-L   Organization\n00-00-0C   (hex)\t\tCisco Systems, Inc\n00000C     (base 16)\tCisco Systems, Inc\n";
        let nmap = "# a comment\n00000C Cisco Systems, Inc\n0055DA0 Shinko Technos\n";
        for list in [csv, text, nmap] {
            let makers = Makers::parse(list);
            assert_eq!(makers.maker("00:00:0c:12:34:56"), Some("Cisco Systems, Inc"), "{list}");
            assert_eq!(makers.maker("00:00:0d:12:34:56"), None);
        }
        let makers = Makers::parse("0055DA Somebody\n0055DA0 Shinko Technos\n");
        assert_eq!(makers.maker("00-55-DA-01-02-03"), Some("Shinko Technos"));
        assert_eq!(makers.maker("0055.da11.0203"), Some("Somebody"));
    }

    #[test]
    fn what_no_maker_has_assigned_is_nobodys() {
        let makers = Makers::parse("021111 Nobody\n010000 Group\n000000 XEROX\n");
        for hardware in ["02:11:11:00:00:01", "01:00:00:00:00:01", "00:00", "", "name"] {
            assert_eq!(makers.maker(hardware), None, "{hardware}");
        }
        assert_eq!(Makers::parse("no list at all\n\u{0}\n"), Makers::default());
    }
}
