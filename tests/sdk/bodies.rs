//! Response bodies: framing, compression and limits. `tests/faults` has bodies that are cut or damaged.

use std::time::Duration;

use crate::support::{
    Reply, Server, bearer, bytes, client, fetch, holder, in_chunks, options, retrying, text,
    with_length,
};
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

/// RFC 8259 section 8.1 lets a parser ignore it.
#[test]
fn the_json_of_a_gateway_may_begin_with_a_byte_order_mark() {
    let gateway = Server::play(vec![text(200, "\u{FEFF}{\"access_token\": \"t-1\"}")]);
    let token = client(&gateway).resolve_token("ws", "p").unwrap();
    assert_eq!(token.access_token, "t-1");
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
    let unchunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello";
    let error = fetch_limited(bytes(unchunked), 99).unwrap_err();
    assert!(
        error
            .message()
            .contains("the chunks of the body are damaged"),
        "{error}"
    );
    let identity = "HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello";
    assert_eq!(fetch_limited(bytes(identity), 99).unwrap().2, b"hello");
}

#[cfg(feature = "gzip")]
mod gzip {
    use super::*;
    use crate::support::{End, gzip, reply};

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

    /// Go and `OkHttp` do not ask for gzip with `HEAD` or a `Range` either.
    #[test]
    fn gzip_is_asked_for_where_it_helps_unless_the_caller_asks_for_something() {
        let range = Some(("Range", "bytes=10-29"));
        let table = [
            ("GET", None, vec!["gzip"]),
            ("POST", None, vec!["gzip"]),
            ("HEAD", None, vec![]),
            ("GET", range, vec![]),
            ("GET", Some(("accept-encoding", "br")), vec!["br"]),
            ("HEAD", Some(("Accept-Encoding", "gzip")), vec!["gzip"]),
        ];
        for (method, header, asked) in table {
            let server = Server::play(vec![reply(200, &[], "")]);
            let options = get().method(method).headers(header);
            fetch(&server.url("/"), options).unwrap();
            let requests = server.requests();
            let sent = requests[0].all("accept-encoding");
            assert_eq!(sent, asked, "{method} {header:?}");
        }
    }

    #[test]
    fn an_agent_asks_for_what_the_callers_agent_asks_for() {
        let server = Server::play(vec![reply(200, &[], "")]);
        let config = ureq::Agent::config_builder().accept_encoding("identity");
        let own = options(&server).agent(config.build().new_agent());
        let (client, cache) = holder(own, "t-1");
        let agent = client.authenticated_agent(&cache, "ws", "p");
        agent.get(server.url("/")).call().unwrap();
        agent.head(server.url("/")).call().unwrap();
        for request in server.requests() {
            let asked = request.all("accept-encoding");
            assert_eq!(asked, ["identity"], "{}", request.method);
        }
    }

    /// Compresses whatever it is asked to compress, as nginx does with `gzip_types *`.
    fn compressing() -> Server {
        Server::start(|request| {
            let takes_gzip = request.header("accept-encoding") == Some("gzip");
            let (label, body) = if takes_gzip {
                ("Content-Encoding: gzip\r\n", gzip(&[b'x'; 1000]))
            } else {
                ("", vec![b'x'; 1000])
            };
            if request.method == "HEAD" {
                let head = with_length(label, &body);
                return bytes(&head[..head.len() - body.len()]).then(End::Keep);
            }
            let body = request.header("range").map_or(&*body, |_| &body[10..30]);
            bytes(with_length(label, body)).then(End::Keep)
        })
    }

    #[test]
    fn a_head_has_the_length_of_the_body_and_a_range_is_a_part_of_it() {
        let server = compressing();
        let range = get().header("Range", "bytes=10-29");
        let (.., body) = fetch(&server.url("/"), range.clone()).unwrap();
        assert_eq!(body, [b'x'; 20]);
        let head = get().method("HEAD");
        let (_, headers, _) = fetch(&server.url("/"), head).unwrap();
        assert_eq!(headers["content-length"], "1000");
        let (client, cache) = holder(options(&server), "t-1");
        let agent = client.authenticated_agent(&cache, "ws", "p");
        let head = agent.head(server.url("/")).call().unwrap();
        assert_eq!(head.headers()["content-length"], "1000");
        let range = agent.get(server.url("/")).header("Range", "bytes=10-29");
        let body = range.call().unwrap().body_mut().read_to_vec().unwrap();
        assert_eq!(body, [b'x'; 20]);
        let asked = agent
            .get(server.url("/"))
            .call()
            .unwrap()
            .body_mut()
            .read_to_vec();
        assert_eq!(asked.unwrap(), [b'x'; 1000]);
        assert_eq!(
            server.requests().pop().unwrap().all("accept-encoding"),
            ["gzip"]
        );
    }

    #[test]
    fn a_body_that_is_not_gzip_or_is_cut_is_an_error() {
        let packed = gzip(b"some text that is long enough");
        let wrong = "the body is not gzip, although its Content-Encoding says so";
        let corrupt = "the compressed body is corrupt";
        let short = "the compressed body ends early";
        let mut damaged = packed.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let table = [
            (b"[1, 2, 3, 4]".to_vec(), wrong),
            (packed[10..].to_vec(), wrong),
            ([&packed[..], &[0; 16]].concat(), wrong),
            (packed[..14].to_vec(), short),
            (packed[..last].to_vec(), short),
            (damaged, corrupt),
        ];
        for (body, problem) in table {
            for (framing, answer) in framed("Content-Encoding: gzip\r\n", &body) {
                let error = fetch_limited(answer, 1 << 20).unwrap_err();
                assert_eq!(error.code(), "request_failed", "{framing}: {error}");
                assert!(error.message().contains(problem), "{framing}: {error}");
                assert_eq!(error.is_retryable(), problem != wrong, "{framing}: {error}");
            }
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

/// What the status asks for is done, and only a response that is returned has to have its body.
#[test]
fn a_status_decides_whatever_its_body_is() {
    let long = "x".repeat(2000);
    let bodies = [
        ("cut", "Content-Length: 99", "cut off", "request_failed"),
        #[cfg(feature = "gzip")]
        (
            "mislabelled",
            "Content-Encoding: gzip\r\nContent-Length: 12",
            "plain, alas!",
            "request_failed",
        ),
        (
            "in an unknown transfer coding",
            "Transfer-Encoding: gzip, chunked",
            "0\r\n\r\n",
            "request_failed",
        ),
        (
            "too large",
            "Content-Length: 2000",
            &*long,
            "body_too_large",
        ),
    ];
    // The status, the status of the fetch, and its requests to the API and to the gateway.
    let statuses = [
        ("302 Found\r\nLocation: /end", 200, 2, 0),
        ("401 Unauthorized", 200, 2, 1),
        ("503 Service Unavailable", 200, 2, 0),
        ("404 Not Found", 404, 1, 0),
    ];
    for (name, headers, body, code) in bodies {
        for (head, status, sent, resolved) in statuses {
            let first = format!("HTTP/1.1 {head}\r\n{headers}\r\n\r\n{body}");
            let api = Server::play(vec![bytes(first), text(200, "end")]);
            let gateway = Server::start(|_| bearer("t-2"));
            let (client, cache) = holder(options(&gateway).max_body_bytes(1000), "t-1");
            let number = u32::from(head.starts_with("503"));
            let retried = get().retry_policy(retrying(number, Duration::from_millis(1)));
            let url = api.url("/start");
            let fetched = client.authenticated_fetch(&cache, "ws", "p", &url, retried);
            let case = format!("{status} after {head}, {name}");
            let ended = match &fetched {
                Ok(response) => (Some(response.0), "end"),
                Err(error) => (error.status_code(), error.code()),
            };
            let expected = if status == 200 { "end" } else { code };
            assert_eq!(ended, (Some(status), expected), "{case}: {fetched:?}");
            assert_eq!(api.requests().len(), sent, "{case}");
            assert_eq!(gateway.count("/v1/resolve"), resolved, "{case}");
        }
    }
}

#[test]
fn a_body_that_is_cut_is_fetched_again_whatever_the_status() {
    for status in [200, 404, 500, 503] {
        let cut = format!("HTTP/1.1 {status} Status\r\nContent-Length: 99\r\n\r\ncut off");
        let api = Server::play(vec![bytes(&*cut), bytes(cut), text(200, "whole")]);
        let retried = get().retry_policy(retrying(3, Duration::from_millis(1)));
        let (status, _, body) = fetch(&api.url("/"), retried).unwrap();
        assert_eq!((status, &*body), (200, &b"whole"[..]));
        assert_eq!(api.requests().len(), 3);
    }
}
