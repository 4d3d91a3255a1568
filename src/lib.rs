// One block of the README is about TLS and does not compile without it.
#![cfg_attr(
    any(not(doctest), feature = "rustls"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    all(doctest, not(feature = "rustls")),
    doc = "The guide is the README."
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a failing test panics"
    )
)]

mod admin;
mod agent;
mod base64;
mod bound;
mod client;
mod clock;
mod connection;
mod error;
mod fetch;
mod fetch_options;
mod fetcher;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod gateway_error;
mod hosts;
mod json;
mod key;
mod log;
mod native;
mod options;
mod redirect;
mod resolve;
mod retry;
#[cfg(test)]
mod seeded;
mod session;
#[cfg(feature = "signing")]
mod signing;
mod single_flight;
mod slots;
mod strategy;
mod sync;
mod timestamp;
mod token;
mod token_cache;
mod transport;
mod url;
mod wait;

#[cfg(feature = "testing")]
pub mod testing;

pub use serde_json;
pub use ureq::{self, http};

pub use admin::{
    CaptureSchema, CapturedCredential, Health, ProviderInfo, Providers, RevokeOptions, RevokeResult,
};
pub use client::{AgentSessionGuard, NexusClient};
pub use connection::{
    ConnectionStatus, RequestConnectionInput, RequestConnectionResponse, WaitOptions,
};
pub use error::{ErrorKind, NexusError, Result};
pub use fetch_options::FetchOptions;
pub use fetcher::Fetcher;
pub use log::LogLevel;
pub use options::NexusClientOptions;
pub use redirect::Redirects;
pub use retry::RetryPolicy;
pub use session::{AgentSession, AgentSessionInput, OboSessionInput};
pub use token::{CachedToken, TokenResponse};
pub use token_cache::TokenCache;
