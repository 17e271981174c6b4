//! How names of others are resolved: routes, block lists, cache, validation.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dns::Fqdn;
use resolve::blocking::Instead;
use resolve::{Limits, NoUpstream, Order, Upstream};

use super::scalars::{finite_seconds, name, prefix, seconds};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{FilePath, UpstreamText};
use crate::file::v1;
use crate::settings::{Block, BlockSource, Keeps, QueryLog, Resolver, Route, Validation};

/// How often a list is looked for anew unless the file says so, in seconds.
const REFRESH_SECS: u32 = 86_400;
/// More often than this a file would be looked at for nothing, in seconds.
const REFRESH_SECS_MIN: u32 = 60;
/// How many questions are remembered unless the file says so.
const LOG_QUESTIONS: usize = 10_000;
/// More than this would be a good part of a small machine's memory.
const LOG_QUESTIONS_MAX: u32 = 1_000_000;
/// What the cache may take at most, in MiB.
const CACHE_MIB_MAX: u32 = 16_384;

/// An upstream as the file writes it.
pub(super) fn upstream(at: &At<UpstreamText>, findings: &mut Findings) -> Option<Upstream> {
    let text = at.value.0.trim();
    match text.parse() {
        Ok(upstream) => Some(upstream),
        Err(why) => {
            let mend = match why {
                NoUpstream::Address => {
                    "write an address such as 192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:5353; a host \
                     name is not taken, since it would have to be resolved first"
                }
                NoUpstream::Scheme => "write the address alone, or tcp://, tls:// or https:// in front of it",
                NoUpstream::Name => {
                    "write the address alone, or for TLS the name in its certificate: tls://192.0.2.53#dns.example"
                }
                NoUpstream::Pin => {
                    "write sha256/ and the 44 characters that `openssl x509 -in CERTIFICATE -noout -pubkey | openssl pkey \
                     -pubin -outform der | openssl dgst -sha256 -binary | base64` prints"
                }
            };
            findings.fault(at.span, format!("`{text}` is not a DNS server: {why}"), "not a server", mend);
            None
        }
    }
}

/// Everything but the general upstreams. `wanted`: other names are resolved at all.
pub(super) fn read(file: &v1::File, wanted: bool, findings: &mut Findings) -> Resolver {
    let written = &file.resolver;
    if !wanted && let Some(first) = file.forward.first().map(|at| at.span).or(file.block.first().map(|at| at.span)) {
        findings.fault(
            first,
            "other names are not resolved, so there is nothing to ask elsewhere or to block",
            "nobody resolves",
            "take `forward = false` or `enabled = false` out of [dns], or this table",
        );
    }
    let order = match written.order {
        None | Some(v1::UpstreamOrder::Listed) => Order::Listed,
        Some(v1::UpstreamOrder::Fastest) => Order::Fastest,
        Some(v1::UpstreamOrder::Turns) => Order::Turns,
        Some(v1::UpstreamOrder::Together) => Order::Together,
    };
    Resolver {
        routes: routes(&file.forward, findings),
        order,
        limits: limits(written, findings),
        upstream_ca: written.upstream_ca.as_ref().map(path),
        validation: validation(written, &file.forward, findings),
        blocks: blocks(&file.block, findings),
        log: log(written, findings),
    }
}

fn path(at: &At<FilePath>) -> PathBuf {
    PathBuf::from(at.value.0.trim())
}

fn names(list: Option<&Vec<At<crate::file::kinds::DomainName>>>, findings: &mut Findings) -> Vec<Fqdn> {
    list.into_iter().flatten().filter_map(|at| name(at, findings)).collect()
}

fn limits(written: &v1::Resolver, findings: &mut Findings) -> Limits {
    let mut limits = Limits::default();
    if let Some(at) = &written.cache_mib {
        if at.value == 0 || at.value > CACHE_MIB_MAX {
            findings.fault(
                at.span,
                format!("the cache cannot take {} MiB", at.value),
                "out of range",
                format!("write a number from 1 to {CACHE_MIB_MAX}"),
            );
        }
        limits.octets_max = (at.value as usize) << 20;
    }
    if let Some(ttl) = written.ttl_max.as_ref().and_then(|at| finite_seconds(at, "ttl_max", findings)) {
        limits.ttl_max = ttl;
    }
    if let Some(stale) = written.stale.as_ref().and_then(|at| seconds(at, findings)) {
        limits.stale_secs = stale;
    }
    limits
}

fn validation(written: &v1::Resolver, forward: &[At<v1::ForwardTo>], findings: &mut Findings) -> Option<Validation> {
    let wanted = written.validate.as_ref().is_some_and(|at| at.value);
    let needless: [(Option<Span>, &str); 2] = [
        (written.trust_anchors.as_ref().map(|at| at.span), "trust_anchors"),
        (written.not_validated.as_ref().and_then(|list| list.first()).map(|at| at.span), "not_validated"),
    ];
    for (span, key) in needless {
        if let Some(span) = span.filter(|_| !wanted) {
            findings.fault(
                span,
                format!("`{key}` says how answers are validated, and they are not"),
                "nothing is validated",
                "add `validate = true`, or take this key out",
            );
        }
    }
    let mut not_validated = names(written.not_validated.as_ref(), findings);
    for route in forward.iter().map(|at| &at.value) {
        match &route.validate {
            Some(at) if at.value && !wanted => {
                findings.fault(
                    at.span,
                    "nothing is validated, so that these domains are not either",
                    "nothing is validated",
                    "add `validate = true` to [resolver], or take this key out",
                );
            }
            // RFC 7646. What is wrong about a domain is told where it is forwarded.
            Some(at) if !at.value => {
                let domains = route.domains.iter().flatten();
                not_validated.extend(domains.filter_map(|at| at.value.0.trim().parse::<Fqdn>().ok()));
            }
            _ => {}
        }
    }
    wanted.then(|| Validation { trust_anchors: written.trust_anchors.as_ref().map(path), not_validated })
}

fn routes(written: &[At<v1::ForwardTo>], findings: &mut Findings) -> Vec<Route> {
    let mut seen: BTreeSet<Fqdn> = BTreeSet::new();
    let read = written.iter().map(|at| {
        let mut domains = Vec::new();
        for domain in at.value.domains.iter().flatten() {
            let Some(found) = name(domain, findings) else { continue };
            if !seen.insert(found.clone()) {
                findings.fault(
                    domain.span,
                    format!("`{}` is forwarded twice", found.to_string().trim_end_matches('.')),
                    "again",
                    "keep one of the two, with all upstreams in it",
                );
            }
            domains.push(found);
        }
        let mut list = at.value.upstreams.iter().flatten();
        let upstreams: Vec<Upstream> = list.by_ref().filter_map(|at| upstream(at, findings)).collect();
        let is_empty = |count: Option<usize>| count == Some(0);
        if is_empty(at.value.domains.as_ref().map(Vec::len)) || is_empty(at.value.upstreams.as_ref().map(Vec::len)) {
            findings.fault(
                at.span,
                "this [[forward]] has no domain, or nobody to ask",
                "empty",
                "write `domains = [\"corp.example\"]` and `upstreams = [\"192.0.2.53\"]`",
            );
        }
        Route { domains, upstreams }
    });
    read.collect()
}

/// Where a list is: one of the two.
fn block_source(at: &At<v1::Block>, findings: &mut Findings) -> Option<BlockSource> {
    match (&at.value.file, &at.value.url) {
        (Some(file), None) => Some(BlockSource::File(path(file))),
        (None, Some(url)) => {
            let text = url.value.0.trim();
            let rest = text.strip_prefix("https://").or(text.strip_prefix("http://")).unwrap_or_default();
            if rest.is_empty() || rest.starts_with('/') || text.contains(|letter: char| letter.is_whitespace()) {
                findings.fault(
                    url.span,
                    format!("`{text}` is no address of a list"),
                    "not a URL",
                    "write one that begins with https://, such as \"https://lists.example/ads.txt\"",
                );
                return None;
            }
            if text.starts_with("http://") {
                findings.warn(
                    url.span,
                    "whoever is on the way to this server can change what is blocked",
                    "not encrypted",
                    "write https:// where the server has it",
                );
            }
            Some(BlockSource::Url(text.to_owned()))
        }
        (Some(_), Some(url)) => {
            findings.fault(
                url.span,
                "this list is in a file and at a URL",
                "`file` says where it is",
                "keep one of the two, or make two lists",
            );
            None
        }
        (None, None) => {
            findings.fault(
                at.span,
                "this [[block]] has neither a `file` nor a `url`",
                "no names",
                "write `file = \"/etc/leasehold/ads.txt\"` or `url = \"https://lists.example/ads.txt\"`",
            );
            None
        }
    }
}

fn blocks(written: &[At<v1::Block>], findings: &mut Findings) -> Vec<Block> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let read = written.iter().filter_map(|at| {
        let block = &at.value;
        let title = block.name.as_ref()?;
        let called = title.value.0.trim().to_owned();
        if called.is_empty() || called.len() > 60 || !seen.insert(called.clone()) {
            findings.fault(
                title.span,
                format!("`{called}` cannot be the name of this list"),
                "empty, too long, or another list's",
                "give it a name of its own, of up to 60 characters: it is told to whoever asks for a listed name",
            );
        }
        let source = block_source(at, findings)?;
        let refresh_secs = block.refresh.as_ref().and_then(|at| {
            let secs = finite_seconds(at, "refresh", findings)?;
            if secs < REFRESH_SECS_MIN {
                findings.fault(
                    at.span,
                    format!("a list is not looked for more often than every {REFRESH_SECS_MIN} seconds"),
                    "too often",
                    "write a longer time, such as \"1d\"",
                );
            }
            Some(secs)
        });
        Some(Block {
            name: called,
            source,
            refresh_secs: refresh_secs.unwrap_or(REFRESH_SECS),
            clients: block.clients.iter().flatten().filter_map(|at| prefix(at, findings)).collect(),
            except: names(block.except.as_ref(), findings),
            instead: match block.answer {
                None | Some(v1::BlockAnswer::NxDomain) => Instead::NxDomain,
                Some(v1::BlockAnswer::Nowhere) => Instead::Nowhere,
                Some(v1::BlockAnswer::Refused) => Instead::Refused,
            },
            filtered: block.reason == Some(v1::BlockReason::Filtered),
        })
    });
    read.collect()
}

fn log(written: &v1::Resolver, findings: &mut Findings) -> QueryLog {
    let keeps = match written.log {
        None | Some(v1::QueryLogWord::Off) => Keeps::Nothing,
        Some(v1::QueryLogWord::Nameless) => Keeps::NoNames,
        Some(v1::QueryLogWord::Whole) => Keeps::Everything,
    };
    if keeps == Keeps::Nothing
        && let Some(file) = &written.log_file
    {
        findings.fault(
            file.span,
            "`log_file` says where questions are written, and none is remembered",
            "nothing is written",
            "add `log = \"whole\"` or `log = \"nameless\"`, or take this key out",
        );
    }
    let mut questions = LOG_QUESTIONS;
    if let Some(at) = &written.log_questions {
        if at.value == 0 || at.value > LOG_QUESTIONS_MAX {
            findings.fault(
                at.span,
                format!("{} questions cannot be remembered", at.value),
                "out of range",
                format!("write a number from 1 to {LOG_QUESTIONS_MAX}"),
            );
        }
        questions = at.value.clamp(1, LOG_QUESTIONS_MAX) as usize;
    }
    QueryLog { keeps, questions, file: written.log_file.as_ref().map(path) }
}
