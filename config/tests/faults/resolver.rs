//! How names of others are resolved: `[resolver]`, `[[forward]]`, `[[block]]`.

use config::settings::{BlockSource, Keeps, Upstreams};
use resolve::Order;
use resolve::blocking::Instead;

use super::{and, config, refused};

#[test]
fn a_resolver_with_everything() {
    let text = and(
        "[dns]\nupstreams = [\"192.0.2.53\", \"tcp://192.0.2.54:5353\", \"tls://192.0.2.55#dns.example\"]\n\
         [resolver]\norder = \"fastest\"\nupstream_ca = \"/etc/ca.pem\"\ncache_mib = 64\nttl_max = \"1h\"\nstale = \"0s\"\nvalidate = true\n\
         trust_anchors = \"/etc/leasehold/root.key\"\nnot_validated = [\"corp.example\"]\n\
         [[forward]]\ndomains = [\"corp.example\", \"10.in-addr.arpa\"]\nupstreams = [\"10.0.0.53\"]\n\
         [[block]]\nname = \"ads\"\nfile = \"/etc/leasehold/ads.txt\"\nrefresh = \"1h\"\nclients = [\"192.168.30.0/25\"]\n\
         except = [\"good.example\"]\nanswer = \"nowhere\"\nreason = \"filtered\"\n",
    );
    let forward = config(&text).dns.forward.unwrap();
    let Upstreams::Servers(servers) = &forward.upstreams else { panic!("{forward:?}") };
    assert_eq!(
        servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.0.2.53", "tcp://192.0.2.54:5353", "tls://192.0.2.55#dns.example"]
    );
    let resolver = forward.resolver;
    assert_eq!((resolver.order, resolver.limits.octets_max), (Order::Fastest, 64 << 20));
    assert_eq!((resolver.limits.ttl_max, resolver.limits.stale_secs), (3_600, 0));
    assert_eq!(resolver.upstream_ca.unwrap().to_str(), Some("/etc/ca.pem"));
    let validation = resolver.validation.unwrap();
    assert_eq!(validation.trust_anchors.unwrap().to_str(), Some("/etc/leasehold/root.key"));
    assert_eq!(validation.not_validated[0].to_string(), "corp.example.");
    assert_eq!((resolver.routes[0].domains.len(), resolver.routes[0].upstreams.len()), (2, 1));
    let block = &resolver.blocks[0];
    assert_eq!((block.name.as_str(), block.refresh_secs, block.filtered), ("ads", 3_600, true));
    assert_eq!((block.instead, block.clients.len(), block.except.len()), (Instead::Nowhere, 1, 1));
}

#[test]
fn upstreams_that_are_none() {
    for (text, message) in [
        ("dns.example", "`dns.example` is not a DNS server: it has no IP address"),
        (
            "quic://192.0.2.1",
            "`quic://192.0.2.1` is not a DNS server: it begins with something other than udp://, tcp://, tls:// or https://",
        ),
        ("192.0.2.1#x", "`192.0.2.1#x` is not a DNS server: what stands behind # is not the name of a certificate"),
        (
            "tls://192.0.2.1#sha256/AAEC",
            "`tls://192.0.2.1#sha256/AAEC` is not a DNS server: what stands behind sha256/ is not the SHA-256 of a key, in base64",
        ),
        ("tls://dns.example", "`tls://dns.example` is not a DNS server: it has no IP address"),
    ] {
        refused(
            &and(&format!("[dns]\nupstreams = [\"{text}\"]\n")),
            &[("8:14", &format!("\"{text}\""), message, "write")],
        );
    }
}

#[test]
fn a_domain_that_is_forwarded_twice_or_to_nobody() {
    let one = "[[forward]]\ndomains = [\"a.example\"]\nupstreams = [\"10.0.0.53\"]\n";
    refused(
        &and(&format!("{one}{one}")),
        &[("11:12", "\"a.example\"", "`a.example` is forwarded twice", "keep one of the two")],
    );
    let nobody = and("[[forward]]\ndomains = [\"a.example\"]\nupstreams = []\n");
    let message = "this [[forward]] has no domain, or nobody to ask";
    refused(&nobody, &[("7:1", "[[forward]]", message, "write `domains = ")]);
}

#[test]
fn what_says_something_about_nothing() {
    refused(
        &and("[resolver]\ntrust_anchors = \"/etc/root.key\"\n"),
        &[(
            "8:17",
            "\"/etc/root.key\"",
            "`trust_anchors` says how answers are validated, and they are not",
            "add `validate = true`",
        )],
    );
    refused(
        &and("[dns]\nforward = false\n[[block]]\nname = \"ads\"\nfile = \"/ads\"\n"),
        &[(
            "9:1",
            "[[block]]",
            "other names are not resolved, so there is nothing to ask elsewhere or to block",
            "take `forward = false`",
        )],
    );
}

#[test]
fn domains_that_are_forwarded_and_not_validated() {
    let route = |validate: &str| {
        format!("[[forward]]\ndomains = [\"corp.example\"]\nupstreams = [\"10.0.0.53\"]\nvalidate = {validate}\n")
    };
    let validation = |text: &str| config(&and(text)).dns.forward.unwrap().resolver.validation;
    let resolver = "[resolver]\nvalidate = true\nnot_validated = [\"lab.example\"]\n";
    let names =
        |text: &str| validation(text).unwrap().not_validated.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&format!("{resolver}{}", route("false"))), ["lab.example.", "corp.example."]);
    assert_eq!(names(&format!("{resolver}{}", route("true"))), ["lab.example."]);
    assert_eq!(validation(&route("false")), None, "nothing is validated anyway");
    refused(
        &and(&route("true")),
        &[("10:12", "true", "nothing is validated, so that these domains are not either", "to [resolver]")],
    );
}

#[test]
fn what_is_remembered_of_questions() {
    let log = |keys: &str| config(&and(&format!("[resolver]\n{keys}\n"))).dns.forward.unwrap().resolver.log;
    assert_eq!(log("order = \"turns\"").keeps, Keeps::Nothing);
    let whole = log("log = \"whole\"\nlog_questions = 7\nlog_file = \"/var/log/queries.log\"");
    assert_eq!((whole.keeps, whole.questions), (Keeps::Everything, 7));
    assert_eq!(whole.file.unwrap().to_str(), Some("/var/log/queries.log"));
    assert_eq!(log("log = \"nameless\"").keeps, Keeps::NoNames);
    refused(
        &and("[resolver]\nlog_file = \"/queries.log\"\nlog_questions = 0\n"),
        &[
            (
                "8:12",
                "\"/queries.log\"",
                "`log_file` says where questions are written, and none is remembered",
                "add `log = ",
            ),
            ("9:17", "0", "0 questions cannot be remembered", "write a number from 1 to 1000000"),
        ],
    );
}

#[test]
fn a_cache_and_lists_out_of_range() {
    refused(
        &and("[resolver]\ncache_mib = 0\n"),
        &[("8:13", "0", "the cache cannot take 0 MiB", "write a number from 1 to 16384")],
    );
    let block = "[[block]]\nname = \"ads\"\nfile = \"/ads\"\n";
    refused(
        &and(&format!("{block}refresh = \"5s\"\n")),
        &[("10:11", "\"5s\"", "a list is not looked for more often than every 60 seconds", "write a longer time")],
    );
    refused(
        &and(&format!("{block}{block}")),
        &[("11:8", "\"ads\"", "`ads` cannot be the name of this list", "a name of its own")],
    );
}

#[test]
fn a_list_is_in_a_file_or_at_a_url() {
    let block = |rest: &str| and(&format!("[[block]]\nname = \"ads\"\n{rest}"));
    let url = |text: &str| block(&format!("url = \"{text}\"\n"));
    let read = config(&url("https://lists.example/ads.txt")).dns.forward.unwrap().resolver.blocks;
    assert_eq!(read[0].source, BlockSource::Url("https://lists.example/ads.txt".to_owned()));
    let message = "this [[block]] has neither a `file` nor a `url`";
    refused(&block(""), &[("7:1", "[[block]]", message, "write `file = ")]);
    refused(
        &block("file = \"/a\"\nurl = \"https://lists.example/\"\n"),
        &[("10:7", "\"https://lists.example/\"", "this list is in a file and at a URL", "keep one of the two")],
    );
    for text in ["lists.example/ads.txt", "ftp://lists.example/", "https://", "https:///ads.txt"] {
        let message = format!("`{text}` is no address of a list");
        refused(&url(text), &[("9:7", &format!("\"{text}\""), &message, "begins with https://")]);
    }
}
