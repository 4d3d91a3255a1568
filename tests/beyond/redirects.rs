//! Where a fetcher's redirects may lead.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use nexus_sdk::{AgentSessionInput, FetchOptions, Fetcher, Redirects, TokenCache};

use crate::{client, gateway, said};

/// A server that gives every request the same answer and keeps what it was sent.
struct Raw {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = serve(&stream, &answer, &kept);
            }
        });
        Self { address, heads }
    }

    fn fine() -> Self {
        Self::start("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into())
    }

    fn redirecting(to: &str) -> Self {
        let head = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\n");
        Self::start(format!(
            "{head}content-length: 0\r\nconnection: close\r\n\r\n"
        ))
    }

    fn url(&self) -> String {
        format!("http://{}/start", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, answer: &str, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    kept.lock().unwrap().push(head.to_ascii_lowercase());
    (&*stream).write_all(answer.as_bytes())
}

/// One fetcher with a pair's credential and one with a session's.
fn fetchers(gateway: &nexus_sdk::testing::DevGateway) -> [Fetcher; 2] {
    let client = client(gateway);
    let session = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    let session = client.request_agent_session(&session).unwrap();
    [
        client.fetcher(&TokenCache::new(), "acme", "github"),
        client.session_fetcher(&session).unwrap(),
    ]
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let gateway = gateway();
    for fetcher in fetchers(&gateway) {
        let target = Raw::fine();
        let start = Raw::redirecting(&format!("http://{}/end", target.address));
        let bound = fetcher.clone().allow_hosts([start.address.clone()]);
        let error = bound.get(&start.url()).unwrap_err();
        assert_eq!(error.code(), "host_not_allowed");
        assert!(error.message().contains(&target.address), "{error}");
        assert_eq!((start.heads().len(), target.heads().len()), (1, 0));

        let manual = FetchOptions::default().redirects(Redirects::Manual);
        assert_eq!(bound.fetch(&start.url(), manual).unwrap().0, 307);
        assert_eq!(target.heads().len(), 0);
    }
}

#[test]
fn a_redirect_to_an_allowed_host_is_followed_without_the_credential() {
    let gateway = gateway();
    for fetcher in fetchers(&gateway) {
        let target = Raw::fine();
        let start = Raw::redirecting(&format!("http://{}/end", target.address));
        let hosts = [start.address.clone(), target.address.clone()];
        let fetcher = fetcher.allow_hosts(hosts);
        assert_eq!(fetcher.post(&start.url(), "").unwrap().0, 200);
        let (first, second) = (start.heads(), target.heads());
        assert!(first[0].contains("\r\nauthorization: bearer "));
        assert!(second[0].starts_with("post /end "));
        assert!(!second[0].contains("authorization"));
    }
}

#[test]
fn a_later_redirect_is_checked_too() {
    let gateway = gateway();
    let [fetcher, _] = fetchers(&gateway);
    let target = Raw::fine();
    let second = Raw::redirecting(&format!("http://{}/end", target.address));
    let first = Raw::redirecting(&format!("http://{}/next", second.address));
    let fetcher = fetcher.allow_hosts([first.address.clone(), second.address.clone()]);
    let error = fetcher.get(&first.url()).unwrap_err();
    assert_eq!(error.code(), "host_not_allowed");
    let seen = [&first, &second, &target].map(|server| server.heads().len());
    assert_eq!(seen, [1, 1, 0]);
}

#[test]
fn a_redirect_out_of_the_rules_says_so_first() {
    let gateway = gateway();
    let [fetcher, _] = fetchers(&gateway);
    let table = [
        ("https://evil.example/", "host_not_allowed"),
        ("//evil.example/", "insecure_url"),
        ("http://evil.example/", "insecure_url"),
        ("file:///etc/passwd", "invalid_response"),
        ("https://127.0.0.1@evil.example/", "invalid_response"),
    ];
    for (target, code) in table {
        let start = Raw::redirecting(target);
        let bound = fetcher.clone().allow_hosts(["127.0.0.1"]);
        let error = bound.get(&start.url()).unwrap_err();
        assert_eq!(said(&error).0, code, "{target}");
        assert_eq!(start.heads().len(), 1);
    }
}
