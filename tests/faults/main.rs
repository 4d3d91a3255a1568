//! Faults of the network, of the gateway and of the upstream: what comes out of every call, and that
//! neither a secret nor a byte on stdout ever does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod bench;
mod canaries;
mod cuts;
mod examples;
#[cfg(feature = "cli")]
mod nexus;
mod secrets;
mod table;
mod types;
mod watched;

#[path = "../support/example.rs"]
mod example;
#[path = "../support/mod.rs"]
mod support;
