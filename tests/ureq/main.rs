//! Bugs and limits of ureq, shown on bare ureq: a few that the SDK works around, and those that it leaves.
//!
//! A test that fails here is good news: ureq no longer has that bug. Then the code in `src/transport` that the test
//! names, if any, can go. Two tests also run the SDK, to show that such code works.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod connecting;
#[cfg(feature = "rustls")]
mod over_tls;
#[path = "../support/mod.rs"]
mod support;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use nexus_sdk::FetchOptions;
use support::{End, LONG, Server, bytes, fetch, gzip, with_length};

/// Serves the first connection, for tests that need more control than the scripted server gives them.
fn once(on: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || on(listener.accept().unwrap().0));
    port
}

fn read_head(stream: &mut impl Read) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(())
}

fn settings() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .proxy(None)
        .timeout_global(Some(LONG))
}

fn through(port: u16, settings: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    let proxy = ureq::Proxy::new(&format!("http://127.0.0.1:{port}")).unwrap();
    settings.proxy(Some(proxy))
}

fn get(agent: &Agent, url: &str) -> Result<String, ureq::Error> {
    agent.get(url).call()?.body_mut().read_to_string()
}

const HALF: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf a bo";

/// Left to ureq.
#[test]
fn a_reset_passes_for_the_end_of_a_body() {
    let server = Server::resetting(|_| bytes(HALF).then(End::Reset));
    let got = get(&settings().build().new_agent(), &server.url("/"));
    assert!(matches!(got.as_deref(), Ok("half a bo")), "fixed: {got:?}");
}

/// Left to ureq, for uploads of more than a few KB.
#[test]
fn a_response_before_the_request_was_read_is_lost() {
    let port = once(|mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    });
    let agent = settings().http_status_as_error(false).build().new_agent();
    let url = format!("http://127.0.0.1:{port}/");
    let sent = agent.post(&url).send(vec![0; 16 << 20]);
    assert!(matches!(sent, Err(ureq::Error::Io(_))), "fixed: {sent:?}");
}

fn read_once(response: impl Into<Vec<u8>>) -> Result<String, ureq::Error> {
    let server = Server::play(vec![bytes(response)]);
    get(&settings().build().new_agent(), &server.url("/"))
}

/// `transport.rs` (`is_framed`): RFC 9112 section 6.1.
#[test]
fn a_body_in_another_transfer_coding_is_returned_as_it_arrived() {
    let got =
        read_once("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    assert!(
        matches!(got.as_deref(), Ok("2\r\nok\r\n0\r\n\r\n")),
        "fixed: {got:?}"
    );
}

/// Left to ureq: its error does not tell whether the body was empty or ends within the gzip header, which it looks at only
/// when it has ten bytes, and it removes `Content-Length`. The SDK takes each of these for an empty body, because servers
/// send an empty body with this label.
#[cfg(feature = "gzip")]
#[test]
fn a_body_too_short_for_gzip_looks_like_an_empty_one() {
    let labelled = |body: &[u8]| bytes(with_length("Content-Encoding: gzip\r\n", body));
    let named = [
        &b"\x1F\x8B\x08\x08\0\0\0\0\0\x03"[..],
        b"a-long-file-name.json",
    ]
    .concat();
    let error_of = |body: &[u8]| {
        let server = Server::play(vec![labelled(body)]);
        let error = get(&settings().build().new_agent(), &server.url("/")).unwrap_err();
        let fetched = fetch(&server.url("/"), FetchOptions::default());
        (format!("{error:?}"), fetched.map(|(.., body)| body).ok())
    };
    let empty = error_of(b"");
    assert_eq!(empty.1.as_deref(), Some(&b""[..]));
    for body in [&b"\x1F\x8B\x08"[..], &gzip(b"x")[..9], b"[]", &named] {
        assert_eq!(error_of(body), empty, "fixed: {body:?}");
    }
    let (error, fetched) = error_of(b"[1, 2, 3, 4]");
    assert!(
        error.contains("invalid gzip header") && fetched.is_none(),
        "fixed: {error}"
    );
}

/// Left to ureq. RFC 1952 section 2.2 lets only gzip members follow.
#[cfg(feature = "gzip")]
#[test]
fn bytes_after_a_gzip_body_are_an_error() {
    for padding in [&b"\r\n"[..], &[0; 16]] {
        let body = [&gzip(b"whole")[..], padding].concat();
        let server = Server::play(vec![bytes(with_length(
            "Content-Encoding: gzip\r\n",
            &body,
        ))]);
        let got = get(&settings().build().new_agent(), &server.url("/"));
        assert!(got.is_err(), "fixed: {padding:?}");
    }
}

/// Left to ureq: the lines are one list (RFC 9110 sections 5.3 and 8.4).
#[cfg(feature = "gzip")]
#[test]
fn the_first_of_several_content_encodings_decides() {
    let twice = gzip(&gzip(b"whole"));
    let label = "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n";
    let server = Server::play(vec![bytes(with_length(label, &twice))]);
    let (_, headers, body) = fetch(&server.url("/"), FetchOptions::default()).unwrap();
    assert_eq!(body, gzip(b"whole"), "fixed");
    assert!(!headers.contains_key("content-encoding"), "fixed");
}

/// `transport.rs` (`is_empty_gzip`).
#[cfg(feature = "gzip")]
#[test]
fn an_empty_body_with_the_label_gzip_is_an_error() {
    let got = read_once("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
    assert!(
        matches!(got, Err(ureq::Error::Decompress(..))),
        "fixed: {got:?}"
    );
}

/// Left to ureq: valid HTTP that is refused (RFC 9110 section 15.2, RFC 9112 section 7.1.1), and lines that a client has to
/// unfold (RFC 9112 section 5.2).
#[test]
fn fields_of_an_interim_response_long_chunk_extensions_and_folded_lines_are_errors() {
    for (response, is_read) in [
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            true,
        ),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            true,
        ),
        (
            "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;name=01234567890123\r\nok\r\n0\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;name=0123456789012\r\nok\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
            false,
        ),
    ] {
        let got = read_once(response);
        let refused = matches!(got, Err(ureq::Error::Protocol(_)));
        assert_eq!(refused, !is_read, "fixed: {got:?}");
    }
}

/// Left to ureq: the gzip that the caller has asked for, and the labels of a response to HEAD or of a range, which the server
/// sends although nobody has asked for gzip.
#[cfg(feature = "gzip")]
#[test]
fn gzip_is_decoded_whoever_has_asked_for_it() {
    let label = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length:";
    let agent = settings().build().new_agent();
    let server = Server::play(vec![bytes(with_length(
        "Content-Encoding: gzip\r\n",
        &gzip(b"plain"),
    ))]);
    let own = agent.get(server.url("/")).header("Accept-Encoding", "gzip");
    let mut response = own.call().unwrap();
    let labels = ["content-encoding", "content-length"];
    let kept = labels.map(|name| response.headers().contains_key(name));
    let body = response.body_mut().read_to_vec().unwrap();
    assert_eq!((kept, &*body), ([false; 2], &b"plain"[..]), "fixed");

    let server = Server::play(vec![bytes(format!("{label} 1234\r\n\r\n"))]);
    let head = agent.head(server.url("/")).call().unwrap();
    let kept = labels.map(|name| head.headers().contains_key(name));
    assert_eq!(kept, [false; 2], "fixed");

    let got = read_once([format!("{label} 20\r\n\r\n").as_bytes(), &[0; 20]].concat());
    assert!(
        matches!(got, Err(ureq::Error::Decompress(..))),
        "fixed: {got:?}"
    );
}

/// Left to ureq: other spellings of gzip (RFC 9110 section 8.4.1.3).
#[cfg(feature = "gzip")]
#[test]
fn only_the_spelling_gzip_is_decoded() {
    for (label, is_decoded) in [("gzip", true), ("GZIP", false), ("x-gzip", false)] {
        let label = format!("Content-Encoding: {label}\r\n");
        let server = Server::play(vec![bytes(with_length(&label, &gzip(b"packed")))]);
        let agent = settings().build().new_agent();
        let mut response = agent.get(server.url("/")).call().unwrap();
        let kept = response.headers().contains_key("content-encoding");
        let body = response.body_mut().read_to_vec().unwrap();
        assert_eq!(
            (body == b"packed", kept),
            (is_decoded, !is_decoded),
            "fixed"
        );
    }
}

/// Left to ureq.
#[test]
fn more_than_128_headers_are_an_error() {
    for (count, expected) in [(128, true), (129, false)] {
        let headers = "X: a\r\n".repeat(count - 1);
        let server = Server::start(move |_| bytes(with_length(&headers, b"ok")));
        let url = server.url("/");
        let got = get(&settings().build().new_agent(), &url);
        assert_eq!(got.is_ok(), expected, "fixed: {got:?}");
        let fetched = fetch(&url, FetchOptions::default());
        assert_eq!(fetched.is_ok(), expected, "{count}");
    }
}
