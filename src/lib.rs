// The README shows what needs features; without them its blocks do not compile.
#![cfg_attr(
    any(not(doctest), all(feature = "consent", feature = "testing")),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    all(doctest, not(all(feature = "consent", feature = "testing"))),
    doc = "The guide is the README."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
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

mod base64;
#[cfg(feature = "consent")]
mod browser;
mod cache;
mod capture;
mod client;
mod connection;
#[cfg(feature = "consent")]
mod consent;
mod error;
mod fetch;
mod flights;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[path = "../tests/properties/mod.rs"]
pub mod fuzzing;
mod gateway;
mod header;
mod hiding;
mod json;
mod lock;
mod log;
#[cfg(any(feature = "consent", feature = "testing"))]
mod loopback;
mod options;
mod providers;
mod retry;
mod secret;
#[cfg(test)]
#[path = "../tests/properties/seeded.rs"]
mod seeded;
mod session;
#[cfg(feature = "signing")]
mod signing;
mod strategy;
mod sync;
mod time;
mod token;
mod transport;
mod url;
mod wait;

#[cfg(feature = "testing")]
pub mod testing;

pub use serde_json;
pub use ureq::{self, http};

pub use cache::TokenCache;
pub use capture::{CaptureSchema, CapturedCredential};
pub use client::NexusClient;
pub use connection::revoke::{RevokeOptions, RevokeResult};
pub use connection::{
    ConnectionStatus, IntoScopes, RequestConnectionInput, RequestConnectionResponse,
};
#[cfg(feature = "consent")]
pub use consent::ConsentListener;
pub use error::{ErrorKind, NexusError, Result};
pub use fetch::fetcher::Fetcher;
pub use fetch::options::FetchOptions;
pub use fetch::redirect::Redirects;
pub use lock::RefreshLock;
pub use log::LogLevel;
pub use options::NexusClientOptions;
pub use providers::{Health, ProviderInfo, Providers};
pub use retry::RetryPolicy;
pub use session::{AgentSession, AgentSessionInput};
pub use token::{CachedToken, TokenResponse};
pub use url::path_segment;
pub use wait::WaitOptions;
