//! `hide_credential`: responses that a model will read. `src/hiding/tests.rs` has the ways to write a secret.

use nexus_sdk::http::HeaderMap;
use nexus_sdk::{FetchOptions, TokenCache};
use serde_json::{Value, json};

use crate::support::{Reply, Server, client, gateway, granting, reply};

/// Returns the headers and body of a fetch that hides this credential, for this response of the upstream.
fn fetched(
    token: &Value,
    path: &str,
    options: FetchOptions,
    response: Reply,
) -> (HeaderMap, Vec<u8>) {
    let (gateway, upstream) = (gateway(token), Server::play(vec![response]));
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let fetcher = fetcher.hide_credential(true);
    let (_, headers, body) = fetcher.fetch(&upstream.url(path), options).unwrap();
    (headers, body)
}

fn bearer(token: &str) -> Value {
    json!({"access_token": token, "expires_in": 3600})
}

fn by(strategy: &str, config: &Value, credentials: &Value) -> Value {
    json!({"strategy": {"type": strategy, "config": config}, "credentials": credentials})
}

#[test]
fn whatever_the_strategy_no_credential_is_returned() {
    let basic = json!({"username": "user-name", "password": "p\u{e4}ss \"word\""});
    // The URL does not have all of these fields.
    let path = json!({"key": "path/key-1", "region": "eu-west-1", "base_url": "https://a.example"});
    let query = json!({"api_key": "canary key"});
    // The token, the URL's path, what the upstream says, and what is returned.
    #[rustfmt::skip]
    let table = [
        (bearer("canary-token"), "/",
            r#"{"authorization": "Bearer canary-token", "token": "canary-token", "expires": 1}"#,
            r#"{"authorization": "[credential]", "token": "[credential]", "expires": 1}"#),
        (by("basic_auth", &json!({}), &basic), "/",
            r#"Basic dXNlci1uYW1lOnDDpHNzICJ3b3JkIg==, user-name, p\u00e4ss \"word\", p%C3%A4ss+%22word%22"#,
            "[credential], [credential], [credential], [credential]"),
        (by("query_param", &json!({"param_name": "key"}), &query), "/",
            "/?key=canary%20key or /?key=canary+key or canary key",
            "/?key=[credential] or /?key=[credential] or [credential]"),
        (by("path", &json!({}), &path), "/{key}/x",
            "https://a.example/path%2fkey-1/eu-west-1 or /path/key-1",
            "https://a.example/[credential]/eu-west-1 or /[credential]"),
        (bearer("7 bytes"), "/", "7 bytes, Bearer 7 bytes", "7 bytes, [credential]"),
    ];
    for (token, path, said, expected) in table {
        let response = reply(200, &[("X-Said", said)], said);
        let options = FetchOptions::default();
        let (headers, body) = fetched(&token, path, options, response.clone());
        assert_eq!(String::from_utf8(body).unwrap(), expected, "{token}");
        assert_eq!(headers["x-said"], expected, "{token}");
        let length = expected.len().to_string();
        assert_eq!(headers["content-length"], length, "{token}");

        let (gateway, upstream) = (gateway(&token), Server::play(vec![response]));
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
        let (_, headers, body) = fetcher.get(&upstream.url(path)).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), said, "off by default");
        assert_eq!(headers["x-said"], said, "off by default");
    }
}

#[test]
fn both_tokens_are_hidden_after_a_401() {
    let gateway = granting(9, |number| bearer(&format!("canary-{number}")));
    let upstream = Server::start(|request| {
        let status = match (request.path(), request.header("authorization")) {
            ("/", Some("Bearer canary-1")) => 401,
            _ => 200,
        };
        reply(status, &[], "canary-1 canary-2 canary-3")
    });
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200);
    let hiding = fetcher.clone().hide_credential(true);
    let (status, _, body) = hiding.get(&upstream.url("/")).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body, b"[credential] [credential] canary-3");
    // The later fetch did not send the dead token.
    let (_, _, body) = hiding.get(&upstream.url("/next")).unwrap();
    assert_eq!(body, b"canary-1 [credential] canary-3");
}

#[test]
fn every_kind_of_response() {
    let token = bearer("canary-token");
    // The `Content-Length` of a HEAD response is that of the GET response.
    let head = reply(200, &[], "canary-token and more").then(crate::support::End::Close);
    let (headers, body) = fetched(&token, "/", FetchOptions::default().method("HEAD"), head);
    assert_eq!(headers["content-length"], "21");
    assert_eq!(body, b"");

    let other = Server::play(vec![reply(500, &[], "canary-token")]);
    let away = crate::support::redirect(302, &other.url("/"));
    let (_, body) = fetched(&token, "/", FetchOptions::default(), away);
    assert_eq!(body, b"[credential]", "an error of another origin");
}

/// A signature adds headers that are not secret: the time and the hash of the payload.
#[cfg(feature = "signing")]
#[test]
fn a_signature_and_its_keys_are_hidden_and_what_it_covers_is_not() {
    const AWS: &[&str] = &["authorization", "x-amz-date", "x-amz-content-sha256"];
    let config = json!({"service": "s3", "region": "us-east-1"});
    let keys = json!({"access_key": "AKIDEXAMPLE", "secret_key": "canary-secret", "session_token": "canary-session"});
    let (mac, secret) = (
        json!({"header_name": "X-Mac"}),
        json!({"api_secret": "canary-secret"}),
    );
    // The token, the headers, and what is hidden of the keys: only AWS has all three.
    let hidden = "[credential] [credential] [credential]";
    let table = [
        (by("aws_sigv4", &config, &keys), AWS, hidden),
        (
            by("hmac_payload", &mac, &secret),
            &["x-mac"],
            "[credential] AKIDEXAMPLE canary-session",
        ),
    ];
    for (token, names, keys) in table {
        let gateway = gateway(&token);
        let upstream = Server::start(move |request| {
            let sent = names.iter().map(|name| request.header(name).unwrap());
            let sent: Vec<_> = sent
                .chain(["canary-secret AKIDEXAMPLE canary-session"])
                .collect();
            reply(200, &[], sent.join(" "))
        });
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
        let (_, _, body) = fetcher
            .hide_credential(true)
            .get(&upstream.url("/"))
            .unwrap();
        let request = &upstream.requests()[0];
        let covered = names[1..].iter().map(|name| request.header(name).unwrap());
        let expected: Vec<_> = ["[credential]"]
            .into_iter()
            .chain(covered)
            .chain([keys])
            .collect();
        assert_eq!(String::from_utf8(body).unwrap(), expected.join(" "));
    }
}
