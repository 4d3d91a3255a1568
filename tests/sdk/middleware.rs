//! The authenticated agent.

use std::io::Read as _;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use nexus_sdk::http::{HeaderName, HeaderValue, Request};
use nexus_sdk::serde_json::json;
use nexus_sdk::testing::DevGateway;
use nexus_sdk::{AgentSessionInput, NexusClientOptions, NexusError, TokenCache};
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;
use ureq::{Agent, SendBody};

use crate::support::{self, End, LONG, Server, bytes, cached, client, holder, options, text};

/// A gateway with one connection, and an agent that uses it.
fn setting() -> (DevGateway, Agent) {
    let gateway = support::connected();
    let agent = client(&gateway).authenticated_agent(&TokenCache::new(), "acme", "github");
    (gateway, agent)
}

/// An agent of a client with these options. Its token is in the cache.
fn holding(options: NexusClientOptions) -> Agent {
    let (client, cache) = holder(options, "held");
    client.authenticated_agent(&cache, "ws", "p")
}

fn code(error: &ureq::Error) -> String {
    let ureq::Error::Other(inner) = error else {
        panic!("not an error of the SDK: {error}");
    };
    let error = inner.downcast_ref::<NexusError>().unwrap();
    error.code().to_owned()
}

/// The proxy would get the request unencrypted, and send it to its own loopback address.
#[test]
fn what_is_for_this_machine_goes_through_no_proxy_of_the_request() {
    let (gateway, agent) = setting();
    let proxy = Server::play(vec![text(502, "")]);
    let through = ureq::Proxy::new(&proxy.url("")).unwrap();
    let request = agent.get(format!("{}/user", gateway.url()));
    let request = request.config().proxy(Some(through)).build();
    assert_eq!(request.call().unwrap().status(), 200);
    assert_eq!(proxy.requests().len(), 0, "the proxy was asked");
}

#[test]
fn bodies_stream_in_both_directions_with_one_resolve() {
    let (gateway, agent) = setting();
    let url = format!("{}/user/repos", gateway.url());
    let mut upload: &[u8] = br#"{"name": "streamed"}"#;
    let mut created = agent
        .post(&url)
        .send(SendBody::from_reader(&mut upload))
        .unwrap();
    assert_eq!(created.status(), 201);
    let mut start = [0; 1];
    created
        .body_mut()
        .as_reader()
        .read_exact(&mut start)
        .unwrap();
    assert_eq!(&start, b"{");
    assert_eq!(agent.get(&url).call().unwrap().status(), 200);
    assert_eq!(gateway.count("/v1/resolve"), 1);
}

#[test]
fn a_token_that_is_dead_when_it_comes_is_not_replaced() {
    let (gateway, agent) = setting();
    let upstream = Server::play(vec![text(401, "")]);
    agent.get(upstream.url("/")).call().unwrap_err();
    assert_eq!(gateway.count("/v1/resolve"), 1);
}

#[test]
fn what_is_refused_never_leaves() {
    let (gateway, agent) = setting();
    let table = [
        ("http://api.example.com/", "insecure_url"),
        ("http://user:password@127.0.0.1:1/", "invalid_input"),
    ];
    for (url, expected) in table {
        assert_eq!(code(&agent.get(url).call().unwrap_err()), expected, "{url}");
    }
    assert_eq!(
        gateway.count("/v1/resolve"),
        0,
        "before a token is resolved"
    );
    let client = client(&gateway);
    for (workspace_id, expected) in [(" ", "invalid_input"), ("nobody", "connection_not_found")] {
        let agent = client.authenticated_agent(&TokenCache::new(), workspace_id, "github");
        let error = agent.get(gateway.url()).call().unwrap_err();
        assert_eq!(code(&error), expected, "{workspace_id:?}");
    }
}

/// `authenticated_agent` sends the credential to every host. A fetcher's agent has the fetcher's bounds.
#[test]
fn a_fetchers_agent_goes_only_where_the_fetcher_does() {
    let (upstream, foreign) = (
        Server::play(vec![text(200, "")]),
        Server::play(vec![text(200, "")]),
    );
    let (client, cache) = holder(options(&upstream), "held");
    let fetcher = client.fetcher(&cache, "ws", "p");
    let based = fetcher.clone().base_url(upstream.url("/v3")).unwrap();
    let rule = foreign.url("").replace("http://", "");
    let listed = based.clone().allow_hosts([&rule]).unwrap();
    // The agent, the URL, and the target that arrives at one of the servers, or the error.
    let there = foreign.url("/x");
    let table = [
        (fetcher.agent(), &*there, Ok("/x")),
        (
            client.authenticated_agent(&cache, "ws", "p"),
            &there,
            Ok("/x"),
        ),
        (based.agent(), &there, Err("host_not_allowed")),
        (listed.agent(), &there, Ok("/x")),
        (
            listed.agent(),
            "http://127.0.0.1:1/",
            Err("host_not_allowed"),
        ),
        (
            based.agent(),
            "/user?q={canary}",
            Ok("/v3/user?q=%7Bcanary%7D"),
        ),
        (based.agent(), "name", Ok("/v3/name")),
        (based.agent(), &upstream.url("/other"), Ok("/other")),
        (based.agent(), "/../admin", Err("invalid_input")),
        (fetcher.agent(), "/user", Err("invalid_input")),
    ];
    for (agent, url, expected) in table {
        let sent = agent.get(url).call();
        let requests = [upstream.requests(), foreign.requests()].concat();
        match (sent, expected) {
            (Ok(_), Ok(target)) => {
                let request = requests.iter().find(|request| request.target == target);
                let request = request.unwrap_or_else(|| panic!("{url}: {requests:?}"));
                assert_eq!(
                    request.header("authorization"),
                    Some("Bearer held"),
                    "{url}"
                );
            }
            (Err(error), Err(expected)) => assert_eq!(code(&error), expected, "{url}"),
            (sent, _) => panic!("{url}: {sent:?}"),
        }
    }
}

#[test]
fn a_sessions_agent_has_the_sessions_token() {
    let builder = DevGateway::builder().agent("agent-7", ["repo"]);
    let gateway = builder.connection("acme", "github").start().unwrap();
    let client = client(&gateway);
    let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    let session = client.request_agent_session(&input).unwrap();
    let fetcher = client.session_fetcher(&session).unwrap();
    let agent = fetcher.base_url(gateway.url()).unwrap().agent();
    assert_eq!(agent.get("/user").call().unwrap().status(), 200);
    let foreign = agent.get("https://localhost:1/").call().unwrap_err();
    assert_eq!(code(&foreign), "host_not_allowed");
    let named = format!("session {:?}: ", session.session_id);
    assert!(foreign.to_string().contains(&named), "{foreign}");
    assert_eq!(gateway.count("/v1/resolve"), 0);
}

#[test]
fn any_method_that_may_carry_a_credential_is_sent() {
    let upstream = Server::play(vec![text(200, "")]);
    let agent = holding(options(&upstream));
    for (method, is_sent) in [("PROPFIND", true), ("track", false)] {
        let request = Request::builder().method(method).uri(upstream.url("/"));
        match agent.run(request.body(()).unwrap()) {
            Ok(_) => assert!(is_sent, "{method}"),
            Err(error) => assert_eq!((&*code(&error), is_sent), ("invalid_input", false)),
        }
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn one_header_too_many_is_an_error() {
    let agent = holding(NexusClientOptions::new("http://127.0.0.1:1"));
    let request = Request::builder().uri("http://127.0.0.1:1/");
    let mut request = request.body("body").unwrap();
    let headers = request.headers_mut();
    for number in 0.. {
        let name = HeaderName::try_from(format!("x-{number}")).unwrap();
        let value = HeaderValue::from_static("");
        if headers.try_append(name, value).is_err() {
            break;
        }
    }
    assert_eq!(code(&agent.run(request).unwrap_err()), "invalid_input");
}

#[test]
fn an_error_does_not_repeat_the_url_with_its_credential() {
    let strategy = json!({"type": "query_param", "config": {"param_name": "key"}});
    let token = json!({"strategy": strategy, "credentials": {"api_key": "canary"}});
    let gateway = support::gateway(&token);
    let agent = client(&gateway).authenticated_agent(&TokenCache::new(), "ws", "p");
    let request = agent.get("http://127.0.0.1:1/maps").config();
    let error = request.https_only(true).build().call().unwrap_err();
    assert_eq!(code(&error), "insecure_url");
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("workspace \"ws\", provider \"p\": http://127.0.0.1:1"),
        "{error}"
    );
    assert!(!said.contains("canary"), "{error}");
}

#[test]
fn the_longest_timeout_is_no_panic() {
    let upstream = Server::play(vec![text(200, "")]);
    for timeout in [Duration::MAX, Duration::from_secs(i64::MAX.unsigned_abs())] {
        let agent = holding(options(&upstream).timeout(timeout));
        let response = agent.get(upstream.url("/")).call();
        assert_eq!(response.unwrap().status(), 200, "{timeout:?}");
    }
}

#[test]
fn connecting_and_each_read_are_limited_and_a_stream_is_not() {
    let upstream = Server::play(vec![text(200, "")]);
    let agent = holding(options(&upstream).timeout(Duration::from_secs(30)));
    let (config, limits) = (agent.config(), agent.config().timeouts());
    assert_eq!(limits.connect, Some(Duration::from_secs(8)));
    assert_eq!(config.timeout_per_read(), Some(Duration::from_secs(30)));
    assert_eq!(
        (limits.global, limits.send_body, limits.recv_body),
        (None, None, None)
    );
}

/// TLS and proxy have tests of their own: `tls_roots` and `proxies`.
#[test]
fn settings_of_the_clients_own_agent_are_kept() {
    let upstream = Server::start(|request| match request.path() {
        "/hole" => bytes("").then(End::Hold),
        _ => text(500, ""),
    });
    let get = |path, own: ConfigBuilder<AgentScope>| {
        let own = own.proxy(None).build().new_agent();
        let agent = holding(options(&upstream).agent(own));
        agent.get(upstream.url(path)).call()
    };
    let own = Agent::config_builder;

    let named = own().user_agent("mine/1").http_status_as_error(false);
    assert_eq!(get("/", named).unwrap().status(), 500);
    assert_eq!(upstream.requests()[0].all("user-agent"), ["mine/1"]);

    let quick = own().timeout_recv_response(Some(Duration::from_millis(50)));
    let error = get("/hole", quick).unwrap_err();
    assert!(matches!(error, ureq::Error::Timeout(_)), "{error}");

    let error = get("/", own().https_only(true)).unwrap_err();
    assert_eq!(code(&error), "insecure_url");
}

/// The SDK's own agent, and a caller's agent with settings that ureq's pool depends on.
#[test]
fn connections_are_shared_with_the_clients_fetches() {
    let own = Agent::config_builder()
        .proxy(None)
        .ip_family(ureq::config::IpFamily::Ipv4Only)
        .user_agent("mine/1")
        .no_delay(false)
        .input_buffer_size(64 * 1024)
        .output_buffer_size(64 * 1024);
    for own in [None, Some(own.build().new_agent())] {
        let upstream = Server::play(vec![text(200, "")]);
        let mut options = options(&upstream);
        if let Some(own) = own {
            options = options.agent(own);
        }
        let (client, cache) = holder(options, "held");
        let fetcher = client.fetcher(&cache, "ws", "p");
        let agent = client.authenticated_agent(&cache, "ws", "p");
        for _ in 0..2 {
            assert_eq!(fetcher.get(&upstream.url("/")).unwrap().0, 200);
            let mut response = agent.get(upstream.url("/")).call().unwrap();
            assert_eq!(response.body_mut().read_to_string().unwrap(), "");
        }
        assert_eq!((upstream.requests().len(), upstream.connections()), (4, 1));
    }
}

#[test]
fn a_401_ends_the_use_of_the_token_and_the_next_request_has_a_new_one() {
    let gateway = support::connected();
    let client = client(&gateway);
    // The method, the body, and whether a 401 is an error.
    let table = [
        ("GET", "", true),
        ("HEAD", "", true),
        ("POST", "b", true),
        ("POST", "b", false),
    ];
    for (method, body, as_error) in table {
        let case = format!("{method} {body:?} {as_error}");
        gateway.forget_requests();
        let upstream = Server::play(vec![text(401, ""), text(200, "")]);
        let cache = TokenCache::new();
        cache.set("acme", "github", cached("dead"));
        let agent = client.authenticated_agent(&cache, "acme", "github");
        let send = || {
            let request = Request::builder().method(method).uri(upstream.url("/"));
            let request = agent.configure_request(request.body(body).unwrap());
            agent.run(request.http_status_as_error(as_error).build())
        };
        match send() {
            Ok(response) => assert!(!as_error && response.status() == 401, "{case}"),
            Err(ureq::Error::StatusCode(401)) => assert!(as_error, "{case}"),
            Err(error) => panic!("{case}: {error}"),
        }
        assert_eq!(gateway.count("/v1/resolve"), 1, "{case}");
        assert_eq!(send().unwrap().status(), 200, "{case}");
        assert_eq!(gateway.count("/v1/resolve"), 1, "{case}");
        let requests = upstream.requests();
        assert_eq!(requests.len(), 2, "{case}");
        assert!(
            requests
                .iter()
                .all(|request| request.body == body.as_bytes())
        );
        let token = |number: usize| requests[number].header("authorization");
        assert_eq!(token(0), Some("Bearer dead"), "{case}");
        assert_ne!(token(1), token(0), "{case}");
    }
}

/// The time limits of a response go on while the agent asks, so it does not wait for a gateway that hangs.
#[test]
fn a_401_is_returned_before_a_gateway_that_hangs_returns_a_token() {
    let responds = Arc::new(Barrier::new(2));
    let hanging = Arc::clone(&responds);
    let gateway = Server::start(move |_| {
        hanging.wait();
        support::bearer("new")
    });
    let (client, cache) = holder(options(&gateway), "dead");
    let agent = client.authenticated_agent(&cache, "ws", "p");
    let upstream = Server::play(vec![text(401, "refused"), text(200, "")]);
    let request = || agent.get(upstream.url("/")).config();
    let response = request().http_status_as_error(false).build().call();
    let mut refused = response.unwrap();
    assert_eq!(refused.body_mut().read_to_string().unwrap(), "refused");
    responds.wait();
    assert!(client.drain(LONG));
    assert_eq!(request().build().call().unwrap().status(), 200);
    let requests = upstream.requests();
    assert_eq!(requests[1].header("authorization"), Some("Bearer new"));
}
