//! The part of the server that stays as it is: copy this folder beside a `main.rs` of your own.
//!
//! `main.rs` says which tools there are and where the API is; nothing here knows either.
//!
//! - [`mcp`] speaks the Model Context Protocol over stdin and stdout, with `serde_json` alone. It knows nothing of
//!   Nexus: a [`Tool`](mcp::Tool) is a name, a description, JSON Schemas and a closure, and a [`Server`](mcp::Server) runs
//!   a list of them.
//! - [`api`] is what the closures call: [`Api`](api::Api) sends one request to the API with the credential of the
//!   connected user, says what a failure means, and sends the user to the page where a missing connection is made.
//! - [`process`] is about the process: signals, and taking turns with other processes of this machine.
//!
//! Nothing but JSON-RPC is ever written to stdout. Whatever else has to be said goes to stderr, through [`mcp::note`].

pub(crate) mod api;
pub(crate) mod mcp;
pub(crate) mod process;
