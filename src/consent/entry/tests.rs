use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use super::*;
use crate::options::NexusClientOptions;

fn entry(gateway: &TcpListener) -> Entry {
    let url = format!("http://{}", gateway.local_addr().unwrap());
    let client = NexusClient::new(NexusClientOptions::new(&url)).unwrap();
    let schema = json!({"properties": {"key": {}}});
    let (program, provider) = ("tool".to_owned(), "weather".to_owned());
    let form = Form::new(program, provider, url, schema.as_object().unwrap());
    Entry::new("/x".to_owned(), form.unwrap(), &client, "s-1")
}

fn submit(entry: &Entry, key: &str) -> u16 {
    let entered = vec![("key".to_owned(), key.to_owned())];
    entry.submit(&entered).0.status
}

/// The next key that the gateway is asked about; it responds once so many threads share the attempt.
fn asked(gateway: &TcpListener, entry: &Entry, threads: usize, status: u16) -> String {
    let (mut stream, _) = gateway.accept().unwrap();
    let mut request = String::new();
    while !request.ends_with('}') {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{request}");
        request += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    let sharing = || match &*entry.turn.lock() {
        // The turn has one as well.
        Turn::Taken(attempt) => Arc::strong_count(attempt) - 1,
        Turn::Free | Turn::Over => panic!("the attempt has ended"),
    };
    while sharing() < threads {
        thread::yield_now();
    }
    let body = r#"{"connection_id": "c-1", "status": "active"}"#;
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close");
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let (_, sent) = request.split_once("\r\n\r\n").unwrap();
    let sent: Value = serde_json::from_str(sent).unwrap();
    sent["credentials"]["key"].as_str().unwrap().to_owned()
}

#[test]
fn who_sends_the_same_meanwhile_gets_the_same_result() {
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let entry = entry(&gateway);
    thread::scope(|scope| {
        let click = |key: &'static str| scope.spawn(|| submit(&entry, key));
        let clicks = [(); 3].map(|()| click("wrong"));
        assert_eq!(asked(&gateway, &entry, 3, 422), "wrong");
        assert_eq!(clicks.map(|click| click.join().unwrap()), [422, 422, 422]);

        // Later it is asked again, and what is mended meanwhile has the next turn.
        let again = click("wrong");
        let asks = |threads, status| asked(&gateway, &entry, threads, status);
        let mended = scope.spawn(|| {
            while matches!(*entry.turn.lock(), Turn::Free) {
                thread::yield_now();
            }
            submit(&entry, "right")
        });
        assert_eq!(asks(2, 422), "wrong");
        assert_eq!(asks(1, 200), "right");
        let statuses = [again, mended].map(|click| click.join().unwrap());
        assert_eq!(statuses, [422, 200]);
    });
    // Nobody would accept another call.
    assert_eq!(submit(&entry, "wrong"), 200);
}
