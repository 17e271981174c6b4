//! Questions about names of others as they are asked: the log of queries, looked at again and again for one reader.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse;
use futures_util::Stream;

use crate::ask::{Ask, Handle, Refusal};
use crate::model::{QueriesQuery, WINDOW};

/// How often it is looked at. A busy resolver has hundreds of questions in that time, of which the newest are told.
const EVERY: Duration = Duration::from_millis(500);

/// A reader's place.
struct Reader {
    handle: Handle,
    /// The number to go on with.
    from: u64,
    begun: bool,
}

/// The messages for one reader, from this number on; they end with the daemon.
pub(crate) fn stream(handle: Handle, from: u64) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let reader = Reader { handle, from, begun: false };
    futures_util::stream::unfold(reader, |mut reader| async move {
        let message = reader.next().await?;
        Some((Ok(message), reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<sse::Event> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(sse::Event::default().event("hello").data("{}"));
        }
        loop {
            tokio::time::sleep(EVERY).await;
            let query = QueriesQuery { from: Some(self.from), limit: Some(WINDOW), ..QueriesQuery::default() };
            let part = match self.handle.ask(|to| Ask::Queries(query, to)).await {
                Ok(part) => part,
                // Others ask for more important things.
                Err(Refusal::Busy) => continue,
                Err(_) => return None,
            };
            self.from = part.next;
            if !part.rows.is_empty() {
                let data = serde_json::to_string(&part.rows).ok()?;
                return Some(sse::Event::default().event("queries").id(part.next.to_string()).data(data));
            }
        }
    }
}
