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
mod client;
mod connect;
mod messages;
mod minimal;
mod readme;
mod revisions;
mod upstream;

#[path = "../support/example.rs"]
mod example;
#[cfg(unix)]
#[path = "../support/signals.rs"]
mod signals;

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
