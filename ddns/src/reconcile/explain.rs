//! What became of a row or of a zone, in words that say what happened and what to do.

use std::fmt;

use dns::{Fqdn, Rcode};

use super::LastAnswer;
use crate::settings::{Auth, ZoneServer};
use crate::wanted::RowKey;

/// Something the operator should hear of: told when it changes, not each time it is met again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A zone's updates fail; `waiting` rows wait for it.
    ZoneDown {
        /// The apex.
        apex: Fqdn,
        /// Where it was tried.
        server: ZoneServer,
        /// What came back.
        answer: LastAnswer,
        /// How many rows wait.
        waiting: usize,
    },
    /// A zone's updates succeed again.
    ZoneBack {
        /// The apex.
        apex: Fqdn,
        /// Where.
        server: ZoneServer,
        /// How many rows go out now.
        waiting: usize,
    },
    /// A zone's updates go to another of its servers.
    Failover {
        /// The apex.
        apex: Fqdn,
        /// The server that failed.
        from: ZoneServer,
        /// The one that takes them now.
        to: ZoneServer,
        /// What came back.
        answer: LastAnswer,
    },
    /// A server that comes before the one in use takes a zone's updates again.
    Preferred {
        /// The apex.
        apex: Fqdn,
        /// That server.
        to: ZoneServer,
    },
    /// Rows of before the start that no zone of the settings holds.
    NoZone {
        /// The first of them.
        first: RowKey,
        /// How many there are.
        rows: usize,
    },
    /// The configuration withdraws more of a zone than may be deleted unasked: none of it is.
    HeldBack {
        /// The apex.
        apex: Fqdn,
        /// How many names and addresses.
        rows: usize,
        /// Of how many.
        names: usize,
        /// The share that may be, of a hundred.
        percent: u8,
    },
    /// One row cannot be done for now, for a reason of its own.
    Row {
        /// The row.
        key: RowKey,
        /// The name that was wanted there.
        name: Option<Fqdn>,
        /// Where it was tried; `None` when no zone holds it.
        server: Option<ZoneServer>,
        /// What came back.
        answer: LastAnswer,
        /// Seconds until the next try; `None`: not until the configuration changes.
        retry_secs: Option<u64>,
    },
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZoneDown { apex, server, answer, waiting } => {
                write!(
                    f,
                    "zone {apex} cannot be updated: {}; {waiting} waiting, tried again until done",
                    explain_at(answer, server)
                )
            }
            Self::ZoneBack { apex, server, waiting } => {
                write!(f, "zone {apex} can be updated again at {}; {waiting} waiting go out now", place(server))
            }
            Self::Failover { apex, from, to, answer } => {
                let why = explain_at(answer, from);
                write!(f, "zone {apex} is updated at {} from now on: {why}", place(to))
            }
            Self::Preferred { apex, to } => write!(f, "zone {apex} is updated at {} again", place(to)),
            Self::HeldBack { apex, rows, names, percent } => {
                f.write_str(&super::hold::words(apex, *rows, *names, *percent))
            }
            Self::NoZone { first, rows } => {
                match first {
                    RowKey::Forward(name) => write!(f, "{name}")?,
                    RowKey::Reverse(address) => write!(f, "the PTR of {address}")?,
                    RowKey::Stated(name, rtype) => write!(f, "the {rtype} record of {name}")?,
                }
                if *rows > 1 {
                    write!(f, " and {} more", rows - 1)?;
                }
                f.write_str(
                    ": no zone of the configuration holds them any more; what a DNS server still has of them is removed \
                     once their zone is back in the configuration, and else stays there",
                )
            }
            Self::Row { key: RowKey::Forward(name), answer: LastAnswer::Done, .. } => {
                write!(f, "{name} is published after all")
            }
            Self::Row { key: RowKey::Reverse(address), answer: LastAnswer::Done, .. } => {
                write!(f, "the PTR of {address} is as wanted after all")
            }
            Self::Row { key: RowKey::Stated(name, rtype), answer: LastAnswer::Done, .. } => {
                write!(f, "the {rtype} record of {name} is as stated after all")
            }
            Self::Row { key, name, server, answer, retry_secs } => {
                match (key, name) {
                    (RowKey::Forward(name), _) => write!(f, "{name} is not published: ")?,
                    (RowKey::Reverse(address), Some(name)) => write!(f, "{address} does not point to {name}: ")?,
                    (RowKey::Reverse(address), None) => write!(f, "the PTR of {address} is not removed: ")?,
                    (RowKey::Stated(owner, rtype), Some(_)) => {
                        write!(f, "the {rtype} record of {owner} is not written: ")?
                    }
                    (RowKey::Stated(owner, rtype), None) => {
                        write!(f, "the {rtype} record of {owner} is not removed: ")?
                    }
                }
                match server {
                    Some(server) if matches!(key, RowKey::Stated(..)) && *answer == LastAnswer::Conflict => {
                        f.write_str(&others_there(server))?;
                    }
                    Some(server) => f.write_str(&explain_at(answer, server))?,
                    None => f.write_str(&explain(answer, "no server", &Auth::Unsigned))?,
                }
                match retry_secs {
                    Some(secs) => write!(f, "; next try in {secs} s"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// [`explain`] with the server's address and key as the settings have them.
#[must_use]
pub fn explain_at(answer: &LastAnswer, server: &ZoneServer) -> String {
    match server {
        ZoneServer::Embedded => explain(answer, "the embedded server", &Auth::Unsigned),
        ZoneServer::Remote { auth, .. } => explain(answer, &place(server), auth),
    }
}

/// A conflict of records that the configuration states.
pub(super) fn others_there(server: &ZoneServer) -> String {
    format!(
        "other records than those that were written are there at {}, made by hand or by another program: write in \
         `records` what stands there, or remove it there",
        place(server)
    )
}

/// What happened and what to do. `server` says where, as text; `auth` how the update is signed.
#[must_use]
pub fn explain(answer: &LastAnswer, server: &str, auth: &Auth) -> String {
    match answer {
        LastAnswer::None => "not tried yet".to_owned(),
        LastAnswer::Done => "done".to_owned(),
        LastAnswer::Conflict => format!(
            "somebody else owns the name at {server}: another host (its DHCID differs), or a record made by hand; \
             rename the host, or remove the other record"
        ),
        LastAnswer::Timeout => format!(
            "{server} does not answer; see whether it runs, and whether a firewall lets UDP and TCP to its port through"
        ),
        LastAnswer::BadAnswer => format!(
            "{server} gave an answer that cannot be believed (unsigned, wrongly signed, or not readable); see whether it \
             is the server that is meant, and whether something in between changes messages"
        ),
        LastAnswer::NoZone => {
            "no zone of the configuration holds it; add the zone, or choose a domain within one".to_owned()
        }
        LastAnswer::Refused(code @ (Rcode::BAD_SIG | Rcode::BAD_KEY | Rcode::BAD_TIME | Rcode::BAD_TRUNC)) => {
            format!("{server} does not accept {auth}: {code}")
        }
        LastAnswer::Refused(code @ Rcode::REFUSED) => format!("{server} refuses, {auth}: {code}"),
        LastAnswer::Refused(code) => format!("{server} answers {code}"),
        LastAnswer::Kerberos(fault) => match auth {
            Auth::Gss(gss) => fault.words(gss, server),
            // The configuration has changed since.
            _ => format!("there was no Kerberos ticket for {server}"),
        },
    }
}

impl News {
    /// Whether this tells of something that works again.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::ZoneBack { .. } | Self::Preferred { .. } | Self::Row { answer: LastAnswer::Done, .. })
    }
}

fn place(server: &ZoneServer) -> String {
    server.primary().map_or_else(|| "the embedded server".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::Path;
    use std::sync::Arc;

    use dns::{TsigAlgorithm, TsigKey};

    use super::*;
    use crate::kerberos::{Gss, KerberosFault};

    /// "BADSIG, BADKEY, BADTIME, REFUSED, NOTZONE, NOTAUTH each reach the operator in words that say what to do."
    #[test]
    fn each_answer_reaches_the_operator_in_words_that_say_what_to_do() {
        let algorithm = TsigAlgorithm::HmacSha256;
        let key = TsigKey { name: "leasehold-key".parse().unwrap(), algorithm, secret: Box::default() };
        let key = Auth::Tsig(Arc::new(key));
        for (answer, words) in [
            (LastAnswer::Refused(Rcode::BAD_SIG), &["BADSIG", "leasehold-key", "secret differs"][..]),
            (LastAnswer::Refused(Rcode::BAD_KEY), &["BADKEY", "leasehold-key", "check the key's name"]),
            (LastAnswer::Refused(Rcode::BAD_TIME), &["BADTIME", "set the time"]),
            (LastAnswer::Refused(Rcode::REFUSED), &["REFUSED", "leasehold-key", "allow updates"]),
            (LastAnswer::Refused(Rcode::NOT_ZONE), &["NOTZONE", "zone's name"]),
            (LastAnswer::Refused(Rcode::NOT_AUTH), &["NOTAUTH", "primary"]),
            (LastAnswer::Timeout, &["does not answer", "firewall"]),
            (LastAnswer::BadAnswer, &["cannot be believed"]),
            (LastAnswer::Conflict, &["somebody else owns", "rename"]),
            (LastAnswer::NoZone, &["add the zone"]),
        ] {
            let text = explain(&answer, "192.0.2.1:53", &key);
            for word in words {
                assert!(text.contains(word), "{answer:?}: {text}");
            }
        }
        assert!(explain(&LastAnswer::Refused(Rcode::REFUSED), "x", &Auth::Unsigned).contains("not signed"));
        let gss = Gss { principal: "dhcp@A".into(), keytab: Path::new("/k").into(), services: Box::default() };
        let ticket = Auth::Gss(Arc::new(gss));
        let text = explain(&LastAnswer::Kerberos(KerberosFault::NotInKeytab), "x", &ticket);
        assert!(text.contains("/k holds no key of dhcp@A"), "{text}");
        assert!(explain(&LastAnswer::Refused(Rcode::REFUSED), "x", &ticket).contains("the ticket of dhcp@A"));
    }

    #[test]
    fn news_says_what_where_and_when_again() {
        let news = News::Row {
            key: RowKey::Reverse("10.0.0.1".parse().unwrap()),
            name: Some("pc.lan".parse().unwrap()),
            server: Some(ZoneServer::Embedded),
            answer: LastAnswer::Conflict,
            retry_secs: Some(3_600),
        };
        let text = news.to_string();
        assert!(text.starts_with("10.0.0.1 does not point to pc.lan.: somebody else"), "{text}");
        assert!(text.ends_with("next try in 3600 s"), "{text}");
    }
}
