//! Credentials and the sample upstream.

use nexus_sdk::http::{Response, header};
use nexus_sdk::testing::{DevGateway, DevGatewayBuilder, Provider};
use serde_json::{Map, Value, json};
use ureq::Body;

use crate::{agent, read, resolve, send, user};

#[test]
fn rotating_replaces_any_credential() {
    let fixed = Map::from_iter([("access_token".to_owned(), json!("fixed"))]);
    let gateway = DevGateway::builder()
        .provider(Provider::oauth2("fixed").credentials(fixed))
        .start()
        .unwrap();
    for provider in ["github", "weather", "registry", "fixed"] {
        gateway.connect("ws", provider).unwrap();
        let before = resolve(&gateway, "ws", provider)["credentials"].clone();
        assert_eq!(resolve(&gateway, "ws", provider)["credentials"], before);
        assert!(gateway.rotate("ws", provider));
        let after = resolve(&gateway, "ws", provider)["credentials"].clone();
        assert_ne!(after, before);
        assert_eq!(after["username"], before["username"]);
    }
    assert!(!gateway.rotate("other", "github"));
}

#[test]
fn the_upstream_takes_each_strategy_in_its_own_way() {
    let fields = [
        ("api_key", "k/1"),
        ("username", "me"),
        ("password", "pa:ss"),
    ];
    let fields = Map::from_iter(fields.map(|(name, value)| (name.to_owned(), json!(value))));
    let key = Map::from_iter([("api_key".to_owned(), json!("k/1"))]);
    let header = |config: Value| json!({"type": "header", "config": config});
    let query = json!({"type": "query_param", "config": {"param_name": "key"}});
    let auth = |value| Some(("authorization", value));
    let (basic, path) = (json!({"type": "basic_auth"}), json!({"type": "path"}));
    let own = header(json!({"header_name": "X-Key"}));
    let prefixed = header(json!({"header_name": "X-Key", "value_prefix": "Key "}));
    let repos = "/user/repos?per_page=1&key=k%2F1";
    // (strategy, path, name and value of a header, status)
    for (strategy, path, header, status) in [
        (&basic, "/user", auth("Basic bWU6cGE6c3M="), 200),
        (&header(json!({})), "/user", auth("Bearer k/1"), 200),
        (&header(json!({})), "/user", auth("k/1"), 401),
        (&own, "/user", Some(("x-key", "k/1")), 200),
        (&prefixed, "/user", Some(("x-key", "Key k/1")), 200),
        (&query, "/user?key=k%2F1", None, 200),
        (&query, "/user?api_key=k%2F1", None, 401),
        (&path, "/key/k%2F1/user", None, 200),
        (&path, repos, None, 200),
        (&json!({"type": "saml"}), "/user", auth("Bearer k/1"), 401),
    ] {
        let is_path = strategy["type"] == "path";
        let fields = if is_path { &key } else { &fields };
        let provider = Provider::api_key("any").strategy(strategy.clone());
        let gateway = DevGateway::builder()
            .provider(provider.credentials(fields.clone()))
            .connection("ws", "any")
            .start()
            .unwrap();
        assert_eq!(resolve(&gateway, "ws", "any")["strategy"], *strategy);
        let found = user(&gateway, path, header.as_slice()).0;
        assert_eq!(found, status, "{strategy} {path}");
    }
}

#[test]
fn the_upstream_lists_and_creates_repositories() {
    let gateway = DevGateway::builder()
        .connection("ws", "github")
        .start()
        .unwrap();
    let refused = send(&gateway, ("GET", "/user"), &[], "");
    assert!(refused.headers().contains_key(header::WWW_AUTHENTICATE));
    assert_eq!(read(refused), (401, json!({"message": "Bad credentials"})));

    let token = resolve(&gateway, "ws", "github");
    let value = format!("bearer {}", token["access_token"].as_str().unwrap());
    let auth = [("authorization", &*value)];
    let first =
        json!({"id": 1, "name": "hello-world", "full_name": "ws/hello-world", "private": false});
    for (query, count) in [("", 3), ("?per_page=2", 2), ("?per_page=x", 3)] {
        let path = format!("/user/repos{query}");
        let (_, repos) = read(send(&gateway, ("GET", &path), &auth, ""));
        assert_eq!(repos.as_array().unwrap().len(), count);
        assert_eq!(repos[0], first);
    }
    for (body, status) in [(r#"{"name": "new", "private": true}"#, 201), ("{}", 400)] {
        let (found, repo) = read(send(&gateway, ("POST", "/user/repos"), &auth, body));
        assert_eq!(found, status);
        assert_eq!(repo["full_name"] == "ws/new", status == 201);
    }
}

/// A gateway with these responses of its upstream, and a connection to `github`.
fn with_responses(responses: Vec<(&str, &str, Response<&'static str>)>) -> DevGateway {
    let builder = DevGateway::builder().connection("ws", "github");
    let add = |builder: DevGatewayBuilder, (method, path, response)| {
        builder.upstream_response(method, path, response)
    };
    let builder = responses.into_iter().fold(builder, add);
    builder.start().unwrap()
}

/// Sends a request with the credential of the connection.
fn ask(gateway: &DevGateway, line: (&str, &str)) -> Response<Body> {
    let token = resolve(gateway, "ws", "github");
    let value = format!("Bearer {}", token["access_token"].as_str().unwrap());
    send(gateway, line, &[("authorization", &value)], "")
}

#[test]
fn a_response_keeps_its_headers() {
    let response = Response::builder()
        .status(206)
        .header("link", "</a>; rel=\"next\"")
        .header("etag", "\"1\"")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .header("content-length", "99")
        .header("transfer-encoding", "chunked")
        .header("date", "yesterday");
    let gateway = with_responses(vec![("GET", "/x", response.body("hello").unwrap())]);
    assert_eq!(send(&gateway, ("GET", "/x"), &[], "").status(), 401);
    for (method, body) in [("GET", "hello"), ("HEAD", "")] {
        let mut response = ask(&gateway, (method, "/x"));
        let headers = response.headers();
        assert_eq!(response.status(), 206);
        assert_eq!(headers["link"], "</a>; rel=\"next\"");
        assert_eq!(headers["etag"], "\"1\"");
        assert_eq!(headers["content-length"], "5");
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert!(!headers.contains_key("transfer-encoding"));
        assert!(!headers.contains_key("content-type"));
        let date = headers["date"].to_str().unwrap();
        assert!(date.ends_with(" GMT"), "{date}");
        assert_eq!(response.body_mut().read_to_string().unwrap(), body);
    }
}

#[test]
fn a_route_with_a_query_serves_only_requests_that_have_its_parameters() {
    let gateway = with_responses(vec![
        ("GET", "/items", Response::new("all")),
        ("GET", "items?page=2", Response::new("page 2")),
        ("GET", "/items?q=a%20b&page=2", Response::new("both")),
        ("GET", "/q?", Response::new("empty query")),
    ]);
    for (path, expected) in [
        ("/items", "all"),
        ("/items?page=1", "all"),
        ("/items?page=22", "all"),
        ("/items?page=2", "page 2"),
        ("/items?sort=up&page=2", "page 2"),
        ("/v3/items?p%61ge=2", "page 2"),
        ("/items?page=2&q=a+b", "both"),
        ("/q", "empty query"),
        ("/q?a=b", "empty query"),
    ] {
        let found = read(ask(&gateway, ("GET", path)));
        assert_eq!(found, (200, json!(expected)), "{path}");
    }
}

#[test]
fn a_response_that_has_no_body_leaves_it_out() {
    let status = |code: u16| Response::builder().status(code).body("left out").unwrap();
    let gateway = with_responses(vec![
        ("GET", "/none", status(204)),
        ("GET", "/same", status(304)),
    ]);
    for (path, status) in [("/none", 204), ("/same", 304), ("/user", 200)] {
        let (found, body) = read(ask(&gateway, ("GET", path)));
        assert_eq!((found, body == json!("")), (status, status != 200));
    }
}

#[test]
fn headers_that_are_too_long_close_the_connection() {
    let long = Response::builder().header("x", "y".repeat(16 * 1024));
    let gateway = with_responses(vec![("GET", "/long", long.body("").unwrap())]);
    let token = resolve(&gateway, "ws", "github");
    let value = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let url = format!("{}/long", gateway.url());
    let request = agent().get(url).header("authorization", value);
    assert!(request.call().is_err());
}
