//! The page and the HTTP API: what is asked over HTTP, what is answered, and the files of the page.
//!
//! Reading order: `model` (what goes over the wire), `ask` (the bounded channel by which the daemon is asked; this crate
//! knows nothing of leases and zones itself), `feed` (what happened lately, as a stream that can be taken up again), `query_feed`
//! (questions as they are asked),
//! `access` (who asks, and what they may do), `routes` (each with the role that it needs), `api` (what they answer, and their
//! description as OpenAPI), `conditions` (two writers at once), `body` and `problem` (what is sent, and what is wrong with it),
//! `metrics` (Prometheus), `files` (the page, compressed when the program was built), `guard` (what a browser may do with the
//! page, and under which names) and `server` (connections).
//!
//! Architecture Invariant: no request reaches the DHCP service or the updater but through [`Handle`], whose channel is
//! bounded: when it is full, the asker is told to come again.

pub mod access;
mod api;
mod ask;
mod body;
mod changes;
mod commands;
mod conditions;
mod devices;
pub mod explanation;
mod feed;
mod files;
mod guard;
mod machines;
mod metrics;
pub mod model;
mod problem;
mod query_feed;
mod routes;
mod server;
mod session;

pub use access::{Access, Actor, Role};
pub use api::{openapi, router, routes};
pub use ask::{Ask, Handle, Refusal, Reply};
pub use conditions::{Conditions, ETag};
pub use feed::{Feed, Given};
pub use files::{compressed_bytes, file_names};
pub use routes::Route;
pub use server::{Server, Tls, redirect, serve};
