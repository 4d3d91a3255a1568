//! The SDK with ureq's features `cookies` and `charset`, which any other crate may enable.
#![cfg(test)]

#[path = "../support/reply.rs"]
#[allow(dead_code, reason = "the other tests need all of it")]
mod reply;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "the other tests need all of it")]
mod server;

/// These tests need no https.
mod tls {
    use std::io;
    use std::net::TcpStream;

    pub(super) type Stream = TcpStream;

    pub(super) fn serve(
        _: TcpStream,
        _: impl FnOnce(&mut Stream) -> io::Result<()>,
    ) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

use std::thread;
use std::time::{Duration, SystemTime};

use nexus_sdk::{CachedToken, FetchOptions, LogLevel, NexusClient, NexusClientOptions, TokenCache};
use server::{Request, Server};

/// Sets a cookie that holds the credential of the request.
fn serve() -> Server {
    Server::start(|request| {
        let cookie = format!("session={}; Path=/", tenant(request).replace(' ', "-"));
        reply::reply(200, &[("Set-Cookie", &cookie)], "ok")
    })
}

fn tenant(request: &Request) -> &str {
    request.header("authorization").unwrap()
}

fn client_and_cache() -> (NexusClient, TokenCache) {
    let options = NexusClientOptions::new("http://127.0.0.1:1").log_level(LogLevel::Off);
    let cache = TokenCache::new();
    let expires_at = SystemTime::now() + Duration::from_secs(3600);
    for workspace in ["red", "blue"] {
        let token = CachedToken::new(workspace, "Bearer", expires_at);
        cache.set(workspace, "p", token);
    }
    (NexusClient::new(options).unwrap(), cache)
}

/// Fetches with the credentials of two tenants, on several threads.
fn on_threads(fetch: impl Fn(&'static str) + Sync) {
    thread::scope(|threads| {
        for workspace in ["red", "blue"].repeat(4) {
            let fetch = &fetch;
            threads.spawn(move || (0..50).for_each(|_| fetch(workspace)));
        }
    });
}

#[test]
fn the_features_are_on() {
    let agent = ureq::Agent::new_with_defaults();
    assert_eq!(agent.cookie_jar_lock().iter().count(), 0);
    let latin = ureq::Body::builder()
        .mime_type("text/plain")
        .charset("latin1");
    let read = latin.data(*b"caf\xE9").read_to_vec().unwrap();
    assert_eq!(read, "café".as_bytes());
}

/// Left to ureq: with its feature `charset`, texts are decoded, and the headers still name the old encoding.
#[test]
fn a_text_is_decoded_and_its_headers_stay() {
    let came = "text/csv; charset=iso-8859-1";
    let server = Server::start(|_| reply::reply(200, &[("Content-Type", came)], b"caf\xE9"));
    let (client, cache) = client_and_cache();
    let fetcher = client.fetcher(&cache, "red", "p");
    let (_, headers, body) = fetcher.get(&server.url("/")).unwrap();
    assert_eq!(
        (&headers["content-type"], &*body),
        (&came.parse().unwrap(), "café".as_bytes())
    );
}

#[test]
fn a_fetch_sends_its_callers_cookies_and_no_others() {
    let server = serve();
    let url = server.url("/");
    let (client, cache) = client_and_cache();
    on_threads(|workspace| {
        let options = FetchOptions::default().header("Cookie", format!("own={workspace}"));
        let (status, headers, _) = client
            .authenticated_fetch(&cache, workspace, "p", &url, options)
            .unwrap();
        assert_eq!((status, headers.contains_key("set-cookie")), (200, true));
    });
    let came = server.requests();
    assert_eq!(came.len(), 400);
    for request in &came {
        let expected = tenant(request).replace("Bearer ", "own=");
        assert_eq!(request.all("cookie"), [expected]);
    }
    let connections = server.connections();
    assert!(connections <= 16, "not used again: {connections}");
}

#[test]
fn an_authenticated_agent_keeps_no_cookies() {
    let server = serve();
    let url = server.url("/");
    let (client, cache) = client_and_cache();
    on_threads(|workspace| {
        let agent = client.authenticated_agent(&cache, workspace, "p");
        let mut response = agent.get(&url).call().unwrap();
        assert_eq!(response.body_mut().read_to_string().unwrap(), "ok");
    });
    let came = server.requests();
    assert_eq!(came.len(), 400);
    let mut cookies = came.iter().map(|request| request.header("cookie"));
    assert!(cookies.all(|cookie| cookie.is_none()));
}
