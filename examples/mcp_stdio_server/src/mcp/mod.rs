//! A server for the Model Context Protocol over stdin and stdout. It speaks the five revisions from 2024-11-05 to
//! 2026-07-28, depends only on `serde_json`, and knows nothing of Nexus.
//!
//! A program creates a list of [`Tool`]s and passes it to [`Server::new`]. These are the modules, in
//! the order in which a call passes through them:
//!
//! | module | contents |
//! |---|---|
//! | `server`, `jobs` | the threads, and the calls that wait or run |
//! | `lines` | reads a line from stdin, writes a line to stdout |
//! | `inbox` | turns a line into responses, tool calls and cancellations |
//! | `scan` | limits the size of a line's JSON |
//! | `message` | JSON-RPC: requests, notifications, responses, errors |
//! | `protocol` | the methods, and the differences between the revisions |
//! | `tool`, `schema`, `page` | tools, the validation of arguments and results, web pages that the user has to visit |
//!
//! stdout carries JSON-RPC messages and nothing else. This module writes its own log lines to stderr through [`note`].

pub(crate) mod inbox;
pub(crate) mod jobs;
pub(crate) mod lines;
pub(crate) mod message;
pub(crate) mod page;
pub(crate) mod protocol;
mod scan;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod tool;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use lines::note;
pub(crate) use page::{Page, Visit};
pub(crate) use server::Server;
pub(crate) use tool::{Call, Problem, Tool};

/// Locks a mutex. The data is used even if a thread has panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
