//! Files that hold TSIG keys, in each form that BIND's tools write and read.
//!
//! - base64 alone;
//! - `key "name" { algorithm hmac-sha256; secret "..."; };`, once or several times, in whatever else a `named.conf` has
//!   (`tsig-keygen`, `ddns-confgen`, `rndc-confgen`);
//! - `Kname.+163+12345.key`, a KEY record, and `Kname.+163+12345.private` (`dnssec-keygen` before BIND 9.13).

use dns::TsigAlgorithm;

/// One key of a file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileKey {
    /// Its name as written; `None` where the form has none.
    pub(super) name: Option<String>,
    /// The name of its algorithm as written, which need not be one that we know; `None` where the form has none.
    pub(super) algorithm: Option<String>,
    /// Its secret in base64, as written.
    pub(super) secret: String,
}

/// The keys in a file. Text that is none of the forms is taken for base64, and found out where that is decoded.
pub(super) fn read(text: &str) -> Vec<FileKey> {
    if let Some(key) = private_file(text) {
        return vec![key];
    }
    if let Some(key) = key_record(text) {
        return vec![key];
    }
    let clauses = clauses(&tokens(text));
    if clauses.is_empty() {
        return vec![FileKey { name: None, algorithm: None, secret: text.to_owned() }];
    }
    clauses
}

/// `Private-key-format: v1.3`, then `Algorithm: 163 (HMAC_SHA256)` and `Key: <base64>`, in lines.
fn private_file(text: &str) -> Option<FileKey> {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim())
    };
    field("Private-key-format")?;
    let number = field("Algorithm")?.split_whitespace().next()?.to_owned();
    Some(FileKey { name: None, algorithm: Some(by_number(&number)), secret: field("Key")?.to_owned() })
}

/// `name. [ttl] [IN] KEY <flags> 3 <algorithm> <base64>`
fn key_record(text: &str) -> Option<FileKey> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(';'))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "KEY").filter(|at| (1..=3).contains(at))?;
    let (name, rest) = (words.first()?, words.get(at + 1..)?);
    let [_flags, "3", algorithm, secret @ ..] = rest else { return None };
    Some(FileKey { name: Some((*name).to_owned()), algorithm: Some(by_number(algorithm)), secret: secret.concat() })
}

/// BIND's numbers for the algorithms of such files (`dst/dst.h`); they are registered nowhere.
fn by_number(number: &str) -> String {
    let algorithm = match number {
        "157" => TsigAlgorithm::HmacMd5,
        "161" => TsigAlgorithm::HmacSha1,
        "162" => TsigAlgorithm::HmacSha224,
        "163" => TsigAlgorithm::HmacSha256,
        "164" => TsigAlgorithm::HmacSha384,
        "165" => TsigAlgorithm::HmacSha512,
        other => return other.to_owned(),
    };
    algorithm.name().to_owned()
}

/// The words of a `named.conf`: quoted texts without their quotes, `{`, `}` and `;`, without comments.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return tokens };
        let past = |at: Option<usize>, length: usize| at.map_or("", |at| &rest[at + length..]);
        rest = if rest.starts_with("//") || first == '#' {
            past(rest.find('\n'), 1)
        } else if rest.starts_with("/*") {
            past(rest.find("*/"), 2)
        } else if first == '"' {
            let (quoted, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            tokens.push(quoted);
            after
        } else {
            let end = if "{};".contains(first) {
                1
            } else {
                rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len())
            };
            tokens.push(&rest[..end]);
            &rest[end..]
        };
    }
}

fn clauses(tokens: &[&str]) -> Vec<FileKey> {
    let mut keys = Vec::new();
    for at in 0..tokens.len() {
        let ["key", name, "{", body @ ..] = &tokens[at..] else { continue };
        let body = &body[..body.iter().position(|token| *token == "}").unwrap_or(body.len())];
        let value = |word: &str| body.windows(2).find(|pair| pair[0] == word).map(|pair| pair[1].to_owned());
        let Some(secret) = value("secret") else { continue };
        keys.push(FileKey { name: Some((*name).to_owned()), algorithm: value("algorithm"), secret });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: Option<&str>, algorithm: Option<&str>, secret: &str) -> FileKey {
        FileKey { name: name.map(str::to_owned), algorithm: algorithm.map(str::to_owned), secret: secret.to_owned() }
    }

    fn is(text: &str, expected: &[FileKey]) {
        // Without a secret in what a failing test prints.
        assert!(read(text) == expected, "{text}");
    }

    #[test]
    fn base64_alone_is_a_secret() {
        is("c2VjcmV0\n", &[key(None, None, "c2VjcmV0\n")]);
    }

    #[test]
    fn every_key_of_a_named_conf_is_read() {
        is(
            "# ours\ninclude \"/etc/bind/rndc.key\"; // not read\n/* key \"old\" { secret \"b2xk\"; }; */\n\
             key \"leasehold\" {\n\talgorithm hmac-sha384;\n\tsecret \"c2VjcmV0\";\n};\n\
             key other.example. { secret b3RoZXI=; algorithm \"hmac-md5\"; };\n\
             zone \"nasir.xyz\" { type primary; allow-update { key \"leasehold\"; }; };\n",
            &[
                key(Some("leasehold"), Some("hmac-sha384"), "c2VjcmV0"),
                key(Some("other.example."), Some("hmac-md5"), "b3RoZXI="),
            ],
        );
    }

    #[test]
    fn both_files_of_dnssec_keygen_are_read() {
        is(
            "Private-key-format: v1.3\nAlgorithm: 163 (HMAC_SHA256)\nKey: c2VjcmV0\nBits: AAA=\nCreated: 20200101000000\n",
            &[key(None, Some("hmac-sha256"), "c2VjcmV0")],
        );
        is(
            "; a key\nleasehold.example. IN KEY 512 3 165 c2Vj cmV0\n",
            &[key(Some("leasehold.example."), Some("hmac-sha512"), "c2VjcmV0")],
        );
    }

    #[test]
    fn what_is_cut_off_ends_in_nothing_worse_than_a_wrong_secret() {
        for text in
            ["key \"a\" { secret", "key \"a\" { secret \"c2Vj", "/* key", "key", "\"", "Private-key-format: v1.3"]
        {
            assert!(read(text).len() <= 1, "{text}");
        }
    }
}
