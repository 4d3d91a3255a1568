use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use super::*;
use crate::options::NexusClientOptions;

fn page(gateway: &TcpListener) -> CredentialPage {
    let url = format!("http://{}", gateway.local_addr().unwrap());
    let client = NexusClient::new(NexusClientOptions::new(&url)).unwrap();
    let schema = json!({"properties": {"key": {}}});
    let (program, provider) = ("tool".to_owned(), "weather".to_owned());
    let form = Form::new(program, provider, url, schema.as_object().unwrap());
    let returns = Arc::default();
    CredentialPage::new("/x".to_owned(), form.unwrap(), &client, "s-1", &returns)
}

fn submit(page: &CredentialPage, key: &str) -> u16 {
    let entered = vec![("key".to_owned(), key.to_owned())];
    page.submit(&entered).message.status().as_u16()
}

/// Returns the next key that the gateway gets. The gateway responds once this many threads share the submission.
fn asked(gateway: &TcpListener, page: &CredentialPage, threads: usize, status: u16) -> String {
    let (mut stream, _) = gateway.accept().unwrap();
    let mut request = String::new();
    while !request.ends_with('}') {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{request}");
        request += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    let sharing = || match &*page.submission.lock() {
        // The state holds one reference, too.
        SubmissionState::Sending(submission) => Arc::strong_count(submission) - 1,
        SubmissionState::Open | SubmissionState::Accepted => panic!("the submission has ended"),
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
fn submissions_in_progress_share_one_outcome() {
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = page(&gateway);
    thread::scope(|scope| {
        let click = |key: &'static str| scope.spawn(|| submit(&page, key));
        let clicks = [(); 3].map(|()| click("wrong"));
        assert_eq!(asked(&gateway, &page, 3, 422), "wrong");
        assert_eq!(clicks.map(|click| click.join().unwrap()), [422, 422, 422]);

        // A click after the refusal is sent again, and so is a corrected key.
        let again = click("wrong");
        let asks = |threads, status| asked(&gateway, &page, threads, status);
        let corrected = scope.spawn(|| {
            while matches!(*page.submission.lock(), SubmissionState::Open) {
                thread::yield_now();
            }
            submit(&page, "right")
        });
        assert_eq!(asks(2, 422), "wrong");
        assert_eq!(asks(1, 200), "right");
        let statuses = [again, corrected].map(|click| click.join().unwrap());
        assert_eq!(statuses, [422, 200]);
    });
    // The gateway accepts no further connection, so another call would hang.
    assert_eq!(submit(&page, "wrong"), 409);
}

#[test]
fn the_second_of_two_different_submissions_is_told_that_it_was_not_used() {
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = page(&gateway);
    thread::scope(|scope| {
        let send = |key: &'static str| {
            scope.spawn(|| {
                let entered = vec![("key".to_owned(), key.to_owned())];
                let response = page.submit(&entered);
                let wakes_the_wait = response.on_sent.is_some();
                let html = String::from_utf8(response.message.into_body()).unwrap();
                (html, wakes_the_wait)
            })
        };
        let clicks = [send("a"), send("b"), send("a")];
        let first = asked(&gateway, &page, 3, 200);
        for (key, click) in ["a", "b", "a"].into_iter().zip(clicks) {
            let (html, wakes_the_wait) = click.join().unwrap();
            let is_first = key == first;
            assert_eq!(
                html.contains("<h1>Connected</h1>"),
                is_first,
                "{key}: {html}"
            );
            assert_eq!(
                html.contains("<h1>Not used</h1>"),
                !is_first,
                "{key}: {html}"
            );
            assert_eq!(wakes_the_wait, is_first, "{key}");
        }
    });
}
