//! The lines that the MCP server example reads: the seeds of the fuzz target, and mutations of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failing test panics"
)]

mod jobs;
mod lines;
#[path = "../../../../tests/properties/mutated.rs"]
mod mutated;
#[path = "../../../../tests/properties/seeded.rs"]
#[allow(dead_code, reason = "the unit tests need all of it")]
mod seeded;

#[test]
fn every_request_has_one_response_and_nothing_else_has_any() {
    mutated::each("mcp_line", 2_000, lines::lines);
}
