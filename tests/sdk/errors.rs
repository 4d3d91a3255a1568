//! Errors of each method. `src/gateway/refusal/tests.rs` has the error bodies of gateways.

use nexus_sdk::serde_json::Map;
use nexus_sdk::testing::Fault;
use nexus_sdk::{AgentSessionInput, NexusClient, NexusError, RetryPolicy, RevokeOptions};

use crate::requests::input;
use crate::support::{client, connected, options, said};

fn session() -> AgentSessionInput {
    AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github")
}

pub(crate) type Method = (&'static str, fn(&NexusClient) -> Option<NexusError>);

/// Every method that asks the gateway, with valid arguments.
pub(crate) const METHODS: [Method; 14] = [
    ("request_connection", |client| {
        client.request_connection(&input()).err()
    }),
    ("check_connection", |client| {
        client.check_connection("c").err()
    }),
    ("get_token_by_connection_id", |client| {
        client.get_token_by_connection_id("c").err()
    }),
    ("refresh_connection", |client| {
        client.refresh_connection("c").err()
    }),
    ("resolve_token", |client| {
        client.resolve_token("acme", "github").err()
    }),
    ("health", |client| client.health().err()),
    ("revoke_connection", |client| {
        let (id, options) = (
            "00000000-0000-4000-8000-000000000001",
            RevokeOptions::default(),
        );
        client.revoke_connection(id, options).err()
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
    let coded = r#"{"error": "provider_mismatch", "message": "m"}"#;
    let table = [
        (
            Fault::reply(404, json, coded),
            "provider_mismatch",
            Some(404),
        ),
        (Fault::reply(200, json, "[]"), "invalid_response", Some(200)),
    ];
    let gateway = connected();
    let policy = RetryPolicy::default().retries(2);
    let client = NexusClient::new(options(&gateway).retry_policy(policy)).unwrap();
    for (fault, code, status) in table {
        for (name, call) in METHODS {
            // The second request is for the health's other place.
            let sent = 1 + usize::from(name == "health" && status == Some(404));
            gateway.forget_requests();
            gateway.fail_next(sent, fault.clone());
            let error = call(&client).unwrap_or_else(|| panic!("{name}: {fault:?}"));
            assert_eq!(said(&error), (code, status), "{name}");
            assert!(
                status != Some(404) || error.message().ends_with('m'),
                "{name}: {error}"
            );
            assert_eq!(gateway.count(""), sent, "{name}: {fault:?} is not retried");
        }
    }
}

/// The names at the beginning of a method's errors.
fn subject_of(method: &str) -> &'static str {
    match method.split(',').next().unwrap() {
        "request_connection" => "workspace \"u\", provider \"github\": ",
        "resolve_token" | "request_agent_session" => "workspace \"acme\", provider \"github\": ",
        "check_connection" | "get_token_by_connection_id" | "refresh_connection" => {
            "connection \"c\": "
        }
        "revoke_connection" => "connection \"00000000-0000-4000-8000-000000000001\": ",
        "get_agent_session" | "close_agent_session" => "session \"session-1\": ",
        _ => "",
    }
}

#[test]
fn what_a_response_has_to_have() {
    let gateway = connected();
    let client = client(&gateway);
    let ends = ["revoke_connection", "close_agent_session"];
    let lists = ["providers", "capture_schema"];
    // The body, and the methods that can do without any field, or without a body.
    for (body, lenient) in [("{}", [ends, lists].concat()), ("", ends.to_vec())] {
        for (name, call) in METHODS {
            gateway.fail_next(1, Fault::reply(200, "application/json", body));
            let error = call(&client);
            let is_named = |error: &NexusError| error.message().starts_with(subject_of(name));
            assert!(error.as_ref().is_none_or(is_named), "{error:?}");
            let code = error.map(|error| error.code().to_owned());
            let expected = (!lenient.contains(&name)).then(|| "invalid_response".to_owned());
            assert_eq!(code, expected, "{name}: {body:?}");
        }
    }
}
