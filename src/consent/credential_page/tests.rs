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

/// Returns the status of the page, and whether sending it wakes the wait.
fn submit(page: &CredentialPage, key: &str) -> (u16, bool) {
    let entered = vec![("key".to_owned(), key.to_owned())];
    let response = page.submit(&entered);
    let status = response.message.status().as_u16();
    (status, response.on_sent.is_some())
}

/// Serves one request to the gateway, and returns the key in it.
fn serve(gateway: &TcpListener, status: u16) -> String {
    let (mut stream, _) = gateway.accept().unwrap();
    let mut request = String::new();
    while !request.ends_with('}') {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{request}");
        request += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    gateway.set_nonblocking(true).unwrap();
    let early = gateway.accept();
    assert!(early.is_err(), "a second request before the first response");
    gateway.set_nonblocking(false).unwrap();
    let body = r#"{"connection_id": "c-1", "status": "active"}"#;
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close");
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let (_, sent) = request.split_once("\r\n\r\n").unwrap();
    let sent: Value = serde_json::from_str(sent).unwrap();
    sent["credentials"]["key"].as_str().unwrap().to_owned()
}

#[test]
fn credentials_are_sent_one_after_another_until_one_is_accepted() {
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = page(&gateway);
    let (refused, accepted, too_late) = ((422, false), (200, true), (200, false));
    thread::scope(|scope| {
        let keys = ["a", "b", "c"];
        let clicks = keys.map(|key| (key, scope.spawn(|| submit(&page, key))));
        let first = serve(&gateway, 422);
        let second = serve(&gateway, 200);
        for (key, click) in clicks {
            let expected = match key {
                key if key == first => refused,
                key if key == second => accepted,
                _ => too_late,
            };
            assert_eq!(click.join().unwrap(), expected, "{key}");
        }
    });
    // The gateway accepts no further connection, so another call would hang.
    assert_eq!(submit(&page, "d"), too_late);
}
