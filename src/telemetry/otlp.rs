//! OTLP over HTTP in JSON: where it goes, and its form.

use std::time::Duration;

use serde_json::{Value, json};

/// How long a collector has to take spans.
const PATIENCE: Duration = Duration::from_secs(5);

/// A span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of which trace.
    pub trace: u128,
    /// Its number.
    pub id: u64,
    /// The number of the span that it is a part of.
    pub parent: Option<u64>,
    /// What was done.
    pub name: &'static str,
    /// UTC, in nanoseconds.
    pub begin: u64,
    /// The same.
    pub end: u64,
    /// What else is said of it.
    pub attributes: Vec<(&'static str, String)>,
}

/// Where spans are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    url: String,
    headers: Vec<(String, String)>,
    service: String,
}

impl Collector {
    /// As the variables of OpenTelemetry's specification say; `None`: nowhere.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same from variables that are told by `variable`.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let said = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if said("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return None;
        }
        let of_all =
            || said("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let url = said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(of_all)?;
        let headers = said("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| said("OTEL_EXPORTER_OTLP_HEADERS"));
        let headers = headers.unwrap_or_default();
        let header =
            |one: &str| one.split_once('=').map(|(name, value)| (name.trim().to_owned(), unescaped(value.trim())));
        Some(Self {
            url,
            headers: headers.split(',').filter_map(header).collect(),
            service: said("OTEL_SERVICE_NAME").unwrap_or_else(|| "leasehold".to_owned()),
        })
    }

    /// The whole address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// To be shown: what stands before a host or behind it may hold a password.
    #[must_use]
    pub fn shown(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("http", &self.url));
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        format!("{scheme}://{}", host.rsplit('@').next().unwrap_or_default())
    }

    /// Sends spans.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn post(&self, spans: &[Span]) -> Result<(), String> {
        let mut config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0);
        if self.url.starts_with("https://") {
            config = config.tls_config(crate::hooks::deliver::tls().map_err(|failure| format!("{failure:?}"))?);
        }
        let agent = config.user_agent(concat!("leasehold/", env!("CARGO_PKG_VERSION"))).build().new_agent();
        let mut request = agent.post(&self.url).header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let sent = request.send(self.body(spans).to_string().as_bytes());
        // What a library says of an address may hold all of it.
        sent.map(drop).map_err(|error| error.to_string().replace(&self.url, &self.shown()))
    }

    /// `ExportTraceServiceRequest`, in protobuf's JSON: identifiers in hexadecimal, numbers of 64 bits as texts.
    #[must_use]
    pub fn body(&self, spans: &[Span]) -> Value {
        let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let span = |span: &Span| {
            let attributes: Vec<Value> = span.attributes.iter().map(|(key, value)| text(key, value)).collect();
            json!({
                "traceId": format!("{:032x}", span.trace),
                "spanId": format!("{:016x}", span.id),
                "parentSpanId": span.parent.map(|parent| format!("{parent:016x}")).unwrap_or_default(),
                "name": span.name,
                // SERVER for what a client asked for, INTERNAL for what is done for it.
                "kind": if span.parent.is_none() { 2 } else { 1 },
                "startTimeUnixNano": span.begin.to_string(),
                "endTimeUnixNano": span.end.max(span.begin).to_string(),
                "attributes": attributes,
            })
        };
        let version = env!("CARGO_PKG_VERSION");
        json!({ "resourceSpans": [{
            "resource": { "attributes": [text("service.name", &self.service), text("service.version", version)] },
            "scopeSpans": [{
                "scope": { "name": "leasehold", "version": version },
                "spans": spans.iter().map(span).collect::<Vec<_>>(),
            }],
        }] })
    }
}

/// A header's value, whose octets may stand as `%20`, as OpenTelemetry's specification has them.
fn unescaped(text: &str) -> String {
    let (mut octets, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let escaped = || {
            let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let octet = if *first == b'%' { escaped() } else { None };
        octets.push(octet.unwrap_or(*first));
        rest = if octet.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn collector(endpoint: &str, headers: &str) -> Collector {
        Collector::from_variables(|name| match name {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some(endpoint.to_owned()),
            "OTEL_EXPORTER_OTLP_HEADERS" => Some(headers.to_owned()),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn headers_are_read_with_their_octets_in_percent() {
        let headers = collector("http://host", "authorization=Basic%20abc%3D,x=50%,y=%c3%bC%zz").headers;
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(headers, [("authorization", "Basic abc="), ("x", "50%"), ("y", "ü%zz")]);
    }

    #[test]
    fn what_may_be_secret_in_an_address_is_not_shown() {
        for url in ["http://host?token=abc", "http://me:abc@host/v1/traces", "http://host/abc", "http://host#abc"] {
            assert_eq!(collector(url, "").shown(), "http://host");
        }
    }
}
