//! `Fetcher::download`.

use std::io::{self, Write};
use std::time::Duration;

use nexus_sdk::{ErrorKind, FetchOptions, Origin, TokenCache};
use serde_json::json;

use crate::support::{
    End, Server, bytes, client, fetcher, granting, in_chunks, options, redirect, reply, retrying,
    text, with_length,
};

fn get() -> FetchOptions {
    FetchOptions::default()
}

/// A body that is well above the limit for bodies in memory, in each framing.
#[test]
fn a_body_is_written_whatever_its_size() {
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    let bare = [b"HTTP/1.1 200 OK\r\n\r\n", &body[..]].concat();
    for (framing, answer) in [
        ("Content-Length", with_length("", &body)),
        ("chunked", in_chunks("", &body, 50_000)),
        ("close-delimited", bare),
        #[cfg(feature = "gzip")]
        (
            "gzip",
            in_chunks(
                "Content-Encoding: gzip\r\n",
                &crate::support::gzip(&body),
                5000,
            ),
        ),
    ] {
        let server = Server::play(vec![bytes(answer)]);
        let fetcher = fetcher(options(&server).max_body_bytes(1000));
        let mut written = Vec::new();
        let url = server.url("/");
        let (status, headers) = fetcher.download(&url, get(), &mut written).unwrap();
        assert_eq!(
            (status, headers.contains_key("content-length")),
            (200, framing == "Content-Length")
        );
        assert!(written == body, "{framing}: {} bytes", written.len());
    }
}

#[test]
fn every_success_is_written_and_nothing_else() {
    // The status, and the code of the error.
    let table = [
        (200, None),
        (206, None),
        (204, None),
        (304, Some("http_304")),
        (404, Some("http_404")),
        (503, Some("http_503")),
    ];
    for (status, code) in table {
        let server = Server::play(vec![reply(status, &[("Retry-After", "7")], "the body")]);
        let mut written = Vec::new();
        let fetched = fetcher(options(&server)).download(&server.url("/"), get(), &mut written);
        let expected: &[u8] = match (status, code) {
            (204, _) | (_, Some(_)) => b"",
            _ => b"the body",
        };
        assert_eq!(written, expected, "{status}");
        match fetched {
            Ok((got, _)) => assert_eq!((got, code), (status, None)),
            Err(error) => {
                assert_eq!(
                    (error.code(), error.kind()),
                    (code.unwrap(), ErrorKind::Api)
                );
                assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
                assert_eq!(
                    error.message().ends_with(": the body"),
                    status != 304,
                    "{error}"
                );
            }
        }
    }
}

/// An error is cut short, whatever `max_body_bytes` is, and one that breaks off keeps its status.
#[test]
fn a_status_counts_more_than_its_body() {
    let endless = bytes("HTTP/1.1 500 Oops\r\n\r\n").then(End::Flood(b"0123456789abcdef"));
    let broken = bytes("HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\nshort");
    for (answer, code) in [(endless, "http_500"), (broken, "http_404")] {
        let server = Server::play(vec![answer]);
        let error = fetcher(options(&server)).download(&server.url("/"), get(), &mut Vec::new());
        assert_eq!(error.unwrap_err().code(), code);
    }
}

#[test]
fn redirects_retries_and_the_replay_come_before_the_first_byte() {
    let gateway = granting(
        2,
        |number| json!({"access_token": format!("token-{number}")}),
    );
    let storage = Server::start(|request| match request.header("authorization") {
        None => text(200, "content"),
        Some(_) => text(500, "a foreign credential"),
    });
    let asset = storage.url("/asset");
    let upstream = Server::start(move |request| {
        let is_first = request.header("authorization") == Some("Bearer token-1");
        match (request.path(), is_first) {
            ("/warm", _) => text(200, ""),
            (_, true) => text(401, "revoked"),
            _ if request.connection == 1 => {
                bytes("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
            }
            _ => redirect(302, &asset),
        }
    });
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    fetcher.get(&upstream.url("/warm")).unwrap();
    let options = get().retry_policy(retrying(1, Duration::from_millis(1)));
    let mut written = Vec::new();
    let (status, _) = fetcher
        .download(&upstream.url("/asset"), options, &mut written)
        .unwrap();
    assert_eq!((status, &*written), (200, &b"content"[..]));
    assert_eq!(
        (gateway.count("/v1/resolve"), upstream.count("/asset")),
        (2, 3)
    );
}

#[test]
fn a_body_that_ends_early_is_an_error_and_is_not_retried_after_its_first_byte() {
    let cut = |body: &str| {
        bytes(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{body}"
        ))
    };
    let chunk = bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    // The first answer, and whether the second is asked for.
    let table = [
        ("before", cut(""), true),
        ("after", cut("part"), false),
        ("in chunks", chunk, false),
    ];
    for (case, first, is_retried) in table {
        let server = Server::play(vec![first, text(200, "complete")]);
        let options_of_fetch = get().retry_policy(retrying(2, Duration::from_millis(1)));
        let mut written = Vec::new();
        let fetched =
            fetcher(options(&server)).download(&server.url("/"), options_of_fetch, &mut written);
        assert_eq!(fetched.is_ok(), is_retried, "{case}");
        assert_eq!(
            written,
            if is_retried {
                &b"complete"[..]
            } else {
                b"part"
            },
            "{case}"
        );
        assert_eq!(
            server.requests().len(),
            1 + usize::from(is_retried),
            "{case}"
        );
        if let Err(error) = fetched {
            assert_eq!(
                (error.code(), error.origin()),
                ("request_failed", Origin::Api),
                "{error}"
            );
        }
    }
}

/// Fails after this many bytes, when it is flushed, or not at all.
struct Full(usize, bool);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.0);
        self.0 -= count;
        match count {
            0 => Err(io::ErrorKind::StorageFull.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_is_named() {
    let full = io::Error::from(io::ErrorKind::StorageFull).to_string();
    for (case, mut writer) in [
        ("at once", Full(0, false)),
        ("later", Full(5, false)),
        ("at the end", Full(99, true)),
    ] {
        let server = Server::play(vec![redirect(302, "/there"), text(200, "the body")]);
        let retried = get().retry_policy(retrying(2, Duration::from_millis(1)));
        let error = fetcher(options(&server))
            .download(&server.url("/"), retried, &mut writer)
            .unwrap_err();
        assert_eq!(
            (error.code(), error.origin()),
            ("request_failed", Origin::Local),
            "{case}"
        );
        assert_eq!(
            error.message(),
            format!("workspace \"ws\", provider \"p\": the writer of the download failed: {full}"),
            "{case}"
        );
        assert!(
            !error.is_retryable() && error.may_have_been_sent(),
            "{case}"
        );
        assert_eq!(server.requests().len(), 2, "{case}");
    }
}

#[test]
fn a_credential_cannot_be_hidden_in_a_download() {
    let server = Server::play(vec![text(200, "the body")]);
    let fetcher = fetcher(options(&server)).hide_credential(true);
    let mut written = Vec::new();
    let error = fetcher
        .download(&server.url("/"), get(), &mut written)
        .unwrap_err();
    assert_eq!(
        (error.code(), server.requests().len()),
        ("invalid_input", 0)
    );
    assert!(error.message().contains("hide_credential"), "{error}");
}

/// The body of an error may repeat the credential.
#[test]
fn the_error_of_a_download_never_shows_the_credential() {
    let server = Server::play(vec![text(403, "no: canary-token-1")]);
    let gateway = crate::support::gateway(&json!({"access_token": "canary-token-1"}));
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let error = fetcher
        .download(&server.url("/"), get(), &mut Vec::new())
        .unwrap_err();
    assert!(error.message().ends_with(": no: [credential]"), "{error}");
}
