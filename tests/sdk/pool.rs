//! Reused connections, and connections that end at the wrong time.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Barrier, mpsc};
use std::thread;

use crate::support::{LONG, Server, bytes, fetcher, holder, options, reply, text};
use nexus_sdk::{FetchOptions, NexusClientOptions};

fn get() -> FetchOptions {
    FetchOptions::default()
}

#[test]
fn a_connection_that_is_closed_as_it_is_used_again_is_replaced_for_idempotent_methods() {
    let table = [
        ("PUT", true),
        ("OPTIONS", true),
        ("POST", false),
        ("PROPFIND", false),
    ];
    for (method, replaced) in table {
        let ok = reply(200, &[], "");
        let server = Server::play(vec![ok.clone(), bytes(""), ok]);
        let fetcher = fetcher(options(&server));
        let fetch = |method: &str| fetcher.fetch(&server.url("/"), get().method(method).data("x"));
        assert_eq!(fetch("GET").unwrap().0, 200);
        let second = fetch(method);
        assert_eq!(second.is_ok(), replaced, "{method}: {second:?}");
        if let Err(error) = second {
            assert_eq!(error.code(), "request_failed");
        }
        let sent = server.requests().len();
        assert_eq!(sent, if replaced { 3 } else { 2 }, "{method}");
    }
}

#[test]
fn the_second_attempt_is_on_a_new_connection_whatever_else_is_idle() {
    let both = Barrier::new(2);
    let server = Server::start(move |request| match (request.path(), request.connection) {
        ("/both", _) => {
            both.wait();
            text(200, "ok")
        }
        (_, 1 | 2) => bytes(""),
        _ => text(200, "ok"),
    });
    let fetcher = fetcher(options(&server));
    let fetch = |path: &str| fetcher.get(&server.url(path)).unwrap().0;
    thread::scope(|threads| {
        threads.spawn(|| assert_eq!(fetch("/both"), 200));
        threads.spawn(|| assert_eq!(fetch("/both"), 200));
    });
    assert_eq!(server.connections(), 2);
    assert_eq!(fetch("/again"), 200);
    assert_eq!((server.requests().len(), server.connections()), (4, 3));
}

/// A server may send the response to a request that has not been sent.
#[test]
fn bytes_that_come_after_a_response_are_not_the_next_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (fetched, is_fetched) = mpsc::channel();
    let (forged, is_forged) = mpsc::channel();
    let server = thread::spawn(move || {
        let answer = |body: &str| reply(200, &[], body).bytes;
        let (mut first, _) = listener.accept().unwrap();
        assert!(first.read(&mut [0; 4096]).unwrap() > 0);
        first.write_all(&answer("first")).unwrap();
        is_fetched.recv().unwrap();
        first.write_all(&answer("forged")).unwrap();
        forged.send(()).unwrap();
        let (mut second, _) = listener.accept().unwrap();
        assert!(second.read(&mut [0; 4096]).unwrap() > 0);
        second.write_all(&answer("second")).unwrap();
    });

    let unused = NexusClientOptions::new("http://127.0.0.1:1");
    let client = fetcher(unused);
    let fetch = || client.fetch(&url, get().timeout(LONG));
    assert_eq!(fetch().unwrap().2, b"first");
    fetched.send(()).unwrap();
    is_forged.recv().unwrap();
    assert_eq!(fetch().unwrap().2, b"second");
    server.join().unwrap();
}

/// Programs that match on ureq's errors see them as ureq returns them.
#[test]
fn an_authenticated_agent_that_cannot_connect_returns_ureqs_own_error() {
    let (client, cache) = holder(NexusClientOptions::new("http://127.0.0.1:1"), "t-1");
    let agent = client.authenticated_agent(&cache, "ws", "p");
    let error = agent.get("http://127.0.0.1:1/").call().unwrap_err();
    assert!(
        matches!(&error, ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused),
        "{error:?}"
    );
}
