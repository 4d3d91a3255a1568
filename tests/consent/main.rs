//! The listener on loopback, as browsers and others meet it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failing test panics"
)]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod chromium;
mod forms;
mod in_chromium;
mod listener;
mod waits;
