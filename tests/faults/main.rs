//! Faults of the network, the gateway and the upstream. Every call has the expected outcome, no error or log
//! line contains a secret, and nothing is written to stdout.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod calls;
mod cuts;
mod examples;
mod find_secrets;
mod programs;
mod secrets;
mod table;
mod types;
mod watched;

#[path = "../support/example.rs"]
mod example;
#[path = "../support/mod.rs"]
mod support;
