//! Response bodies: framing, compression and limits. `tests/faults` has bodies that are cut or damaged.

use crate::support::{Reply, Server, bytes, holder, in_chunks, options, with_length};
use nexus_sdk::http::HeaderMap;
use nexus_sdk::{FetchOptions, NexusError};

type Fetched = Result<(u16, HeaderMap, Vec<u8>), NexusError>;

fn get() -> FetchOptions {
    FetchOptions::default()
}

fn fetch_limited(answer: Reply, limit: u64) -> Fetched {
    let server = Server::play(vec![answer]);
    let (client, cache) = holder(options(&server).max_body_bytes(limit), "t-1");
    client.authenticated_fetch(&cache, "ws", "p", &server.url("/"), get())
}

/// The same body in each framing of HTTP/1.1.
fn framed(headers: &str, body: &[u8]) -> [(&'static str, Reply); 3] {
    let bare = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    [
        ("Content-Length", bytes(with_length(headers, body))),
        ("chunked", bytes(in_chunks(headers, body, 7))),
        ("close-delimited", bytes([bare.as_bytes(), body].concat())),
    ]
}

#[test]
fn a_body_up_to_the_limit_passes_and_one_byte_more_is_an_error() {
    for (framing, answer) in framed("", &[b'x'; 1000]) {
        let passed = fetch_limited(answer.clone(), 1000).unwrap();
        assert_eq!(passed.2, [b'x'; 1000], "{framing}");
        for limit in [0, 999] {
            let error = fetch_limited(answer.clone(), limit).unwrap_err();
            assert_eq!(error.code(), "body_too_large", "{framing}, {limit}");
            assert!(error.message().contains(&limit.to_string()), "{error}");
        }
    }
    for (framing, answer) in framed("", b"") {
        assert_eq!(fetch_limited(answer, 0).unwrap().2, b"", "{framing}");
    }
}

#[test]
fn a_transfer_encoding_that_nobody_takes_apart_is_an_error() {
    let table = [
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 15",
            false,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked ", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            true,
        ),
    ];
    for (head, is_known) in table {
        let answer = format!("{head}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        match fetch_limited(bytes(answer), 99) {
            Ok((.., body)) => assert!(is_known && body == b"hello", "{head}"),
            Err(error) => {
                assert!(
                    !is_known && error.code() == "request_failed",
                    "{head}: {error}"
                );
                assert!(error.message().contains("Transfer-Encoding"), "{error}");
            }
        }
    }
    let identity = "HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello";
    assert_eq!(fetch_limited(bytes(identity), 99).unwrap().2, b"hello");
}

#[cfg(feature = "gzip")]
mod gzip {
    use super::*;
    use crate::support::{End, fetch, gzip, reply};

    #[test]
    fn a_gzip_body_is_decoded_and_its_headers_are_those_of_what_is_returned() {
        let twice = [gzip(b"one "), gzip(b"two")].concat();
        for (packed, plain) in [(gzip(b""), &b""[..]), (twice, b"one two")] {
            for (framing, answer) in framed("Content-Encoding: gzip\r\nX-Kept: 1\r\n", &packed) {
                let (status, headers, body) = fetch_limited(answer, 1 << 20).unwrap();
                assert_eq!((status, &*body), (200, plain), "{framing}");
                assert_eq!(headers["x-kept"], "1");
                assert!(!headers.contains_key("content-encoding"), "{framing}");
                assert!(!headers.contains_key("content-length"), "{framing}");
            }
        }
    }

    #[test]
    fn gzip_is_asked_for_unless_the_caller_asks_for_something() {
        for (own, asked) in [(None, "gzip"), (Some("br"), "br")] {
            let server = Server::play(vec![reply(200, &[], "")]);
            let own = own.map(|value| ("Accept-Encoding", value));
            fetch(&server.url("/"), get().headers(own)).unwrap();
            assert_eq!(server.requests()[0].all("accept-encoding"), [asked]);
        }
    }

    #[test]
    fn another_encoding_is_left_as_it_is() {
        let answer = reply(200, &[("Content-Encoding", "br")], "raw");
        let (_, headers, body) = fetch_limited(answer, 9).unwrap();
        assert_eq!(
            (&headers["content-encoding"], &*body),
            (&"br".parse().unwrap(), &b"raw"[..])
        );
        assert_eq!(headers["content-length"], "3");
    }

    #[test]
    fn an_empty_body_that_says_gzip_is_empty() {
        for (framing, answer) in framed("Content-Encoding: gzip\r\n", b"") {
            assert_eq!(fetch_limited(answer, 10).unwrap().2, b"", "{framing}");
        }
        #[rustfmt::skip]
        let table = [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1234\r\n\r\n"),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"),
            ("GET", "HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\nContent-Length: 1234\r\n\r\n"),
        ];
        for (method, answer) in table {
            // The connection stays open: there is no body to wait for.
            let server = Server::play(vec![bytes(answer).then(End::Keep)]);
            let (_, _, body) = fetch(&server.url("/"), get().method(method)).unwrap();
            assert_eq!(body, b"", "{method}: {answer}");
        }
    }
}
