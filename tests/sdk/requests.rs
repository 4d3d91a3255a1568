//! Requests to the gateway: what they carry, where they go, and responses that are not usable.

use std::time::Duration;

use crate::support::{End, Server, bytes, client, json, options, redirect, said, text};
use nexus_sdk::testing::DevGateway;
use nexus_sdk::{
    AgentSessionInput, NexusClient, NexusClientOptions, RequestConnectionInput, RetryPolicy,
    RevokeOptions, ureq,
};
use serde_json::json;

pub(crate) fn input() -> RequestConnectionInput {
    RequestConnectionInput::new("u", "github", ["repo"], "http://localhost/")
}

#[test]
fn requests_carry_the_key_and_say_what_they_are() {
    let answer = json!({"authUrl": "http://x/", "connection_id": "c", "status": "active", "access_token": "t"});
    for key in ["", "key-1"] {
        let gateway = Server::play(vec![json(200, &answer)]);
        let client = NexusClient::new(options(&gateway).api_key(key)).unwrap();
        client.check_connection("c").unwrap();
        client.refresh_connection("c").unwrap();
        client.request_connection(&input()).unwrap();
        let requests = gateway.requests();
        for request in &requests {
            let keys: Vec<_> = [key].into_iter().filter(|key| !key.is_empty()).collect();
            assert_eq!(request.all("x-api-key"), keys);
            assert_eq!(request.all("accept"), ["application/json"]);
            assert_eq!(request.header("authorization"), None);
        }
        let framing = [0, 1, 2].map(|call| {
            let length = requests[call].header("content-length");
            (length.is_some(), requests[call].header("content-type"))
        });
        let json_type = Some("application/json");
        assert_eq!(framing, [(false, None), (true, None), (true, json_type)]);
        let body: serde_json::Value = serde_json::from_slice(&requests[2].body).unwrap();
        let expected = json!({"user_id": "u", "provider_name": "github", "scopes": ["repo"],
            "return_url": "http://localhost/"});
        assert_eq!(body, expected);
    }
}

#[test]
fn calls_say_whose_they_are_where_a_header_can_carry_it() {
    let response = json!({"authUrl": "http://x/", "connection_id": "c", "status": "active",
        "access_token": "t", "session_id": "s"});
    let ids = [
        ("acme", Some("acme")),
        ("a b/c?d=\"e\"", Some("a b/c?d=\"e\"")),
        // The server reads each byte as a character.
        ("caf\u{e9}", Some("caf\u{c3}\u{a9}")),
        ("a\r\nX-Evil: y", None),
        (" acme", None),
    ];
    for (id, sent) in ids {
        let gateway = Server::play(vec![json(200, &response)]);
        let client = client(&gateway);
        let input = RequestConnectionInput::new(id, "github", ["repo"], "http://localhost/");
        client.request_connection(&input).unwrap();
        client.resolve_token(id, "github").unwrap();
        let options = RevokeOptions::default().workspace_id(id);
        client.revoke_connection("c", options).unwrap();
        let session = AgentSessionInput::new("a", ["s"]).provider(id, "github");
        client.request_agent_session(&session).unwrap();
        let obo = session.on_behalf_of("u");
        client.request_agent_session(&obo).unwrap();
        // The client has requested the connection `c`, so it knows whose it is.
        client.check_connection("c").unwrap();
        client.get_token_by_connection_id("c").unwrap();
        let expected: Vec<&str> = sent.into_iter().collect();
        let requests = gateway.requests();
        assert_eq!(requests.len(), 7);
        for request in requests {
            let found = request.all("x-workspace-id");
            assert_eq!(found, expected, "{id:?}: {}", request.target);
            assert!(request.header("x-evil").is_none(), "{id:?}");
        }
        client.check_connection("other").unwrap();
        let options = RevokeOptions::default();
        client.revoke_connection("c", options).unwrap();
        for request in &gateway.requests()[7..] {
            assert_eq!(request.header("x-workspace-id"), None, "{}", request.target);
        }
    }
}

#[test]
fn the_sdk_names_itself_unless_an_own_agent_says_otherwise() {
    let own = concat!("nexus-gateway-sdk/", env!("CARGO_PKG_VERSION"), " (rust)");
    let named = |name| {
        let own = ureq::Agent::config_builder().user_agent(name);
        Some(own.build().new_agent())
    };
    let table = [
        (None, vec![own]),
        (named("mine/1"), vec!["mine/1"]),
        (named(""), vec![]),
    ];
    for (agent, expected) in table {
        let gateway = Server::play(vec![json(200, &json!({"status": "active"}))]);
        let mut options = options(&gateway);
        if let Some(agent) = agent {
            options = options.agent(agent);
        }
        let client = NexusClient::new(options).unwrap();
        client.check_connection("c").unwrap();
        assert_eq!(gateway.requests()[0].all("user-agent"), expected);
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

/// Ids that a careless client would send as something else.
#[rustfmt::skip]
const IDS: [&str; 10] = [
    "c-1", "a/b?c=d&e#f", "100% %2F", " a+b ", "caf\u{e9} \u{1f511}", ".", "..", "../../admin",
    "a\r\nX: y\0", "{id}\\;:@,'\"<>|^`~",
];

#[test]
fn ids_arrive_whole() {
    let answer = json!({"status": "active", "access_token": "t", "session_id": "s"});
    let answer = json(200, &answer);
    for id in IDS {
        let gateway = Server::play(vec![answer.clone()]);
        let client = client(&gateway);
        client.check_connection(id).unwrap();
        client.get_token_by_connection_id(id).unwrap();
        client.refresh_connection(id).unwrap();
        client.get_agent_session(id).unwrap();
        client.close_agent_session(id).unwrap();
        client
            .revoke_connection(id, RevokeOptions::default())
            .unwrap();
        client.resolve_token(id, id).unwrap();
        let requests = gateway.requests();
        assert_eq!(requests.len(), 7, "{id:?}");
        for request in &requests[..6] {
            let target = &request.target;
            let segments: Vec<_> = target.split('/').collect();
            assert_eq!(segments.len(), 4, "{id:?}: {target}");
            assert!(!matches!(segments[3], "." | ".."), "a step in the path");
            assert!(
                target.is_ascii() && !target.contains(['?', '#', '+']),
                "{target}"
            );
            assert_eq!(decoded(segments[3]), id, "{target}");
        }
        let query = requests[6].query();
        let (workspace, provider) = query.split_once("&provider_name=").unwrap();
        let workspace = workspace.strip_prefix("workspace_id=").unwrap();
        assert_eq!([workspace, provider].map(decoded), [id, id]);
    }
}

#[test]
fn a_gateway_may_live_below_a_path() {
    for (base, path) in [("/", "/v1/providers"), ("/a/b/", "/a/b/v1/providers")] {
        let gateway = Server::play(vec![json(200, &json!({}))]);
        let options = NexusClientOptions::new(gateway.url(base));
        NexusClient::new(options).unwrap().providers().unwrap();
        assert_eq!(gateway.requests()[0].target, path);
    }
}

#[test]
fn a_gateway_that_redirects_is_an_error_and_the_key_stays_home() {
    for status in [302, 307] {
        let other = Server::play(vec![json(200, &json!({"status": "active"}))]);
        let gateway = Server::play(vec![redirect(status, &other.url("/v1/path?query"))]);
        let policy = RetryPolicy::default().retries(2);
        let options = options(&gateway).api_key("key-1").retry_policy(policy);
        let client = NexusClient::new(options).unwrap();
        let errors = [
            client.check_connection("c").unwrap_err(),
            client.request_connection(&input()).unwrap_err(),
        ];
        for error in errors {
            let code = format!("http_{status}");
            assert_eq!(said(&error), (&*code, Some(status)));
            assert!(error.message().contains("set gateway_url"), "{error}");
            assert!(!error.message().contains("/v1/path"), "{error}");
        }
        assert_eq!((other.requests().len(), gateway.requests().len()), (0, 2));
    }
}

#[test]
fn a_gateways_body_has_a_limit_of_its_own() {
    let (fits, larger) = ("invalid_response", "body_too_large");
    // The length, and the errors of check-connection and providers.
    let table = [
        (256 << 10, fits, fits),
        ((256 << 10) + 1, larger, fits),
        (2 << 20, larger, fits),
        ((2 << 20) + 1, larger, larger),
    ];
    for (length, checked, listed) in table {
        let body = " ".repeat(length);
        let gateway = Server::play(vec![text(200, &body)]);
        let client = NexusClient::new(options(&gateway).max_body_bytes(99)).unwrap();
        let error = client.check_connection("c").unwrap_err();
        assert_eq!(error.code(), checked, "{length}");
        assert_eq!(client.providers().unwrap_err().code(), listed, "{length}");
    }
}

/// 64 KiB of an error's body are read, which is enough for its code.
#[test]
fn an_error_keeps_its_status_whatever_its_body_is() {
    let coded = r#"{"error": "some_code", "message": "m"}"#;
    let padded = |length: usize| format!("{coded}{}", " ".repeat(length - coded.len()));
    let page = "x".repeat(1 << 20);
    let head = "HTTP/1.1 503 Busy\r\n";
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n100000\r\n{page}\r\n0\r\n\r\n");
    let cut = bytes(format!("{head}Content-Length: 9\r\n\r\nbusy"));
    // The response, its status, and the code of its error.
    let table = [
        (text(404, &page), 404, "http_404"),
        (bytes(chunks), 503, "http_503"),
        (text(409, &padded(64 << 10)), 409, "some_code"),
        (
            bytes(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz")),
            503,
            "http_503",
        ),
        (
            bytes(format!(
                "{head}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbusy"
            )),
            503,
            "http_503",
        ),
        (cut.clone(), 503, "http_503"),
        (cut.then(End::Keep), 503, "http_503"),
    ];
    for (number, (response, status, code)) in table.into_iter().enumerate() {
        let gateway = Server::play(vec![response]);
        let timeout = Duration::from_millis(300);
        let client = NexusClient::new(options(&gateway).timeout(timeout)).unwrap();
        let error = client.providers().unwrap_err();
        assert_eq!(said(&error), (code, Some(status)), "row {number}");
        assert!(error.message().len() < 1000, "row {number}");
    }
}

#[test]
fn health_is_found_at_either_place() {
    let table = [
        ("/health", (1, 0), true),
        ("/v1/health", (1, 1), true),
        ("/ready", (1, 1), false),
    ];
    for (place, requests, is_found) in table {
        let gateway = DevGateway::builder().health_at(place).start().unwrap();
        let health = client(&gateway).health();
        let found = (gateway.count("/health"), gateway.count("/v1/health"));
        assert_eq!(found, requests);
        match health {
            Ok(health) => assert_eq!((&*health.status, is_found), ("healthy", true)),
            Err(error) => assert_eq!((error.code(), is_found), ("http_404", false)),
        }
    }
}
