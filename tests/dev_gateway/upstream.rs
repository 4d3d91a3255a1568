//! Credentials and the sample upstream.

use nexus_sdk::http::header;
use nexus_sdk::testing::{DevGateway, Provider};
use serde_json::{Map, Value, json};

use crate::{read, resolve, send, user};

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
