//! Shared by the tests: a scripted server, and clients of it.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test file uses a part of it"
)]

mod bodies;
mod dev;
mod exports;
mod open;
mod reply;
mod server;
mod tls;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nexus_sdk::http::HeaderMap;
use nexus_sdk::testing::DevGateway;
use nexus_sdk::{
    CachedToken, FetchOptions, Fetcher, LogLevel, NexusClient, NexusClientOptions, Result,
    RetryPolicy, TokenCache,
};
use serde_json::Value;

pub(crate) use bodies::{gzip, in_chunks, with_length};
pub(crate) use dev::{connected, said, visit};
pub(crate) use exports::exports;
pub(crate) use open::{Open, resident};
pub(crate) use reply::{End, Reply, bytes, json, redirect, reply, text};
pub(crate) use server::{LONG, Request, Server};
#[cfg(feature = "rustls")]
pub(crate) use tls::trust;
pub(crate) use tls::{Stream, accept, authority_pem};

/// A token reply whose credential goes into `Authorization: Bearer`.
pub(crate) fn bearer(token: &str) -> Reply {
    json(
        200,
        &serde_json::json!({ "access_token": token, "expires_in": 3600 }),
    )
}

/// A gateway whose reply to every request is this token.
pub(crate) fn gateway(token: &Value) -> Server {
    Server::play(vec![json(200, token)])
}

/// A gateway that resolves everything to `token(1)`, then to `token(2)` and so on, up to `token(last)`.
pub(crate) fn granting(
    last: usize,
    token: impl Fn(usize) -> Value + Send + Sync + 'static,
) -> Server {
    let granted = AtomicUsize::new(0);
    Server::start(move |_| {
        let number = granted.fetch_add(1, Ordering::SeqCst) + 1;
        json(200, &token(number.min(last)))
    })
}

/// A server that a client can use as its gateway.
pub(crate) trait Gateway {
    fn base_url(&self) -> String;
}

impl Gateway for Server {
    fn base_url(&self) -> String {
        self.url("")
    }
}

impl Gateway for DevGateway {
    fn base_url(&self) -> String {
        self.url().to_owned()
    }
}

/// Quiet options for a client of this gateway.
pub(crate) fn options(gateway: &impl Gateway) -> NexusClientOptions {
    NexusClientOptions::new(gateway.base_url()).log_level(LogLevel::Off)
}

pub(crate) fn client(gateway: &impl Gateway) -> NexusClient {
    NexusClient::new(options(gateway)).unwrap()
}

/// A bearer token for the next hour.
pub(crate) fn cached(token: &str) -> CachedToken {
    let expires = std::time::SystemTime::now() + Duration::from_secs(3600);
    CachedToken::new(token, "Bearer", expires)
}

/// A client, and a cache that contains the bearer token `token` for `ws` and `p`, so that a fetch needs no gateway.
pub(crate) fn holder(options: NexusClientOptions, token: &str) -> (NexusClient, TokenCache) {
    let cache = TokenCache::new();
    cache.set("ws", "p", cached(token));
    (NexusClient::new(options).unwrap(), cache)
}

/// A fetcher that holds the bearer token `t-1`.
pub(crate) fn fetcher(options: NexusClientOptions) -> Fetcher {
    let (client, cache) = holder(options, "t-1");
    client.fetcher(&cache, "ws", "p")
}

/// Fetches with a client whose cache contains a token.
pub(crate) fn fetch(url: &str, options: FetchOptions) -> Result<(u16, HeaderMap, Vec<u8>)> {
    let unused = NexusClientOptions::new("http://127.0.0.1:1").log_level(LogLevel::Off);
    let (client, cache) = holder(unused, "t-1");
    client.authenticated_fetch(&cache, "ws", "p", url, options)
}

/// A policy with this many retries, each after the same delay.
pub(crate) fn retrying(retries: u32, delay: Duration) -> RetryPolicy {
    let policy = RetryPolicy::default().retries(retries);
    policy.min_delay(delay).max_delay(delay)
}

/// An agent that trusts only the certificate of the scripted server.
#[cfg(feature = "rustls")]
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .tls_config(trust())
        .build()
        .new_agent()
}
