//! A small HTTP/1.1 server on loopback, with limits on size, time and connections.
//!
//! The consent listener and the development gateway are services of this server.

mod connections;
mod server;
mod service;
mod text;
mod wire;

pub(crate) use server::Server;
pub(crate) use service::{Limits, Request, Response, Service};
pub(crate) use text::{escape, field, fields};
