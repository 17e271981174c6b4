//! What was asked about names of others, by whom, and what became of it.

use web::Refusal;
use web::model::{ForwarderFigures, Queries, QueriesQuery, QueryRow, WINDOW};

use super::desk::Desk;
use crate::dns_server::DnsGauge;
use crate::query_log::QueryView;

impl Desk {
    pub(super) async fn queries(&self, query: QueriesQuery) -> Result<Queries, Refusal> {
        let Some(log) = &self.parts.responder.queries else { return Ok(Queries::default()) };
        let part = log.read(query.from, &self.parts.responder.service).await;
        let text = query.q.trim().to_lowercase();
        let mut rows: Vec<QueryRow> =
            part.list.into_iter().filter(|one| wants(&query, &text, one)).map(row_of).collect();
        let total = rows.len();
        let most = query.limit.unwrap_or(WINDOW).min(WINDOW);
        rows.drain(..total.saturating_sub(most));
        Ok(Queries { remembered: true, next: part.next, total, rows })
    }
}

impl Desk {
    /// How those do who are asked for names of others, and the block lists; empty where nobody is asked.
    pub(super) fn forwarder(&self) -> ForwarderFigures {
        let dns = self.parts.responder.dns.as_ref().map(DnsGauge::figures);
        dns.and_then(|dns| dns.forwarder).unwrap_or_default()
    }
}

fn wants(query: &QueriesQuery, text: &str, one: &QueryView) -> bool {
    let has = |value: &Option<String>| value.as_ref().is_some_and(|value| value.to_lowercase().contains(text));
    (query.fate.is_empty() || query.fate == one.fate)
        && (query.hardware.is_empty() || one.hardware.as_deref() == Some(&query.hardware))
        && (text.is_empty()
            || has(&one.name)
            || has(&one.host)
            || has(&one.hardware)
            || one.client.to_string().contains(text))
}

fn row_of(view: QueryView) -> QueryRow {
    let shown =
        |name: String| name.strip_suffix('.').filter(|name| !name.is_empty()).map(str::to_owned).unwrap_or(name);
    QueryRow {
        number: view.number,
        at_ms: view.at_ms,
        client: view.client,
        host: view.host.map(shown),
        hardware: view.hardware,
        transport: view.transport,
        name: view.name.map(shown),
        rtype: view.rtype,
        fate: view.fate,
        rcode: view.rcode,
        why: view.why,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn view() -> QueryView {
        QueryView {
            number: 7,
            at_ms: 1_000,
            client: "192.168.30.7".parse().unwrap(),
            host: Some("phone.home.example.".to_owned()),
            hardware: Some("02:00:00:00:10:01".to_owned()),
            transport: "tls".to_owned(),
            name: Some("Ads.Example.".to_owned()),
            rtype: "A".to_owned(),
            fate: "blocked".to_owned(),
            rcode: "NXDOMAIN".to_owned(),
            why: Some("the list adverts".to_owned()),
        }
    }

    #[test]
    fn a_question_is_found_by_its_name_by_who_asked_and_by_what_became_of_it() {
        let wanted = |q: &str, hardware: &str, fate: &str| {
            let query =
                QueriesQuery { hardware: hardware.to_owned(), fate: fate.to_owned(), ..QueriesQuery::default() };
            wants(&query, q, &view())
        };
        assert!(["", "ads.ex", "phone", "02:00", "30.7"].iter().all(|q| wanted(q, "", "")));
        assert!(!wanted("nobody", "", ""));
        assert!(wanted("", "02:00:00:00:10:01", "blocked") && !wanted("", "02:00:00:00:10:02", "blocked"));
        assert!(!wanted("", "", "asked"));
    }

    #[test]
    fn names_are_shown_without_their_last_dot() {
        let row = row_of(view());
        assert_eq!((row.name.as_deref(), row.host.as_deref()), (Some("Ads.Example"), Some("phone.home.example")));
        assert_eq!(row_of(QueryView { name: Some(".".to_owned()), ..view() }).name.as_deref(), Some("."));
    }
}
