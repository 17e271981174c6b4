//! DNS cookies (RFC 7873) as every server makes them (RFC 9018), so that servers at one address take each other's.
//!
//! A server cookie shows that its bearer was answered at its address before: it spoofs nobody. It is made of the client's
//! own cookie, its address and the time with a secret, so that nothing has to be remembered for it.

use std::hash::Hasher as _;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// The option's number (RFC 7873 section 4).
pub const OPTION: u16 = 10;
/// Octets of a client cookie.
const CLIENT: usize = 8;
/// Octets of a server cookie (RFC 9018 section 4).
const SERVER: usize = 16;
/// Octets of the option's data in our answers.
pub const OCTETS: usize = CLIENT + SERVER;
/// RFC 9018 section 4.3: "reject Server Cookies with a timestamp that is more than 1 hour in the past, or more than 5
/// minutes into the future"; times in seconds.
const AGE_MAX: u32 = 3600;
const AHEAD_MAX: u32 = 300;
/// The same section: "generate a new Server Cookie" after half an hour.
const RENEWED_AFTER: u32 = 1800;

/// What server cookies are made with, 128 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

/// The secrets in force.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secrets {
    /// What new cookies are made with.
    pub current: Secret,
    /// What cookies were made with before, or will be soon: taken, not given (RFC 9018 section 5).
    pub other: Option<Secret>,
}

/// How cookies are handled.
#[derive(Clone, Copy, Debug)]
pub struct Cookies<'a> {
    /// The secrets.
    pub secrets: &'a Secrets,
    /// UTC seconds; they wrap as serial numbers do (RFC 9018 section 4.3).
    pub now: u32,
    /// Who shows a client cookie alone, by a datagram, is sent a server cookie and nothing else (RFC 7873 section 5.2.3).
    pub required: bool,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    client: [u8; CLIENT],
    /// None also where it is of a form that is not ours.
    server: Option<[u8; SERVER]>,
}

/// What is answered to a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The option's data: client and server cookie.
    pub octets: [u8; OCTETS],
    /// Whether the server cookie was ours, of this client and of this hour.
    pub good: bool,
}

/// RFC 7873 section 5.2.2: an option of another length is answered with FORMERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a COOKIE option of a length that is neither 8 nor from 16 to 40")]
pub struct Malformed;

impl Presented {
    /// Reads the option's data.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(data: &[u8]) -> Result<Self, Malformed> {
        match (data.split_first_chunk(), data.len()) {
            (Some((client, _)), CLIENT) => Ok(Self { client: *client, server: None }),
            (Some((client, server)), 16..=40) => Ok(Self { client: *client, server: server.try_into().ok() }),
            _ => Err(Malformed),
        }
    }

    /// What `source` is answered.
    #[must_use]
    pub fn answer(&self, cookies: Cookies<'_>, source: IpAddr) -> Answered {
        let Secrets { current, other } = cookies.secrets;
        let by = |secret: &Secret, server: [u8; SERVER]| {
            let [start @ .., _, _, _, _, _, _, _, _] = server;
            server[8..] == self.hash(secret, start, source)
        };
        let age = |server: [u8; SERVER]| {
            cookies.now.wrapping_sub(u32::from_be_bytes([server[4], server[5], server[6], server[7]]))
        };
        let timely = |server: &[u8; SERVER]| age(*server) <= AGE_MAX || age(*server) >= AHEAD_MAX.wrapping_neg();
        let shown = self.server.filter(|server| server[0] == 1 && timely(server));
        let by_current = shown.filter(|server| by(current, *server));
        let good = by_current.is_some() || shown.zip(*other).is_some_and(|(server, other)| by(&other, server));
        let kept = by_current.filter(|server| {
            let age = age(*server);
            age <= RENEWED_AFTER || age > AGE_MAX
        });
        let server = kept.unwrap_or_else(|| self.make(current, cookies.now, source));
        let mut octets = [0; OCTETS];
        octets[..CLIENT].copy_from_slice(&self.client);
        octets[CLIENT..].copy_from_slice(&server);
        Answered { octets, good }
    }

    /// RFC 9018 section 4: version 1, three reserved octets, the time, the hash.
    fn make(&self, secret: &Secret, now: u32, source: IpAddr) -> [u8; SERVER] {
        let mut server = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        server[4..8].copy_from_slice(&now.to_be_bytes());
        let [start @ .., _, _, _, _, _, _, _, _] = server;
        server[8..].copy_from_slice(&self.hash(secret, start, source));
        server
    }

    /// RFC 9018 section 4.4: "SipHash-2-4( Client Cookie | Version | Reserved | Timestamp | Client-IP, Server Secret )".
    fn hash(&self, secret: &Secret, start: [u8; 8], source: IpAddr) -> [u8; 8] {
        let mut hashed = [0; CLIENT + 8 + 16];
        hashed[..CLIENT].copy_from_slice(&self.client);
        hashed[CLIENT..CLIENT + 8].copy_from_slice(&start);
        let octets = match source.to_canonical() {
            IpAddr::V4(v4) => {
                hashed[16..20].copy_from_slice(&v4.octets());
                20
            }
            IpAddr::V6(v6) => {
                hashed[16..].copy_from_slice(&v6.octets());
                32
            }
        };
        let mut hasher = SipHasher24::new_with_key(&secret.0);
        hasher.write(&hashed[..octets]);
        hasher.finish().to_le_bytes()
    }
}

/// Secrets are not for logs.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    fn secrets(current: &str, other: Option<&str>) -> Secrets {
        Secrets { current: Secret(octets(current)), other: other.map(|other| Secret(octets(other))) }
    }

    const FIRST: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    fn ask(presented: &[u8], secrets: &Secrets, now: u32, source: &str) -> Answered {
        let cookies = Cookies { secrets, now, required: false };
        Presented::read(presented).unwrap().answer(cookies, source.parse().unwrap())
    }

    #[test]
    fn rfc9018_a_1_a_client_learns_a_new_server_cookie() {
        let client: [u8; 8] = octets("2464c4abcf10c957");
        let answered = ask(&client, &secrets(FIRST, None), 1_559_731_985, "198.51.100.100");
        assert_eq!(answered.octets, octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
        assert!(!answered.good);
    }

    #[test]
    fn rfc9018_a_2_a_cookie_is_renewed_after_half_an_hour() {
        let (secrets, client) = (secrets(FIRST, None), "203.0.113.203");
        let given = ask(&octets::<8>("fc93fc62807ddb86"), &secrets, 1_559_727_985, client).octets;
        for (later, good, same) in [(0, true, true), (1_800, true, true), (1_801, true, false), (3_601, false, false)] {
            let answered = ask(&given, &secrets, 1_559_727_985 + later, client);
            assert_eq!((answered.good, answered.octets == given), (good, same), "{later}");
        }
        // A clock that is a little behind the one that gave it; a lot behind is nobody's.
        assert!(ask(&given, &secrets, 1_559_727_985 - 300, client).good);
        assert!(!ask(&given, &secrets, 1_559_727_985 - 301, client).good);
    }

    #[test]
    fn rfc9018_5_a_cookie_of_the_other_secret_is_taken_and_renewed() {
        let (before, after) = (secrets(FIRST, None), secrets("445536bcd2513298075a5d379663c962", Some(FIRST)));
        let given = ask(&octets::<8>("22681ab97d52c298"), &before, 1_559_741_961, "2001:db8:220:1:59de:d0f4:8769:82b8");
        let answered = ask(&given.octets, &after, 1_559_741_961, "2001:db8:220:1:59de:d0f4:8769:82b8");
        assert!(answered.good && answered.octets != given.octets);
        assert_eq!(ask(&answered.octets, &after, 1_559_741_961, "2001:db8:220:1:59de:d0f4:8769:82b8"), answered);
    }

    #[test]
    fn a_cookie_is_good_for_its_client_alone() {
        let secrets = secrets(FIRST, None);
        let given = ask(&octets::<8>("2464c4abcf10c957"), &secrets, 1_000, "192.0.2.1").octets;
        assert!(ask(&given, &secrets, 1_000, "192.0.2.1").good);
        assert!(ask(&given, &secrets, 1_000, "::ffff:192.0.2.1").good, "the same client, by an IPv6 socket");
        assert!(!ask(&given, &secrets, 1_000, "192.0.2.2").good);
        for changed in 0..OCTETS {
            let mut other = given;
            other[changed] ^= 1;
            assert!(!ask(&other, &secrets, 1_000, "192.0.2.1").good, "octet {changed}");
        }
        // A server cookie of another form is a client cookie alone.
        assert!(!ask(&given[..20], &secrets, 1_000, "192.0.2.1").good);
    }

    #[test]
    fn rfc7873_5_2_2_another_length_is_malformed() {
        for length in 0..50 {
            let fits = length == 8 || (16..=40).contains(&length);
            assert_eq!(Presented::read(&vec![7; length]).is_ok(), fits, "{length}");
        }
    }
}
