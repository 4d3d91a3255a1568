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
    /// True if the credential is in the URL.
    pub(crate) in_url: bool,
    /// Returns whether a request carries the credential. After a redirect, the server has written the path.
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

/// A strategy with credentials other than an access token.
struct Keyed {
    name: &'static str,
    kind: &'static str,
    config: &'static str,
    target: &'static str,
    carried: fn(&Request) -> bool,
}

const DEFAULT: Keyed = Keyed {
    name: "",
    kind: "header",
    config: "{}",
    target: "/start?page=2",
    carried: |_| false,
};

#[rustfmt::skip]
const KEYED: [Keyed; 8] = [
    Keyed { name: "header X-API-Key", config: r#"{"header_name": "X-API-Key"}"#,
        carried: |request| request.all("x-api-key") == ["canary/key+1="], ..DEFAULT },
    Keyed { name: "header of any name", config: r#"{"header_name": "X-Own"}"#,
        carried: |request| request.header("x-own") == Some("canary/key+1="), ..DEFAULT },
    Keyed { name: "header Cookie", config: r#"{"header_name": "Cookie", "value_prefix": "k="}"#,
        carried: |request| request.all("cookie") == ["k=canary/key+1="], ..DEFAULT },
    Keyed { name: "basic_auth", kind: "basic_auth",
        carried: |request| request.all("authorization") == ["Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5OndvcmQ="], ..DEFAULT },
    Keyed { name: "query_param", kind: "query_param", config: r#"{"param_name": "key"}"#,
        carried: |request| request.query().split('&').any(|pair| pair == "key=canary%2Fkey%2B1%3D"), ..DEFAULT },
    Keyed { name: "path", kind: "path", target: "/start/{api_key}/me",
        carried: |request| request.path() == "/start/canary%2Fkey+1=/me", ..DEFAULT },
    Keyed { name: "path, in the query", kind: "path", target: "/start?k={api_key}&page=2",
        carried: |request| request.query() == "k=canary%2Fkey%2B1%3D&page=2", ..DEFAULT },
    Keyed { name: "path, in both", kind: "path", target: "/start/{username}?k={api_key}",
        carried: |request| request.target == "/start/canary-user?k=canary%2Fkey%2B1%3D", ..DEFAULT },
];

#[cfg(feature = "signing")]
#[rustfmt::skip]
const SIGNING: [Keyed; 2] = [
    Keyed { name: "hmac_payload", kind: "hmac_payload", config: r#"{"header_name": "X-Signed"}"#,
        carried: |request| request.header("x-signed").is_some_and(|mac| mac.len() == 64), ..DEFAULT },
    Keyed { name: "aws_sigv4", kind: "aws_sigv4", config: r#"{"service": "execute-api"}"#,
        carried: |request| {
            let signature = request.header("authorization").unwrap_or_default();
            signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDCANARY/")
                && request.header("x-amz-security-token") == Some("canary-aws-session")
        }, ..DEFAULT },
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
    let mut all = vec![
        bearer("none", json!({"access_token": "canary-token"})),
        bearer(
            "oauth2",
            json!({"strategy": "oauth2", "access_token": "canary-token"}),
        ),
        bearer(
            "agent session",
            json!({"session_id": "s", "active": true, "access_token": "canary-token"}),
        ),
    ];
    all.extend(KEYED.into_iter().chain(SIGNING).map(Keyed::strategy));
    all
}

impl Keyed {
    fn strategy(self) -> Strategy {
        let Self {
            name,
            kind,
            config,
            target,
            carried,
        } = self;
        let config: Value = serde_json::from_str(config).unwrap();
        let granted =
            json!({"strategy": {"type": kind, "config": config}, "credentials": credentials()});
        let in_url = kind == "path" || kind == "query_param";
        Strategy {
            name,
            granted,
            target,
            in_url,
            carried,
        }
    }
}
