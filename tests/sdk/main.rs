//! What the SDK sends and what it makes of the answers, with scripted servers on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod bad_input;
mod bodies;
mod connections;
mod deadlines;
mod fetch;
mod gateway;
mod gateway_requests;
mod native;
mod redirect_rules;
mod redirects;
#[cfg(feature = "signing")]
mod signing;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "rustls")]
mod tls_roots;
