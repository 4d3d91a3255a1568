//! The form for a credential: who may send it, what the gateway gets, and how a refusal is mended.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{ConsentListener, NexusClient, RequestConnectionInput, Result, WaitOptions};
use serde_json::{Value, json as value};

use super::browser::{Page, between, get, half_open, parts, send};
use super::support::{End, LONG, Reply, Server, bytes, client, json};

/// A gateway whose provider wants an API key and may have a region.
fn gateway(replies: Vec<Reply>) -> Server {
    let replies = Mutex::new(replies.into_iter());
    Server::start(move |request| {
        if request.path() == "/v1/capture-credential" {
            return replies.lock().unwrap().next().unwrap();
        }
        let properties = value!({"api_key": {"title": "API key"}, "region": {}});
        let schema = value!({"properties": properties, "required": ["api_key"]});
        json(200, &value!({"provider_name": "weather", "schema": schema}))
    })
}

/// Starts a gateway with these replies to credentials, and opens a form of it. Returns the form's address as well.
fn open(replies: Vec<Reply>) -> (Server, ConsentListener, String) {
    let gateway = gateway(replies);
    let listener = ConsentListener::bind().unwrap();
    let form = listener.credential_form(&client(&gateway), "s-1").unwrap();
    (gateway, listener, form)
}

fn taken() -> Reply {
    json(
        200,
        &value!({"connection_id": "c-1", "status": "success", "redirect_url": "http://127.0.0.1/"}),
    )
}

/// As gateways pass on what the broker says.
fn passed_on(code: &str, message: &str) -> Reply {
    refused(
        502,
        "broker_error",
        &value!({"error": code, "message": message}).to_string(),
    )
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    json(status, &value!({"error": code, "message": message}))
}

/// Sends the form as its own page does.
fn submit(form: &str, body: &str) -> Page {
    let (host, path) = parts(form);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    send(form, head.as_bytes())
}

fn credentials(gateway: &Server) -> Vec<Value> {
    let sent = gateway.requests().into_iter();
    let sent = sent.filter(|request| request.path() == "/v1/capture-credential");
    sent.map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect()
}

#[test]
fn a_key_is_entered_refused_mended_and_taken() {
    let refusal = "the provider said no to canary-1";
    let (gateway, _listener, form) =
        open(vec![refused(422, "credentials_rejected", refusal), taken()]);
    assert_eq!(gateway.requests()[0].target, "/v1/capture-schema?state=s-1");

    let page = get(&form);
    assert_eq!(page.status, 200);
    assert!(page.html.contains(&gateway.url("")), "{}", page.html);
    assert!(!page.html.contains("s-1"), "{}", page.html);

    // Without what is required nothing is sent.
    let page = submit(&form, "api_key=&region=eu+%26+us");
    assert_eq!(page.status, 422);
    assert!(page.html.contains("value=\"eu &amp; us\""), "{}", page.html);
    assert_eq!(credentials(&gateway).len(), 0);

    let page = submit(&form, "api_key=canary-1&region=eu");
    assert_eq!(page.status, 422);
    let details = "Details: the provider said no to";
    assert!(page.html.contains(details), "{}", page.html);
    assert!(!page.html.contains("canary"), "{}", page.html);

    let page = submit(&form, "api_key=canary-2&region=");
    assert_eq!(page.status, 200);
    assert!(
        page.html.contains("<h1>Connected to weather</h1>"),
        "{}",
        page.html
    );
    let credential = |fields: Value| value!({"state": "s-1", "credentials": fields});
    let expected = [
        credential(value!({"api_key": "canary-1", "region": "eu"})),
        credential(value!({"api_key": "canary-2"})),
    ];
    assert_eq!(credentials(&gateway), expected);

    // It is used up.
    let page = get(&form);
    assert_eq!(page.status, 404);
    assert!(page.html.contains("<h1>Already sent</h1>"), "{}", page.html);
    assert_eq!(submit(&form, "api_key=canary-3").status, 404);
    assert_eq!(credentials(&gateway).len(), 2);
}

#[test]
fn a_refusal_says_what_to_do() {
    let rejected = || passed_on("credentials_rejected", "401");
    let table = [
        (rejected(), "weather did not accept these credentials."),
        (rejected(), "Details: 401 (credentials_rejected)"),
        (rejected(), "<p>Enter hidden fields again"),
        (
            passed_on("invalid_base_url", "no such host"),
            "spellcheck=\"false\" data-keeps-secrets>",
        ),
        (refused(422, "other", ""), "Check them and try again"),
        (
            refused(502, "validation_unreachable", "timed out"),
            "could not reach weather",
        ),
        (refused(400, "invalid_state", "expired"), "connect again"),
        (
            refused(401, "unauthorized", "no such key"),
            "Try again later. If that does not help, ask whoever set up",
        ),
        (
            passed_on("missing_credential", "region is required"),
            "Check them and try again",
        ),
        (json(200, &value!({})), "no usable response"),
    ];
    for (reply, expected) in table {
        let (_gateway, _listener, form) = open(vec![reply]);
        let page = submit(&form, "api_key=canary-1");
        assert_eq!(page.status, 422);
        assert!(page.html.contains(expected), "{expected} in {}", page.html);
        assert!(
            !page.html.contains("canary") && !page.html.contains("s-1"),
            "{}",
            page.html
        );
        assert_eq!(get(&form).status, 200, "it can be tried again");
    }
}

#[test]
fn a_form_is_taken_from_its_own_page_only() {
    let (gateway, _listener, form) = open(vec![taken()]);
    let (host, path) = parts(&form);
    let plain = format!("Host: {host}\r\nContent-Type: application/x-www-form-urlencoded");
    let from = |origin: &str| format!("{plain}\r\nOrigin: {origin}");
    let own = from(&format!("http://{host}"));
    let post = format!("POST {path}");
    let request = |start: &str, headers: &str| {
        format!("{start} HTTP/1.1\r\n{headers}\r\nContent-Length: 9\r\n\r\napi_key=k")
    };
    let table = [
        (403, request(&post, &from("null"))),
        (403, request(&post, &from(&format!("https://{host}")))),
        (404, request(&post, &plain.replace(host, "evil.example"))),
        (404, request(&format!("{post}x"), &own)),
        (404, request(&format!("PUT {path}"), &own)),
    ];
    for (status, request) in table {
        let page = send(&form, request.as_bytes());
        assert_eq!(page.status, status, "{request}");
        assert!(!page.html.contains("api_key"), "{request}");
    }
    assert_eq!(submit(&form, "api_key=%FF").status, 400);
    assert_eq!(credentials(&gateway).len(), 0);
    // A program other than a browser need not state an origin.
    let sent = send(&form, request(&post, &plain).as_bytes());
    assert_eq!(sent.status, 200);
}

#[test]
fn a_form_wakes_the_wait() {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    let listener = ConsentListener::bind().unwrap();
    let (id, form) = requested(&client, &listener, "registry");
    let form = form.unwrap();
    let mut looks = 0;
    let sent = std::thread::spawn(move || submit(&form, "username=ada&password=canary-1").status);
    let options = WaitOptions::default()
        .interval(LONG)
        .timeout(LONG)
        .on_poll(|_| {
            looks += 1;
            std::ops::ControlFlow::Continue(())
        })
        .consent(&listener);
    assert!(client.wait_for_active(&id, options).unwrap() == "active");
    assert_eq!(sent.join().unwrap(), 200);
    assert!(looks <= 2);
}

#[test]
fn what_has_no_form_says_so() {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    let listener = ConsentListener::bind().unwrap();
    let error = listener.credential_form(&client, " ").unwrap_err();
    assert_eq!(error.code(), "invalid_input");
    let (_, form) = requested(&client, &listener, "github");
    assert!(form.unwrap_err().status_code().is_some());
    let schema = value!({"provider_name": "p", "schema": {}});
    let empty = Server::play(vec![json(200, &schema)]);
    let form = listener.credential_form(&super::support::client(&empty), "s");
    let expected = "invalid_response: the schema of the provider's credential has no properties, so there is no form; \
                    ask the gateway's operator to correct it, or pass the credential to capture_credential";
    assert_eq!(form.unwrap_err().to_string(), expected);
}

#[test]
fn a_listener_serves_the_latest_forms() {
    let gateway = gateway(vec![]);
    let listener = ConsentListener::bind().unwrap();
    let client = client(&gateway);
    let forms: Vec<_> = (0..9)
        .map(|_| listener.credential_form(&client, "s").unwrap())
        .collect();
    let statuses: Vec<_> = forms.iter().map(|form| get(form).status).collect();
    assert_eq!(statuses, [404, 200, 200, 200, 200, 200, 200, 200, 200]);
    drop(listener);
    assert!(std::net::TcpStream::connect(parts(&forms[8]).0).is_err());
}

#[test]
fn dropping_it_does_not_wait_for_a_gateway_that_hangs() {
    let (gateway, listener, form) = open(vec![bytes("").then(End::Hold)]);
    let address = parts(&form).0.to_owned();
    let sent = std::thread::spawn(move || submit(&form, "api_key=k").status);
    while gateway.count("/v1/capture-credential") == 0 {
        std::thread::yield_now();
    }
    drop(listener);
    assert!(std::net::TcpStream::connect(address).is_err());
    assert_eq!(sent.join().unwrap(), 0);
}

/// Requests a connection. Returns its id and the address of its form.
fn requested(
    client: &NexusClient,
    listener: &ConsentListener,
    provider: &str,
) -> (String, Result<String>) {
    let url = listener.return_url();
    let input = RequestConnectionInput::new("acme", provider, nexus_sdk::NO_SCOPES, url);
    let connection = client.request_connection(&input).unwrap();
    let form = listener.credential_form(client, connection.state.as_deref().unwrap());
    (connection.connection_id, form)
}

/// The challenge and the proof of a page.
fn pair(page: &Page) -> (String, String) {
    let part = |name: &str| between(&page.html, &format!("{name}=\""), "\"").to_owned();
    (part("data-challenge"), part("data-proof"))
}

#[test]
fn a_page_can_ask_for_the_proof_that_only_its_own_server_has() {
    let gateway = gateway(vec![refused(422, "credentials_rejected", "no"), taken()]);
    let listener = ConsentListener::bind().unwrap();
    let client = client(&gateway);
    let form = listener.credential_form(&client, "s-1").unwrap();
    let pages = [get(&form), get(&form), submit(&form, "api_key=k")];
    let pairs = pages.each_ref().map(pair);
    let mut all: Vec<&String> = pairs.iter().flat_map(|(a, b)| [a, b]).collect();
    assert!(all.iter().all(|random| random.len() == 32));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6, "every page has its own");
    for (challenge, proof) in &pairs {
        let proved = get(&format!("{form}?challenge={challenge}"));
        assert_eq!((proved.status, &proved.html), (200, proof));
        assert_eq!(proved.header("content-type"), Some("text/plain"));
        assert_eq!(proved.header("cache-control"), Some("no-store"));
    }
    let (host, path) = parts(&form);
    let (challenge, proof) = &pairs[0];
    let other = listener.credential_form(&client, "s-1").unwrap();
    let own = |query: &str, rest: &str| {
        format!("GET {path}?challenge={query} HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n")
    };
    let table = [
        own(proof, ""),
        own("", ""),
        own(challenge, "").replace(host, "evil.example"),
        own(challenge, "").replace(path, parts(&other).1),
    ];
    for request in table {
        let page = send(&form, request.as_bytes());
        assert!(
            page.status == 404 && !page.html.contains(&**proof),
            "{request}"
        );
    }
    // Once the form is used, no page of it has a server any more.
    assert_eq!(submit(&form, "api_key=k").status, 200);
    assert_eq!(get(&format!("{form}?challenge={challenge}")).status, 404);
}

#[test]
fn a_page_waits_longer_than_half_open_connections_delay_a_response() {
    let (_gateway, _listener, form) = open(vec![taken()]);
    let page = get(&form);
    let longest: u64 = between(&page.html, "AbortSignal.timeout(", ")")
        .parse()
        .unwrap();
    half_open(&form);
    let (challenge, proof) = pair(&page);
    let start = Instant::now();
    let proved = get(&format!("{form}?challenge={challenge}"));
    let passed = start.elapsed();
    assert_eq!(proved.html, proof);
    // A slower machine takes longer.
    assert!(3 * passed < Duration::from_millis(longest), "{passed:?}");
    assert_eq!(submit(&form, "api_key=k").status, 200);
}

#[test]
fn scripts_run_on_the_form_only_and_by_nonce() {
    let (_gateway, _listener, form) = open(vec![]);
    let page = get(&form);
    let policy = page.header("content-security-policy").unwrap();
    let nonce = between(policy, "script-src 'nonce-", "'");
    assert!(policy.contains("connect-src 'self'"), "{policy}");
    assert!(page.html.contains(&format!("<script nonce=\"{nonce}\" ")));
    let refused = submit(&form, "api_key=%FF");
    let policy = refused.header("content-security-policy").unwrap();
    assert!(!policy.contains("script-src") && !refused.html.contains("<script"));
}
