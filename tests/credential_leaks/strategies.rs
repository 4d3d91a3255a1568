//! All strategies, with a credential for each.

use nexus_sdk::{AgentSessionInput, Fetcher, NexusClient, TokenCache};
use serde_json::{Value, json};

use crate::servers::{Servers, credentials};
use crate::support::Request;

#[derive(Clone, Copy)]
pub(crate) struct Strategy {
    pub(crate) name: &'static str,
    /// Empty for a response without a strategy.
    kind: &'static str,
    config: &'static str,
    /// The path and query of the first request.
    pub(crate) target: &'static str,
    /// Returns whether a request carries the credential. After a redirect, the server has written the path.
    pub(crate) carried: fn(&Request) -> bool,
}

impl Strategy {
    pub(crate) fn client(&self, servers: &Servers, insecure: bool) -> NexusClient {
        let config: Value = serde_json::from_str(self.config).unwrap();
        let strategy = json!({"type": self.kind, "config": config});
        let granted = json!({
            "session_id": "s", "active": true, "access_token": "canary-token",
            "credentials": credentials(), "strategy": Some(strategy).filter(|_| !self.kind.is_empty()),
        });
        servers.client(&granted, insecure)
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

    pub(crate) fn is_in_url(&self) -> bool {
        matches!(self.kind, "path" | "query_param")
    }

    /// Returns whether the credential takes the place of this header.
    pub(crate) fn replaces(&self, header: &str) -> bool {
        match self.kind {
            "header" => self.config.contains(&format!("\"{header}\"")),
            "" | "oauth2" | "basic_auth" | "aws_sigv4" => header == "Authorization",
            _ => false,
        }
    }
}

const BEARER: Strategy = Strategy {
    name: "none",
    kind: "",
    config: "{}",
    target: "/start?page=2",
    carried: |request| request.all("authorization") == ["Bearer canary-token"],
};

#[rustfmt::skip]
const STRATEGIES: [Strategy; 11] = [
    BEARER,
    Strategy { name: "agent session", ..BEARER },
    Strategy { name: "oauth2", kind: "oauth2", ..BEARER },
    Strategy { name: "header X-Api-Key", kind: "header", config: r#"{"header_name": "X-Api-Key"}"#,
        carried: |request| request.all("x-api-key") == ["canary/key+1="], ..BEARER },
    Strategy { name: "header of any name", kind: "header", config: r#"{"header_name": "X-Own"}"#,
        carried: |request| request.header("x-own") == Some("canary/key+1="), ..BEARER },
    Strategy { name: "header Cookie", kind: "header", config: r#"{"header_name": "Cookie", "value_prefix": "k="}"#,
        carried: |request| request.all("cookie") == ["k=canary/key+1="], ..BEARER },
    Strategy { name: "basic_auth", kind: "basic_auth",
        carried: |request| request.all("authorization") == ["Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5OndvcmQ="], ..BEARER },
    Strategy { name: "query_param", kind: "query_param", config: r#"{"param_name": "key"}"#,
        carried: |request| request.query().split('&').any(|pair| pair == "key=canary%2Fkey%2B1%3D"), ..BEARER },
    Strategy { name: "path", kind: "path", target: "/start/{api_key}/me",
        carried: |request| request.path() == "/start/canary%2Fkey+1=/me", ..BEARER },
    Strategy { name: "path, in the query", kind: "path", target: "/start?k={api_key}&page=2",
        carried: |request| request.query() == "k=canary%2Fkey%2B1%3D&page=2", ..BEARER },
    Strategy { name: "path, in both", kind: "path", target: "/start/{username}?k={api_key}",
        carried: |request| request.target == "/start/canary-user?k=canary%2Fkey%2B1%3D", ..BEARER },
];

#[cfg(feature = "signing")]
#[rustfmt::skip]
const SIGNING: [Strategy; 2] = [
    Strategy { name: "hmac_payload", kind: "hmac_payload", config: r#"{"header_name": "X-Signed"}"#,
        carried: |request| request.header("x-signed").is_some_and(|mac| mac.len() == 64), ..BEARER },
    Strategy { name: "aws_sigv4", kind: "aws_sigv4", config: r#"{"service": "execute-api"}"#,
        carried: |request| {
            let signature = request.header("authorization").unwrap_or_default();
            signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDCANARY/")
                && request.header("x-amz-security-token") == Some("canary-aws-session")
        }, ..BEARER },
];
#[cfg(not(feature = "signing"))]
const SIGNING: [Strategy; 0] = [];

pub(crate) fn strategies() -> Vec<Strategy> {
    [&STRATEGIES[..], &SIGNING].concat()
}
