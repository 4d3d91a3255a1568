//! The return URL: what uses it up, and what does not keep it from being used.

use std::io::Write as _;
use std::net::TcpStream;

use nexus_sdk::ConsentListener;

use super::browser::{between, connect, get, parts, response, send};

fn returned(listener: &ConsentListener, query: &str) -> u16 {
    get(&format!("{}?{query}", listener.return_url())).status
}

#[test]
fn a_browser_that_comes_back_sees_what_the_gateway_says() {
    let table = [
        ("success", "&provider=github", "Connected to github"),
        ("success", "&provider=%3Cb%3E", "Connected to &lt;b&gt;"),
        ("success", "&provider=", "Connected"),
        ("success", "", "Connected"),
        ("failed", "&provider=github", "Not connected"),
    ];
    for (status, provider, heading) in table {
        let listener = ConsentListener::bind().unwrap();
        let query = format!("status={status}&connection_id=c-1{provider}");
        let url = format!("{}?{query}", listener.return_url());
        let page = get(&url);
        assert_eq!(page.status, 200);
        let heading = format!("<h1>{heading}</h1>");
        assert!(page.html.contains(&heading), "{}", page.html);
        assert!(page.html.contains("You can close this window."));
        let again = get(&url);
        assert_eq!(again.status, 404);
        assert!(again.html.contains("has already been used"));
    }
}

#[test]
fn whatever_else_comes_uses_nothing_up() {
    let listener = ConsentListener::bind().unwrap();
    let (host, path) = parts(listener.return_url());
    let query = "connection_id=c-1&status=success";
    let port = host.rsplit_once(':').unwrap().1;
    let own = format!("{path}?{query}");
    let (get, host) = (
        |target: &str| format!("GET {target}"),
        format!("Host: {host}"),
    );
    let table = [
        (404, get("/"), host.clone()),
        (404, get(&format!("{path}/?{query}")), host.clone()),
        // The path alone, or with an id that is none.
        (404, get(path), host.clone()),
        (404, get(&format!("{path}?connection_id=")), host.clone()),
        (404, get(&format!("{path}?connection_id=%FF")), host.clone()),
        // A name that an attacker's DNS points here, and no name at all.
        (404, get(&own), format!("Host: evil.example:{port}")),
        (404, get(&own), "Host: 127.0.0.1".to_owned()),
        (404, get(&own), "Accept: */*".to_owned()),
        (
            404,
            format!("POST {own}"),
            format!("{host}\r\nContent-Length: 0"),
        ),
        (404, format!("HEAD {own}"), host.clone()),
        // `tests/dev_gateway/wire.rs` has what else is no acceptable request.
        (
            413,
            format!("POST {own}"),
            format!("{host}\r\nContent-Length: 65537"),
        ),
        (
            431,
            get(&own),
            format!("{host}\r\nA: {}", "a".repeat(20_000)),
        ),
    ];
    for (status, start, headers) in table {
        let request = format!("{start} HTTP/1.1\r\n{headers}\r\n\r\n");
        let page = send(listener.return_url(), request.as_bytes());
        assert_eq!(page.status, status, "{start} {headers}");
        assert_eq!(page.html.is_empty(), start.starts_with("HEAD"), "{start}");
        assert!(
            !page.html.contains(path) && !page.html.contains("c-1"),
            "{start}"
        );
    }
    assert_eq!(returned(&listener, query), 200);
}

#[test]
fn every_page_is_shut_off_from_the_rest_of_the_web() {
    let listener = ConsentListener::bind().unwrap();
    for url in [
        listener.return_url().to_owned(),
        format!("{}?connection_id=c", listener.return_url()),
    ] {
        let page = get(&url);
        let policy = page.header("content-security-policy").unwrap();
        let nonce = between(policy, "'nonce-", "'");
        assert_eq!(nonce.len(), 32);
        assert!(page.html.contains(&format!("<style nonce=\"{nonce}\">")));
        for part in [
            "default-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        let table = [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("content-type", "text/html; charset=utf-8"),
            ("connection", "close"),
        ];
        for (name, value) in table {
            assert_eq!(page.header(name), Some(value), "{name}");
        }
        assert!(
            !page.html.contains("<script") && !page.html.contains("http"),
            "{}",
            page.html
        );
    }
}

#[test]
fn dropping_it_closes_the_port_but_not_on_the_page() {
    let listener = ConsentListener::bind().unwrap();
    let (host, path) = parts(listener.return_url());
    let (host, path) = (host.to_owned(), path.to_owned());
    let silent = connect(listener.return_url());
    let mut halfway = connect(listener.return_url());
    halfway.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut back = connect(listener.return_url());
    back.write_all(
        format!("GET {path}?connection_id=c HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
    )
    .unwrap();
    // Its first byte is there, so the response is under way.
    back.peek(&mut [0]).unwrap();
    drop(listener);
    assert_eq!(response(back).status, 200);
    assert_eq!(response(silent).status, 0);
    assert_eq!(response(halfway).status, 0);
    assert!(TcpStream::connect(&host).is_err());
}

#[test]
fn each_listener_has_a_port_and_a_path_of_its_own() {
    let listeners: Vec<_> = (0..20).map(|_| ConsentListener::bind().unwrap()).collect();
    let mut paths: Vec<_> = listeners
        .iter()
        .map(|one| parts(one.return_url()).1)
        .collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 20);
    let (first, second) = (&listeners[0], &listeners[1]);
    let (host, path) = (parts(first.return_url()).0, parts(second.return_url()).1);
    let wrong = format!("http://{host}{path}?connection_id=c");
    assert_eq!(get(&wrong).status, 404);
    assert_eq!(format!("{first:?}"), "ConsentListener { .. }");
}

#[test]
fn a_port_that_cannot_be_had_is_named() {
    let first = ConsentListener::bind().unwrap();
    let (_, port) = parts(first.return_url()).0.rsplit_once(':').unwrap();
    let error = ConsentListener::bind_to(port.parse().unwrap()).unwrap_err();
    let error = error.to_string();
    let start = format!("invalid_input: port: cannot listen on 127.0.0.1:{port} (");
    let end = "; choose another port, or 0 for any free port";
    assert!(error.starts_with(&start) && error.ends_with(end), "{error}");
}
