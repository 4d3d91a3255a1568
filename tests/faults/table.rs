//! The outcome of each fault, for calls to the gateway and to the upstream.

use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use nexus_sdk::{FetchOptions, LogLevel, NexusClientOptions, NexusError, RequestConnectionInput};

use crate::calls::{
    CALLS, Call, FaultyCall, FaultyServer, LIMIT, SHORT, all, document, document_reply,
};
use crate::support::{End, LONG, Reply, Server, bytes, holder, reply};

/// A fault, and its outcomes.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The outcome of a call to the gateway.
    pub(crate) gateway: &'static str,
    /// The outcome of a fetch.
    pub(crate) upstream: &'static str,
    /// Turns a good document into the faulty response.
    respond: fn(&str) -> Reply,
}

const fn row(
    name: &'static str,
    gateway: &'static str,
    upstream: &'static str,
    respond: fn(&str) -> Reply,
) -> Row {
    Row {
        name,
        gateway,
        upstream,
        respond,
    }
}

impl Row {
    /// Returns whether a GET is sent once more after this fault, if the client has had a response before.
    pub(crate) fn is_repeated(&self) -> bool {
        self.name.ends_with("without an answer")
    }

    pub(crate) fn hangs(&self) -> bool {
        [self.gateway, self.upstream].contains(&LATE)
    }
}

const FAILED: &str = "request_failed";
const LARGE: &str = "body_too_large";
const LATE: &str = "timeout";
const INVALID: &str = "invalid_response";
const OK: &str = "ok";

/// A response with exactly these header lines.
fn raw(headers: &str, body: &str) -> Reply {
    bytes(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}"))
}

fn length(length: impl std::fmt::Display, body: &str) -> Reply {
    raw(&format!("Content-Length: {length}\r\n"), body)
}

fn chunked(body: &str) -> Reply {
    raw("Transfer-Encoding: chunked\r\n", body)
}

/// A good response with other bytes before and after it.
fn between(before: &str, body: &str, after: &str) -> Reply {
    let good = String::from_utf8(reply(200, &[], body).bytes).unwrap();
    bytes(format!("{before}{good}{after}")).then(End::Keep)
}

/// Repeats the piece to about 8 KiB, to flood a client with.
fn many(piece: &[u8]) -> &'static [u8] {
    piece.repeat((8 << 10) / piece.len() + 1).leak()
}

static LETTERS: LazyLock<&[u8]> = LazyLock::new(|| many(b"x"));
static HEADERS: LazyLock<&[u8]> = LazyLock::new(|| many(b"X-Canary: canary\r\n"));
/// Chunks of 600 bytes: reading tiny chunks up to the limit would take a busy machine too long.
static CHUNKS: LazyLock<&[u8]> =
    LazyLock::new(|| many(format!("258\r\n{}\r\n", "canary".repeat(100)).as_bytes()));
static EARLY: LazyLock<&[u8]> = LazyLock::new(|| many(b"HTTP/1.1 102 Processing\r\n\r\n"));

const SECOND: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary";

#[rustfmt::skip]
const CONNECTIONS: &[Row] = &[
    row("closed without an answer", FAILED, FAILED, |_| bytes("")),
    row("reset without an answer", FAILED, FAILED, |_| bytes("").then(End::Reset)),
    row("half-closed without an answer", FAILED, FAILED, |_| bytes("").then(End::HalfClose)),
    row("reset within the body", FAILED, FAILED, |body| length(200, body).then(End::Reset)),
    row("closed after the answer", OK, OK, |body| reply(200, &[], body).then(End::Close)),
    row("a black hole", LATE, LATE, |_| bytes("").then(End::Hold)),
    row("silence within the body", LATE, LATE, |body| length(200, body).then(End::Hold)),
    row("an answer after the deadline", LATE, LATE, |body| {
        thread::sleep(SHORT * 2);
        reply(200, &[], body)
    }),
    row("one byte at a time", OK, OK, |body| reply(200, &[], body).byte_by_byte()),
    row("a header that never ends, slowly", LATE, LATE, |_| bytes("HTTP/1.1 200 OK\r\nX: ").then(End::Drip(b"x"))),
    row("chunks that never end, slowly", LATE, LATE, |_| chunked("").then(End::Drip(b"1\r\nx\r\n"))),
];

const JUNK: &[Row] = &[
    row("junk before the status line", FAILED, FAILED, |body| {
        between("junk\r\n", body, "")
    }),
    row("early hints before the answer", OK, OK, |body| {
        between("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", body, "")
    }),
    row("another answer after the body", OK, OK, |body| {
        between("", body, SECOND)
    }),
    row("another answer after the chunks", OK, OK, |body| {
        chunked(&format!("{:x}\r\n{body}\r\n0\r\n\r\n{SECOND}", body.len())).then(End::Keep)
    }),
    row("status 99", FAILED, FAILED, |_| {
        bytes("HTTP/1.1 99 Low\r\n\r\n")
    }),
    row("a header without a colon", FAILED, FAILED, |body| {
        raw("canary\r\n", body)
    }),
];

#[rustfmt::skip]
const LENGTHS: &[Row] = &[
    row("a length too long", FAILED, FAILED, |body| length(body.len() + 1, body)),
    row("a length too short", INVALID, "shorter", |body| length(body.len() - 9, body).then(End::Keep)),
    row("two different lengths", FAILED, FAILED, |body| {
        let (long, short) = (body.len(), body.len() - 9);
        raw(
            &format!("Content-Length: {long}\r\nContent-Length: {short}\r\n"),
            body,
        )
    }),
    row("a length and chunks", OK, OK, |body| {
        let headers = "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n";
        raw(headers, &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
    }),
    row("a length that is no number", FAILED, FAILED, |body| length("canary", body)),
    row("the greatest length", LARGE, LARGE, |body| length(u64::MAX, body)),
    row("a chunk of the greatest size", FAILED, FAILED, |body| chunked(&format!("ffffffffffffffff\r\n{body}"))),
    row("a chunk that is longer than it says", FAILED, FAILED, |body| chunked(&format!("9\r\n{body}\r\n0\r\n\r\n"))),
];

#[rustfmt::skip]
const ENDLESS: &[Row] = &[
    row("endless headers", FAILED, FAILED, |_| bytes("HTTP/1.1 200 OK\r\n").then(End::Flood(&HEADERS))),
    row("endless early answers", FAILED, FAILED, |_| bytes("").then(End::Flood(&EARLY))),
    row("an endless body", LARGE, LARGE, |_| raw("", "").then(End::Flood(&LETTERS))),
    row("endless chunks", LARGE, LARGE, |_| chunked("").then(End::Flood(&CHUNKS))),
    row("an endless chunk extension", FAILED, FAILED, |_| chunked("1;").then(End::Flood(&LETTERS))),
    row("endless trailers", LATE, LATE, |_| chunked("0\r\n").then(End::Flood(&HEADERS))),
    row("a body of the limit", INVALID, "other", |_| reply(200, &[], vec![b'x'; LIMIT])),
    row("a body of one byte more", LARGE, LARGE, |_| reply(200, &[], vec![b'x'; LIMIT + 1])),
];

mod packed {
    use super::*;
    use crate::support::gzip;

    fn gzipped(body: &[u8]) -> Reply {
        reply(200, &[("Content-Encoding", "gzip")], body)
    }

    /// An empty gzip file with a long name.
    static NOTHING: LazyLock<&[u8]> = LazyLock::new(|| {
        let named = flate2::GzBuilder::new().filename("x".repeat(8 << 10));
        let packed = named.write(Vec::new(), flate2::Compression::default());
        packed.finish().unwrap().leak()
    });
    static ZEROS: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&vec![0; 3 << 20]));

    #[rustfmt::skip]
    pub(super) const ROWS: &[Row] = &[
        row("a gzip bomb", LARGE, LARGE, |_| gzipped(&ZEROS)),
        row("an endless gzip bomb of nothing", LATE, LATE, |_| {
            raw("Content-Encoding: gzip\r\n", "").then(End::Flood(&NOTHING))
        }),
        row("gzip that is none", FAILED, FAILED, |body| gzipped(body.as_bytes())),
        row("gzip with another sum", FAILED, FAILED, |body| {
            let mut packed = gzip(body.as_bytes());
            let at = packed.len() - 8;
            packed[at] ^= 1;
            gzipped(&packed)
        }),
        row("gzip without its end", FAILED, FAILED, |body| {
            let packed = gzip(body.as_bytes());
            gzipped(&packed[..packed.len() - 4])
        }),
        row("gzip and junk", FAILED, FAILED, |body| gzipped(&[&gzip(body.as_bytes())[..], b"junk"].concat())),
        // ureq does not tell how many bytes arrived, so this counts as an empty body.
        row("gzip of its first bytes alone", INVALID, "empty", |body| gzipped(&gzip(body.as_bytes())[..9])),
    ];
}

pub(crate) fn rows() -> Vec<Row> {
    [CONNECTIONS, JUNK, LENGTHS, ENDLESS, packed::ROWS].concat()
}

/// Starts a server that plays the row with the number of the case. Each fault ends after this time at the latest.
pub(crate) fn server(limit: Duration) -> FaultyServer {
    let rows = rows();
    FaultyServer::start(move |case| (rows[case].respond)(&document(1)).at_most(limit))
}

#[test]
#[ignore = "`watched` runs it"]
fn every_fault_has_its_outcome_and_the_next_call_works() {
    let rows = rows();
    let server = server(LONG * 2);
    let cases: Vec<(usize, Call)> = (0..rows.len())
        .flat_map(|row| CALLS.map(|call| (row, call)))
        .collect();
    all(&cases, 48, |&(case, call)| {
        let row = rows[case];
        let timeout = if row.hangs() { SHORT } else { LONG };
        let outcome = FaultyCall::new(&server, call, case, timeout).make();
        let expected = match call {
            Call::Token | Call::Check | Call::Connect => row.gateway,
            Call::Fetch | Call::Send => row.upstream,
        };
        assert_eq!(outcome, expected, "{}, {call:?}", row.name);
    });
}

/// Nobody accepts, so the system ignores further connections once its queue is full.
#[test]
#[ignore = "`watched` runs it"]
fn a_server_that_never_accepts_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let queued = fill_backlog(&listener);
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = NexusClientOptions::new(&url).log_level(LogLevel::Off);
    let (client, cache) = holder(options.timeout(SHORT), "canary-held");
    let fine = Server::start(|_| document_reply(1));
    let fetch = |url: &str, method: &str, timeout| {
        let options = FetchOptions::default().method(method).timeout(timeout);
        client.authenticated_fetch(&cache, "ws", "p", url, options)
    };
    let input = RequestConnectionInput::new("u", "p", ["s"], "http://a/");
    let late: [(&str, Option<NexusError>); 5] = [
        ("resolve", client.resolve_token("ws", "p").err()),
        ("check", client.check_connection("c").err()),
        ("request", client.request_connection(&input).err()),
        ("GET", fetch(&url, "GET", SHORT).err()),
        ("POST", fetch(&url, "POST", SHORT).err()),
    ];
    for (call, error) in late {
        assert_eq!(error.as_ref().map(NexusError::code), Some(LATE), "{call}");
        assert_eq!(fetch(&fine.url("/"), "GET", LONG).unwrap().0, 200);
    }
    // Without a server the flights end, so the client's drop does not wait for them.
    drop((queued, listener));
}

fn fill_backlog(listener: &TcpListener) -> Vec<TcpStream> {
    let address = listener.local_addr().unwrap();
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    (0..5000).map_while(connect).collect()
}
