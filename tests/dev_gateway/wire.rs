//! Faults, what it records, HTTP byte by byte, its end.

use std::io::{ErrorKind, Read, Write};
use std::panic::{self, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, DevGatewayBuilder, Fault, Provider, ReceivedRequest};
use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};

use crate::{agent, connect, send};

/// Sends bytes and reads until the gateway closes.
fn talk(gateway: &DevGateway, bytes: &[u8]) -> String {
    let mut socket = connect(gateway);
    socket.write_all(bytes).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn health(gateway: &DevGateway) -> Result<u16, ureq::Error> {
    let response = agent().get(format!("{}/health", gateway.url())).call()?;
    Ok(response.status().as_u16())
}

#[test]
fn faults_hit_the_next_requests_and_no_more() {
    let gateway = DevGateway::start().unwrap();
    let text = "text/plain; charset=utf-8";
    let (long, value) = ("x".repeat(70_000), "7".into());
    let retry = Fault::RetryAfter { status: 429, value };
    let table = [
        (Fault::Status(503), 503, text, "", None),
        (Fault::Status(9999), 500, text, "", None),
        (Fault::reply(502, "a/b", "oops"), 502, "a/b", "oops", None),
        (Fault::reply(200, "a/b", &*long), 200, "a/b", &long, None),
        (retry, 429, text, "Too Many Requests\n", Some("7")),
    ];
    for (fault, status, content_type, body, retry_after) in table {
        gateway.fail_next(2, fault);
        for _ in 0..2 {
            let mut response = send(&gateway, ("GET", "/health"), &[], "");
            let header = |name| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(header("content-type"), Some(content_type));
            assert_eq!(header("retry-after"), retry_after);
            assert!(header("date").is_some());
            assert_eq!(response.status(), status);
            assert_eq!(response.body_mut().read_to_string().unwrap(), body);
        }
        assert_eq!(health(&gateway).unwrap(), 200);
    }
}

#[test]
fn faults_can_be_kept_to_a_path() {
    let gateway = DevGateway::start().unwrap();
    gateway.fail_next_at("/heal", 1, Fault::Cut);
    gateway.fail_next_at("/health", 1, Fault::Delay(Duration::from_millis(1)));
    gateway.fail_next(0, Fault::Cut);
    assert_eq!(send(&gateway, ("GET", "/other"), &[], "").status(), 404);
    assert!(health(&gateway).is_err());
    assert_eq!(health(&gateway).unwrap(), 200);
    assert_eq!(gateway.count("/health"), 2);
}

#[test]
fn requests_are_recorded_as_they_came() {
    let gateway = DevGateway::start().unwrap();
    let auth = [("authorization", "secret-value")];
    send(&gateway, ("PUT", "/a%2Fb?c=%20d"), &auth, "secret-body");
    health(&gateway).unwrap();
    let requests = gateway.requests();
    let first = &requests[0];
    assert_eq!((&*first.method, &*first.path), ("PUT", "/a%2Fb"));
    assert_eq!(first.query.as_deref(), Some("c=%20d"));
    assert_eq!(first.headers["authorization"], "secret-value");
    assert_eq!(first.body, b"secret-body");
    let shown = format!("{first:?}");
    assert!(shown.contains("authorization") && shown.contains("body_len: 11"));
    let counts = ["", "/a", "/b"].map(|path| gateway.count(path));
    assert_eq!(counts, [2, 1, 0]);
    gateway.forget_requests();
    assert_eq!((gateway.requests().len(), gateway.count("")), (0, 0));
}

#[test]
fn the_date_follows_the_clock() {
    let gateway = DevGateway::start().unwrap();
    gateway.advance(Duration::MAX);
    let response = send(&gateway, ("GET", "/health"), &[], "");
    assert_eq!(response.headers()["date"], "Fri, 31 Dec 9999 23:59:59 GMT");
}

/// A web page can give its own host name the address of this machine (DNS rebinding).
#[test]
fn only_hosts_of_this_machine_are_answered() {
    let gateway = DevGateway::start().unwrap();
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]", 200),
        ("rebound.example", 421),
        ("localhost.rebound.example", 421),
        ("", 421),
    ] {
        let request = format!("GET /health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = talk(&gateway, request.as_bytes());
        let line = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&line), "{host}: {answer}");
    }
}

#[test]
fn one_connection_serves_many_requests() {
    let gateway = DevGateway::start().unwrap();
    let chunked = "POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: 1\r\n\r\n";
    let last = "DELETE /h HTTP/1.1\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab";
    let table = [
        ("GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n", "/a", 0),
        (chunked, "/b", 5),
        ("GET http://other/f?g HTTP/1.1\r\n\r\n", "/f", 0),
        (last, "/h", 2),
    ];
    let sent = table.map(|(request, ..)| request).concat();
    let answers = talk(&gateway, sent.as_bytes());
    let answered = answers.matches("HTTP/1.1 404 Not Found").count();
    assert_eq!(answered, table.len());
    for (request, (_, path, length)) in gateway.requests().iter().zip(table) {
        assert_eq!((&*request.path, request.body.len()), (path, length));
    }
}

#[test]
fn a_head_answer_has_the_headers_of_get_and_no_body() {
    let gateway = DevGateway::start().unwrap();
    let [get, head] = ["GET", "HEAD"].map(|method| {
        let request = format!("{method} /health HTTP/1.1\r\nconnection: close\r\n\r\n");
        let answer = talk(&gateway, request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let lines = head.lines().filter(|line| !line.starts_with("date"));
        (lines.map(str::to_owned).collect::<Vec<_>>(), body.len())
    });
    assert_eq!((&head.0, head.1), (&get.0, 0));
    assert_eq!(head.0[0], "HTTP/1.1 200 OK");
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let gateway = DevGateway::start().unwrap();
    let mut socket = connect(&gateway);
    let head = "POST /x HTTP/1.1\r\ncontent-length: 5\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"hello").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"));
    assert_eq!(gateway.requests()[0].body, b"hello");
}

#[test]
fn what_is_no_acceptable_request_is_refused_and_the_connection_closed() {
    let gateway = DevGateway::start().unwrap();
    let post = |body: &str| format!("POST /x HTTP/1.1\r\n{body}");
    let get = |rest: &str| format!("GET /x HTTP/1.1\r\n{rest}");
    let chunked = |rest: &str| post(&format!("transfer-encoding: chunked\r\n\r\n{rest}"));
    let announced = post("content-length: 104857601\r\n\r\n");
    let long = |length| "x".repeat(length);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET /x HTTP/9.9\r\n\r\n".to_owned(), 400),
        (get("content-length: x\r\n\r\n"), 400),
        (get("content-length: 1\r\ncontent-length: 2\r\n\r\n"), 400),
        (get("no colon\r\n\r\n"), 400),
        (chunked("zz\r\n\r\n"), 400),
        (chunked("1\r\nab\r\n"), 400),
        (chunked(&"1".repeat(70_000)), 400),
        (get(&format!("a: {}\r\n\r\n", long(65_536))), 431),
        (get(&format!("{}\r\n", "a: b\r\n".repeat(129))), 431),
        (announced, 413),
    ] {
        let answer = talk(&gateway, request.as_bytes());
        let line = format!("HTTP/1.1 {status} ");
        let shown: String = request.chars().take(80).collect();
        assert!(answer.starts_with(&line), "{shown}: {answer}");
        assert!(answer.contains("connection: close") && answer.contains("date: "));
    }
    assert_eq!(gateway.count(""), 0);
}

/// `src/loopback/wire.rs` tests the limit of a chunked body.
#[test]
fn the_largest_body_that_a_client_reads_can_be_sent_and_received() {
    const MAX: usize = 100 * 1024 * 1024;
    let largest = vec![b'x'; MAX];
    let gateway = DevGateway::builder()
        .upstream_route("PUT", "/file", 201, "a/b", largest.clone())
        .connection("ws", "github")
        .start()
        .unwrap();
    let client = NexusClient::new(NexusClientOptions::new(gateway.url())).unwrap();
    let github = client.fetcher(&TokenCache::new(), "ws", "github");
    let url = format!("{}/file", gateway.url());
    let (status, _, body) = github.put(&url, largest).unwrap();
    assert_eq!((status, body.len()), (201, MAX));
    let sent = gateway.requests().pop().unwrap();
    assert_eq!(sent.body.len(), MAX);
}

#[test]
fn it_starts_on_loopback_and_with_known_providers_only() {
    let everywhere = DevGateway::builder().bind(([0, 0, 0, 0], 0).into());
    let unknown = DevGateway::builder().connection("ws", "nobody");
    for builder in [everywhere, unknown] {
        assert_eq!(builder.start().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let gateway = DevGateway::start().unwrap();
    let refused = gateway.connect("ws", "nobody").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_panic_leaves_the_gateway_as_it_was() {
    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    is_unwind_safe::<DevGateway>();
    is_unwind_safe::<DevGatewayBuilder>();
    is_unwind_safe::<Provider>();
    is_unwind_safe::<Fault>();
    is_unwind_safe::<ReceivedRequest>();

    let gateway = DevGateway::start().unwrap();
    let caught = panic::catch_unwind(|| {
        gateway.connect("ws", "github").unwrap();
        panic::resume_unwind(Box::new("a test that fails"));
    });
    assert!(caught.is_err());
    assert_eq!(health(&gateway).unwrap(), 200);
    assert!(gateway.rotate("ws", "github"));
}
