//! The Model Context Protocol over stdin and stdout, in its five revisions from 2024-11-05 to 2026-07-28.
//!
//! A line of stdin is read in `lines`, becomes messages in `jsonrpc`, and is taken apart in `inbox`: what needs no tool
//! is responded to there, by what `protocol` knows of the revisions; a call of a tool becomes a job. `turns` has the
//! jobs and `server` the threads that do them. `tool` and `schema` are what a tool consists of, `page` is how a tool
//! sends the user to a web page.

pub(crate) mod inbox;
pub(crate) mod jsonrpc;
pub(crate) mod lines;
pub(crate) mod page;
pub(crate) mod protocol;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod tool;
pub(crate) mod turns;

pub(crate) use lines::note;
pub(crate) use page::{Page, Visit};
pub(crate) use server::Server;
pub(crate) use tool::{Call, Content, Problem, Tool};
