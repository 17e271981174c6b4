//! The page and the HTTP API: what is asked over HTTP, what is answered, and the files of the page.
//!
//! Reading order: `model` (what goes over the wire), `ask` (the bounded channel by which the daemon is asked; this crate
//! knows nothing of leases and zones itself), `feed` (what happened lately, as a stream that can be taken up again),
//! `api` (the routes, and their description as OpenAPI), `metrics` (Prometheus), `files` (the page, compressed when the
//! program was built), `guard` (who is refused, and what a browser may do with the page) and `server` (connections).
//!
//! Architecture Invariant: no request reaches the DHCP service or the updater but through [`Handle`], whose channel is
//! bounded: when it is full, the asker is told to come again.

mod api;
mod ask;
pub mod explanation;
mod feed;
mod files;
mod guard;
mod metrics;
pub mod model;
mod server;

pub use api::{openapi, router};
pub use ask::{Ask, Handle, Refusal, Reply};
pub use feed::{Feed, Given};
pub use files::{compressed_bytes, file_names};
pub use server::{Server, serve};
