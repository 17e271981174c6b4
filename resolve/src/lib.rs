//! Names that other servers are asked for: everything of a forwarder but its sockets, its clock and its files.
//!
//! Reading order: [`query`] (a plain question's octets), [`answer`] (what an upstream said, checked and kept as it goes
//! out), [`cache`] (answers until their time is over, and a while beyond), [`upstream`] (one of those that are asked), [`upstreams`] (how each does, and who is asked
//! next), [`quest`] (one question on its way through them), [`routes`] (which of them a name is asked of), [`special`]
//! (names that nobody is asked for), [`blocking`] (names that are not
//! resolved for some clients), [`query_log`] (what was asked of late), [`reason`] (what an asker is told beside an answer).
//!
//! Answers stay octets: they are read once, for their bounds and their times to live, and go out as they came behind the
//! asker's own header and question. Building records of them for each asker would cost more than all else that is done.
//!
//! Architecture Invariant: time is a parameter and randomness a value that is passed in, so that an hour with upstreams
//! that die and lie is a test of some milliseconds.

pub mod answer;
pub mod blocking;
pub mod cache;
pub mod query;
pub mod query_log;
pub mod quest;
pub mod reason;
pub mod routes;
pub mod special;
pub mod upstream;
pub mod upstreams;

pub use answer::{Answer, AnswerRef, Heard, Lie};
pub use cache::{Cache, Found, Limits};
pub use query::{Key, PlainQuery};
pub use query_log::Transport;
pub use quest::{Quest, Said, Step};
pub use reason::Reason;
pub use routes::Routes;
pub use upstream::{NoUpstream, Over, Upstream};
pub use upstreams::{Order, Pool};
