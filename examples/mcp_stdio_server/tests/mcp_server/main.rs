//! The MCP server example, driven over its pipes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failing test panics"
)]

mod calls;
mod connect;
mod messages;
mod readme;
mod revisions;
mod upstream;

#[path = "../../../../tests/support/mcp_client.rs"]
mod client;
#[path = "../../../../tests/support/example.rs"]
mod example;
#[cfg(unix)]
#[path = "../../../../tests/support/signals.rs"]
mod signals;

use std::path::Path;
use std::process::Command;

/// Returns the command of the server, without environment variables. Its working directory is the root, as some hosts choose
/// it, because nothing may depend on that directory.
fn command() -> Command {
    let mut command = example::configured(Path::new(env!("CARGO_BIN_EXE_mcp_stdio_server")));
    command.env_clear().current_dir("/");
    command
}

/// The revisions that begin with `initialize`.
const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The revision in which each request stands alone.
const MODERN: &str = "2026-07-28";
const ALL: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    MODERN,
];
