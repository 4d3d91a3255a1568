//! What each method says when it cannot do its work.

use nexus_sdk::serde_json::Map;
use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{AgentSessionInput, NexusClient, NexusError, RevokeOptions, TokenCache};

use crate::support::{client, connected, requested, said};

fn session() -> AgentSessionInput {
    AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github")
}

type Method = (&'static str, fn(&NexusClient) -> Option<NexusError>);

/// Every method with arguments that are fine.
const METHODS: [Method; 9] = [
    ("health", |client| client.health().err()),
    ("revoke_connection", |client| {
        let options = RevokeOptions::default();
        client
            .revoke_connection("00000000-0000-4000-8000-000000000001", options)
            .err()
    }),
    ("providers", |client| client.providers().err()),
    ("capture_schema", |client| client.capture_schema("s").err()),
    ("capture_credential", |client| {
        client.capture_credential("s", &Map::new()).err()
    }),
    ("request_agent_session", |client| {
        client.request_agent_session(&session()).err()
    }),
    ("request_agent_session, on behalf of a user", |client| {
        let input = session().on_behalf_of("user:ada");
        client.request_agent_session(&input).err()
    }),
    ("get_agent_session", |client| {
        client.get_agent_session("session-1").err()
    }),
    ("close_agent_session", |client| {
        client.close_agent_session("session-1").err()
    }),
];

#[test]
fn every_method_passes_on_what_the_gateway_says() {
    let json = "application/json";
    let coded = r#"{"error": "some_code", "message": "m"}"#;
    let nested =
        r#"{"error": "broker_error", "message": "{\"error\":\"inner\",\"message\":\"why\"}"}"#;
    let prose = r#"{"error": "the broker is down"}"#;
    let table = [
        (Fault::Status(500), "http_500", Some(500), None),
        (Fault::Status(504), "http_504", Some(504), None),
        (
            Fault::reply(403, json, coded),
            "some_code",
            Some(403),
            Some("m"),
        ),
        (
            Fault::reply(404, json, coded),
            "some_code",
            Some(404),
            Some("m"),
        ),
        (
            Fault::reply(502, json, nested),
            "broker_error",
            Some(502),
            Some("inner: why"),
        ),
        (
            Fault::reply(502, json, prose),
            "http_502",
            Some(502),
            Some("the broker is down"),
        ),
        (
            Fault::reply(200, json, "[]"),
            "invalid_response",
            Some(200),
            None,
        ),
        (
            Fault::reply(200, "text/html", "<p>"),
            "invalid_response",
            Some(200),
            None,
        ),
    ];
    let gateway = connected();
    let client = client(&gateway);
    for (fault, code, status, message) in table {
        for (name, call) in METHODS {
            // The second for the health's other place.
            gateway.fail_next(
                if name == "health" && status == Some(404) {
                    2
                } else {
                    1
                },
                fault.clone(),
            );
            let error = call(&client).unwrap_or_else(|| panic!("{name}: {fault:?}"));
            assert_eq!(said(&error), (code, status), "{name}");
            assert!(
                message.is_none_or(|message| error.message() == message),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn what_a_response_has_to_have() {
    let gateway = connected();
    let client = client(&gateway);
    for (name, call) in METHODS {
        gateway.fail_next(1, Fault::reply(200, "application/json", "{}"));
        let code = call(&client).map(|error| error.code().to_owned());
        // The rest can do without any field.
        let lenient = [
            "revoke_connection",
            "providers",
            "capture_schema",
            "close_agent_session",
        ];
        let expected = (!lenient.contains(&name)).then(|| "invalid_response".to_owned());
        assert_eq!(code, expected, "{name}");
    }
}

#[test]
fn what_the_gateway_refuses() {
    let gateway = connected();
    let client = client(&gateway);
    let consent = requested(&gateway, "github");
    let revoke = |id: &str, options| client.revoke_connection(id, options).unwrap_err();
    let other = RevokeOptions::default().workspace_id("other");
    let session = |input: AgentSessionInput| client.request_agent_session(&input).unwrap_err();
    let input = |agent: &str, scope: &str, provider: &str| {
        AgentSessionInput::new(agent, [scope]).provider("acme", provider)
    };
    let obo = input("a", "s", "github").on_behalf_of("nobody");
    let day = std::time::Duration::from_secs(86_401);
    let table = [
        (
            revoke("nobody", RevokeOptions::default()),
            "invalid_connection_id",
            400,
        ),
        (
            revoke("00000000-0000-4000-8000-000000000001", other),
            "connection_not_found",
            404,
        ),
        (
            client.capture_schema("unknown").unwrap_err(),
            "invalid_state",
            400,
        ),
        (
            client.capture_schema(&consent).unwrap_err(),
            "unsupported_auth_type",
            400,
        ),
        (
            session(input("unknown-1", "s", "github")),
            "agent_not_found",
            404,
        ),
        (
            session(input("inactive-1", "s", "github")),
            "agent_inactive",
            403,
        ),
        (
            session(input("a", "denied-1", "github")),
            "scope_not_allowed",
            403,
        ),
        (
            session(input("a", "s", "nobody")),
            "connection_not_found",
            404,
        ),
        (
            session(AgentSessionInput::new("a", ["s"]).connection_id("x/y")),
            "connection_not_found",
            404,
        ),
        (
            session(AgentSessionInput::new("a", nexus_sdk::NO_SCOPES).connection_id("c")),
            "missing_scopes",
            400,
        ),
        (
            session(input("a", "s", "github").ttl(day)),
            "invalid_ttl",
            400,
        ),
        (session(obo), "invalid_user_context_token", 401),
        (
            client.get_agent_session("a/b").unwrap_err(),
            "session_not_found",
            404,
        ),
        (
            client.close_agent_session("a b").unwrap_err(),
            "session_not_found",
            404,
        ),
    ];
    for (error, code, status) in table {
        assert_eq!(said(&error), (code, Some(status)));
        assert!(!error.is_retryable() && !error.needs_reconnect(), "{error}");
    }
    let quoted = client
        .capture_credential("unknown", &Map::new())
        .unwrap_err();
    assert_eq!(said(&quoted), ("broker_error", Some(502)));
    assert_eq!(quoted.message(), "invalid_state: Invalid state");
    let refused = client.auth_headers(&TokenCache::new(), "nobody", "github");
    assert_eq!(refused.unwrap_err().code(), "connection_not_found");
}

#[test]
fn what_is_refused_before_the_gateway_is_asked() {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    let cache = TokenCache::new();
    let revoke = |id: &str, options| client.revoke_connection(id, options).err();
    let session = |input: AgentSessionInput| client.request_agent_session(&input).err();
    let plain = || AgentSessionInput::new("a", ["s"]);
    let millisecond = std::time::Duration::from_millis(1);
    let obo = |token: &str| plain().connection_id("c").on_behalf_of(token);
    let blank_owner = RevokeOptions::default().workspace_id(" ");
    let table = [
        ("blank connection", revoke(" ", RevokeOptions::default())),
        ("blank owner", revoke("c", blank_owner)),
        ("blank state", client.capture_schema("").err()),
        (
            "blank state",
            client.capture_credential("\t", &Map::new()).err(),
        ),
        ("blank session", client.get_agent_session("").err()),
        ("blank session", client.close_agent_session(" ").err()),
        ("no selector", session(plain())),
        (
            "both selectors",
            session(plain().connection_id("c").provider("w", "p")),
        ),
        ("blank selector", session(plain().connection_id(" "))),
        ("blank provider", session(plain().provider("w", ""))),
        (
            "blank agent",
            session(AgentSessionInput::new("", ["s"]).connection_id("c")),
        ),
        (
            "ttl below a second",
            session(plain().connection_id("c").ttl(millisecond)),
        ),
        ("blank user", session(obo(" "))),
        (
            "blank pair",
            client.auth_headers(&cache, "", "github").err(),
        ),
        (
            "blank pair",
            client.fetcher(&cache, "acme", " ").get(gateway.url()).err(),
        ),
    ];
    for (case, error) in table {
        let error = error.unwrap_or_else(|| panic!("{case}"));
        assert_eq!(said(&error), ("invalid_input", None), "{case}");
    }
    assert_eq!(gateway.count(""), 0);
}
