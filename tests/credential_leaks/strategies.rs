//! All strategies, with a credential for each.

use nexus_sdk::{AgentSessionInput, Fetcher, NexusClient, TokenCache};
use serde_json::{Value, json};

use crate::servers::{Servers, credentials};
use crate::support::Request;

#[derive(Clone)]
pub(crate) struct Strategy {
    pub(crate) name: &'static str,
    granted: Value,
    /// The path and query of the first request.
    pub(crate) target: &'static str,
    /// Whether the credential is in the URL.
    pub(crate) in_url: bool,
    /// Whether a request carries the credential. After a redirect, the server has written the path.
    pub(crate) carried: fn(&Request) -> bool,
}

impl Strategy {
    pub(crate) fn client(&self, servers: &Servers, insecure: bool) -> NexusClient {
        servers.client(&self.granted, insecure)
    }

    /// Returns a fetcher with this credential.
    pub(crate) fn fetcher(&self, servers: &Servers, insecure: bool) -> Fetcher {
        let client = self.client(servers, insecure);
        if self.name != "agent session" {
            return client.fetcher(&TokenCache::new(), "ws", "p");
        }
        let input = AgentSessionInput::new("agent", ["read"]).provider("ws", "p");
        let session = client.request_agent_session(&input).unwrap();
        client.session_fetcher(&session).unwrap()
    }
}

/// Name, type and config of the strategy, the target, and the check for the credential.
type Keyed = (&'static str, &'static str, &'static str, &'static str, fn(&Request) -> bool);

#[rustfmt::skip]
const KEYED: [Keyed; 8] = [
    ("header X-API-Key", "header", r#"{"header_name": "X-API-Key"}"#, "/start?page=2",
        |request| request.all("x-api-key") == ["canary/key+1="]),
    ("header of any name", "header", r#"{"header_name": "X-Own"}"#, "/start?page=2",
        |request| request.header("x-own") == Some("canary/key+1=")),
    ("header Cookie", "header", r#"{"header_name": "Cookie", "value_prefix": "k="}"#, "/start?page=2",
        |request| request.all("cookie") == ["k=canary/key+1="]),
    ("basic_auth", "basic_auth", "{}", "/start?page=2",
        |request| request.all("authorization") == ["Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5OndvcmQ="]),
    ("query_param", "query_param", r#"{"param_name": "key"}"#, "/start?page=2",
        |request| request.query().split('&').any(|pair| pair == "key=canary%2Fkey%2B1%3D")),
    ("path", "path", "{}", "/start/{api_key}/me",
        |request| request.path() == "/start/canary%2Fkey+1=/me"),
    ("path, in the query", "path", "{}", "/start?k={api_key}&page=2",
        |request| request.query() == "k=canary%2Fkey%2B1%3D&page=2"),
    ("path, in both", "path", "{}", "/start/{username}?k={api_key}",
        |request| request.target == "/start/canary-user?k=canary%2Fkey%2B1%3D"),
];

#[cfg(feature = "signing")]
#[rustfmt::skip]
const SIGNING: [Keyed; 2] = [
    ("hmac_payload", "hmac_payload", r#"{"header_name": "X-Signed"}"#, "/start?page=2",
        |request| request.header("x-signed").is_some_and(|mac| mac.len() == 64)),
    ("aws_sigv4", "aws_sigv4", r#"{"service": "execute-api"}"#, "/start?page=2", |request| {
        let signature = request.header("authorization").unwrap_or_default();
        signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDCANARY/")
            && request.header("x-amz-security-token") == Some("canary-aws-session")
    }),
];
#[cfg(not(feature = "signing"))]
const SIGNING: [Keyed; 0] = [];

pub(crate) fn strategies() -> Vec<Strategy> {
    let bearer = |name, granted| Strategy {
        name,
        granted,
        target: "/start?page=2",
        in_url: false,
        carried: |request| request.all("authorization") == ["Bearer canary-token"],
    };
    let keyed = |(name, kind, config, target, carried): Keyed| Strategy {
        name,
        granted: keyed(kind, config),
        target,
        in_url: kind == "path" || kind == "query_param",
        carried,
    };
    let mut all = vec![
        bearer("none", json!({"access_token": "canary-token"})),
        bearer("oauth2", json!({"strategy": "oauth2", "access_token": "canary-token"})),
        bearer(
            "agent session",
            json!({"session_id": "s", "active": true, "access_token": "canary-token"}),
        ),
    ];
    all.extend(KEYED.into_iter().chain(SIGNING).map(keyed));
    all
}

fn keyed(kind: &str, config: &str) -> Value {
    let config: Value = serde_json::from_str(config).unwrap();
    json!({"strategy": {"type": kind, "config": config}, "credentials": credentials()})
}
