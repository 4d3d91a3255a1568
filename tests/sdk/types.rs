//! The public types: inputs that can be read back, names, and unwind safety.

use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::time::Duration;

use nexus_sdk::http::{HeaderValue, Method};
use nexus_sdk::serde_json::{Map, Value, json};
use nexus_sdk::{
    AgentSessionInput, CachedToken, ConnectionStatus, ErrorKind, FetchOptions, Fetcher, LogLevel,
    NexusClient, NexusClientOptions, NexusError, Providers, Redirects, RequestConnectionInput,
    RetryPolicy, RevokeOptions, TokenCache, WaitOptions,
};

use crate::support::{Server, client, fetcher, gateway, options, text};

#[test]
fn inputs_and_options_can_be_read_back() {
    let metadata = Map::from_iter([("team".to_owned(), json!("core"))]);
    let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost/");
    let input = input.metadata(metadata.clone());
    assert_eq!((&*input.user_id, &*input.provider_name), ("acme", "github"));
    assert_eq!(
        (&input.scopes[..], &*input.return_url),
        (&["repo".to_owned()][..], "http://localhost/")
    );
    assert_eq!(input.metadata, Some(metadata));

    let revoke = RevokeOptions::default().workspace_id("acme").reason("left");
    assert_eq!(
        (revoke.workspace_id.as_deref(), revoke.reason.as_deref()),
        (Some("acme"), Some("left"))
    );

    let session = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    let session = session.ttl(Duration::from_secs(60)).on_behalf_of("user");
    assert_eq!(
        (&*session.agent_id, &session.scopes[..]),
        ("agent-7", &["repo".to_owned()][..])
    );
    assert_eq!(
        (
            session.workspace_id.as_deref(),
            session.provider_name.as_deref()
        ),
        (Some("acme"), Some("github"))
    );
    assert_eq!(
        (session.connection_id, session.ttl),
        (None, Some(Duration::from_secs(60)))
    );
    assert_eq!(session.user_token.as_deref(), Some("user"));

    let wait = WaitOptions::default().timeout(Duration::from_secs(60));
    assert_eq!(
        (wait.interval, wait.timeout),
        (Duration::from_millis(1500), Duration::from_secs(60))
    );

    let policy = RetryPolicy::default().retries(2).retry_on_429(true);
    assert_eq!(
        (policy.retries, policy.min_delay),
        (2, Duration::from_millis(200))
    );
    assert_eq!(
        (policy.max_delay, policy.retry_on_429),
        (Duration::from_secs(2), true)
    );

    let fetch = FetchOptions::default()
        .method("put")
        .header("Accept", "a/b");
    let fetch = fetch
        .data("body")
        .query("page size", 2)
        .http_status_as_error(true);
    let fetch = fetch
        .timeout(Duration::from_secs(5))
        .redirects(Redirects::Manual);
    assert_eq!(
        (&fetch.method, &fetch.headers["accept"]),
        (&Method::PUT, &"a/b".parse().unwrap())
    );
    assert_eq!(
        (fetch.data.as_deref(), fetch.http_status_as_error),
        (Some(&b"body"[..]), Some(true))
    );
    assert_eq!(fetch.query, [("page size".to_owned(), "2".to_owned())]);
    assert_eq!(
        (fetch.timeout, fetch.redirects),
        (Some(Duration::from_secs(5)), Some(Redirects::Manual))
    );
    assert_eq!(fetch.retry_policy, None);

    let options = NexusClientOptions::new("https://nexus.example.com")
        .api_key("k-1")
        .retry_policy(policy.clone());
    assert_eq!(
        (&*options.gateway_url, &*options.api_key),
        ("https://nexus.example.com", "k-1")
    );
    assert_eq!(
        (options.timeout, options.max_body_bytes),
        (Duration::from_secs(30), 100 << 20)
    );
    assert_eq!(
        (options.retry_policy, options.log_level),
        (policy, LogLevel::Warn)
    );
    assert_eq!(
        (options.allow_insecure_http, options.stale_if_error),
        (false, true)
    );
}

/// A field can be set as well, so no setter can keep a timeout in bounds.
#[test]
fn no_timeout_overflows() {
    let upstream = Server::play(vec![text(200, "ok")]);
    let mut longest = options(&upstream);
    longest.timeout = Duration::MAX;
    let fetched = fetcher(longest).get(&upstream.url("/"));
    assert_eq!(fetched.unwrap().0, 200);
}

/// Fields can be set as well, and a fetch checks them as it checks what a setter gets.
#[test]
fn options_of_a_fetch_are_checked_wherever_they_come_from() {
    let upstream = Server::play(vec![text(200, "ok")]);
    let fetcher = fetcher(options(&upstream));
    let with_header = |name: &'static str, value: &[u8]| {
        let mut options = FetchOptions::default();
        let value = HeaderValue::from_bytes(value).unwrap();
        options.headers.insert(name, value);
        options
    };
    let (mut trace, mut at_once) = (FetchOptions::default(), FetchOptions::default());
    trace.method = Method::TRACE;
    at_once.timeout = Some(Duration::ZERO);
    let table = [
        (trace, "method: "),
        (at_once, "timeout: "),
        (
            with_header("transfer-encoding", b"chunked"),
            "header transfer-encoding: ",
        ),
        (
            with_header("authorization", b"\xff"),
            "header authorization: ",
        ),
        (with_header("content-length", b"9"), ""),
    ];
    for (options, begins) in table {
        let sent = fetcher.fetch(&upstream.url("/"), options);
        match sent {
            Ok((status, ..)) => assert_eq!((status, begins), (200, "")),
            Err(error) => {
                assert_eq!(error.code(), "invalid_input", "{error}");
                let row = begins;
                let begins = format!("workspace \"ws\", provider \"p\": {row}");
                assert!(error.message().starts_with(&begins), "{error}");
                assert!(!row.is_empty(), "{error}");
            }
        }
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn names_are_read_as_they_are_written() {
    for level in [
        LogLevel::Off,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
    ] {
        assert_eq!(level.as_str().parse::<LogLevel>().unwrap(), level);
    }
    assert_eq!(" WARN\n".parse::<LogLevel>().unwrap(), LogLevel::Warn);

    let codes = [
        "invalid_input",
        "invalid_response",
        "invalid_credentials",
        "max_retries_exceeded",
        "request_failed",
        "timeout",
        "unsupported_strategy",
        "host_not_allowed",
        "insecure_url",
        "body_too_large",
        "too_many_redirects",
        "aborted",
    ];
    for code in codes {
        let kind: ErrorKind = code.parse().unwrap();
        assert_eq!(
            (kind.as_str(), kind),
            (code, NexusError::with_code(code, "").kind())
        );
    }
    for (kind, name) in [(ErrorKind::Gateway, "gateway"), (ErrorKind::Api, "api")] {
        assert_eq!((kind.as_str(), name.parse().ok()), (name, Some(kind)));
    }
    let wrong = ["", "warning", "http_404"];
    for name in wrong {
        assert_eq!(
            name.parse::<LogLevel>().unwrap_err().code(),
            "invalid_input",
            "{name:?}"
        );
        assert_eq!(
            name.parse::<ErrorKind>().unwrap_err().code(),
            "invalid_input",
            "{name:?}"
        );
    }

    let active: ConnectionStatus = "active".parse().unwrap();
    let other: ConnectionStatus = "archived".parse().unwrap();
    assert_eq!(
        (active, other.as_str()),
        (ConnectionStatus::Active, "archived")
    );
}

#[test]
fn providers_are_a_collection() {
    let providers = json!({"oauth2": {"github": {}, "gitlab": {}}});
    let providers = Providers::from_json(providers).unwrap();
    let mut names = Vec::new();
    for provider in &providers {
        names.push(&*provider.name);
    }
    assert_eq!(names, ["github", "gitlab"]);
    assert_eq!(
        providers.clone().into_iter().collect::<Vec<_>>(),
        providers.all
    );
}

/// A server guards its tool calls with `catch_unwind`.
#[test]
fn a_panic_poisons_nothing() {
    fn safe<T: UnwindSafe + RefUnwindSafe>() {}
    safe::<NexusClient>();
    safe::<TokenCache>();
    safe::<Fetcher>();
    safe::<NexusClientOptions>();
    safe::<CachedToken>();
    safe::<NexusError>();

    let upstream = Server::play(vec![text(200, "ok")]);
    let fetcher = fetcher(options(&upstream));
    let url = upstream.url("/");
    let tool = || -> u16 {
        fetcher.get(&url).unwrap();
        std::panic::resume_unwind(Box::new("a tool's own"));
    };
    assert!(catch_unwind(tool).is_err());
    assert_eq!(fetcher.get(&url).unwrap().0, 200);
}

#[test]
fn a_token_has_the_credentials_that_the_gateway_sends_beside_it() {
    let sent = json!({"access_token": "t", "credentials": {"access_token": "t", "instance_url": "https://canary.example",
        "phone_number_id": 7, "empty": null}});
    let gateway = gateway(&sent);
    let token = client(&gateway)
        .get_cached_token(&TokenCache::new(), "ws", "p")
        .unwrap();
    let instance = token.credential("instance_url").and_then(Value::as_str);
    assert_eq!(instance, Some("https://canary.example"));
    assert_eq!(token.credential("phone_number_id"), Some(&json!(7)));
    assert_eq!(
        (token.credential("empty"), token.credential("missing")),
        (Some(&Value::Null), None)
    );
    assert!(!format!("{token:?} {token:#?}").contains("canary"));
}
