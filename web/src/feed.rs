//! What happened lately: a ring of events, and streams of it that can be taken up again.
//!
//! Whoever reads too slowly is not waited for: it is told that there is a gap, and asks for everything anew. The same is
//! told to whoever comes with the identifier of another run.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::sse;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;

use crate::model::{Event, Events, LeaseRow, Level};

/// Events that are remembered.
pub(crate) const REMEMBERED: usize = 1_024;
/// Events in one message of a stream.
const TOGETHER: usize = 64;

/// An event that has no number yet. The fields are those of [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of Event")]
pub struct Given {
    pub at: u64,
    pub kind: &'static str,
    pub level: Level,
    pub title: String,
    pub detail: String,
    pub lease: Option<LeaseRow>,
}

/// See the module.
#[derive(Debug)]
pub struct Feed {
    run: String,
    ring: Mutex<VecDeque<Arc<Event>>>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
}

impl Feed {
    /// An empty one. `run` names this run of the daemon, in letters and digits.
    #[must_use]
    pub fn new(run: String) -> Self {
        Self { run, ring: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Takes what happened, in the order in which it did.
    pub fn push(&self, given: impl IntoIterator<Item = Given>) {
        let mut ring = self.lock();
        let mut id = *self.newest.borrow();
        for Given { at, kind, level, title, detail, lease } in given {
            id += 1;
            if ring.len() == REMEMBERED {
                ring.pop_front();
            }
            ring.push_back(Arc::new(Event { id, at, kind: kind.to_owned(), level, title, detail, lease }));
        }
        drop(ring);
        self.newest.send_if_modified(|newest| std::mem::replace(newest, id) != id);
    }

    /// Whether anybody follows what happens.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.newest.receiver_count() > 0
    }

    /// The newest events that `wanted` picks, the newest first.
    pub fn newest(&self, most: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let ring = self.lock();
        ring.iter().rev().filter(|event| wanted(event)).take(most).map(|event| Event::clone(event)).collect()
    }

    /// The same as an answer of the API.
    #[must_use]
    pub fn events(&self, most: usize) -> Events {
        Events { run: self.run.clone(), events: self.newest(most, |_| true) }
    }

    /// A stream from behind the event that `last` names (`RUN-NUMBER`, as the stream itself says); without it, from now
    /// on.
    pub(crate) fn stream(
        self: &Arc<Self>,
        last: Option<&str>,
    ) -> impl Stream<Item = Result<sse::Event, Infallible>> + use<> {
        let newest = *self.newest.borrow();
        let known = last.and_then(|last| {
            let (run, id) = last.rsplit_once('-')?;
            let id: u64 = id.parse().ok()?;
            (run == self.run && id <= newest).then_some(id)
        });
        let reader = Reader {
            feed: Arc::clone(self),
            told: self.newest.subscribe(),
            at: known.unwrap_or(newest),
            say: Some(if last.is_some() && known.is_none() { Say::Gap } else { Say::Hello }),
        };
        stream::unfold(reader, |mut reader| async move {
            let message = reader.next().await?;
            Some((Ok(message), reader))
        })
    }

    /// The number of the newest event, as it goes up; 0 before the first one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The events behind this one, oldest first and so many at a time; `None`: some of them are forgotten.
    #[must_use]
    pub fn since(&self, at: u64) -> Option<Vec<Arc<Event>>> {
        let ring = self.lock();
        let first = ring.front().map_or(at + 1, |event| event.id);
        if first > at + 1 {
            return None;
        }
        let skip = usize::try_from(at + 1 - first).unwrap_or(usize::MAX);
        Some(ring.iter().skip(skip).take(TOGETHER).cloned().collect())
    }

    /// The number of the newest event that is forgotten: those behind it are remembered.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.lock().front().map_or(0, |event| event.id - 1)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stream begins with.
enum Say {
    Hello,
    Gap,
}

/// One reader's place.
struct Reader {
    feed: Arc<Feed>,
    told: watch::Receiver<u64>,
    at: u64,
    say: Option<Say>,
}

impl Reader {
    /// The next message; `None`: there will be none any more.
    async fn next(&mut self) -> Option<sse::Event> {
        if let Some(say) = self.say.take() {
            let name = if matches!(say, Say::Gap) { "gap" } else { "hello" };
            return Some(self.message(name).data("{}"));
        }
        loop {
            let newest = *self.told.borrow_and_update();
            if newest > self.at {
                let Some(events) = self.feed.since(self.at) else {
                    self.at = newest;
                    return Some(self.message("gap").data("{}"));
                };
                self.at = events.last()?.id;
                let events: Vec<&Event> = events.iter().map(AsRef::as_ref).collect();
                let data = serde_json::to_string(&events).ok()?;
                return Some(self.message("events").data(data));
            }
            self.told.changed().await.ok()?;
        }
    }

    fn message(&self, name: &str) -> sse::Event {
        sse::Event::default().event(name).id(format!("{}-{}", self.feed.run, self.at))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn given(title: &str) -> Given {
        let (title, detail) = (title.to_owned(), String::new());
        Given { at: 7, kind: "dns", level: Level::Info, title, detail, lease: None }
    }

    fn reader(feed: &Arc<Feed>, at: u64) -> Reader {
        Reader { feed: Arc::clone(feed), told: feed.newest.subscribe(), at, say: None }
    }

    #[test]
    fn the_ring_keeps_the_newest_events_and_no_more() {
        let feed = Feed::new("r".to_owned());
        feed.push((0..REMEMBERED + 5).map(|at| given(&at.to_string())));
        let events = feed.newest(usize::MAX, |_| true);
        assert_eq!(events.len(), REMEMBERED);
        assert_eq!(events[0].id, REMEMBERED as u64 + 5);
        assert_eq!(events.last().unwrap().title, "5");
        assert_eq!(feed.newest(1, |event| event.title == "9")[0].id, 10);
    }

    #[tokio::test]
    async fn a_reader_gets_what_it_missed_in_pieces_and_a_late_one_is_told_of_the_gap() {
        let feed = Arc::new(Feed::new("r".to_owned()));
        feed.push((0..100).map(|at| given(&at.to_string())));
        let mut reader = reader(&feed, 10);
        assert!(reader.next().await.is_some());
        assert_eq!(reader.at, 10 + TOGETHER as u64, "no more than so many in one message");
        assert!(reader.next().await.is_some());
        assert_eq!(reader.at, 100);
        feed.push((0..REMEMBERED + 1).map(|at| given(&at.to_string())));
        assert!(reader.next().await.is_some());
        assert_eq!(reader.at, 101 + REMEMBERED as u64, "what is forgotten is passed over");
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_an_event() {
        let feed = Arc::new(Feed::new("r".to_owned()));
        let mut reader = reader(&feed, 0);
        let waiting = tokio::spawn(async move { reader.next().await.map(|_| reader.at) });
        tokio::task::yield_now().await;
        feed.push([given("late")]);
        assert_eq!(waiting.await.unwrap(), Some(1));
    }
}
