//! The requests that the SDK sends, and how it handles the responses of scripted servers and of the development
//! gateway.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod bad_input;
mod base_url;
mod bodies;
mod by_id;
mod connections;
mod consents;
mod deadlines;
mod defaults;
mod downloads;
mod errors;
// Most rows need https.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod failures;
mod fetch;
mod flights;
mod headers;
mod hide;
mod locks;
mod middleware;
mod on_call;
mod outages;
mod pool;
#[cfg(not(feature = "socks-proxy"))]
mod proxies;
mod redirects;
mod replay;
mod requests;
mod results;
mod retries;
mod sessions;
#[cfg(feature = "signing")]
mod signing;
#[path = "../support/mod.rs"]
mod support;
mod threads;
#[cfg(feature = "rustls")]
mod tls_roots;
mod types;
mod waiting;
