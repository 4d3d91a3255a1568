//! The fields of a token response, and their form in the cache.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::*;
use crate::time::{Now, ResponseClock};

mod strategies;

/// 2025-06-15T14:30:00Z.
const NOON: u64 = 1_749_997_800;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn response(value: &Value) -> Result<TokenResponse> {
    TokenResponse::from_json(value.clone())
}

/// The clock of a response with this `Date`. The request was sent at `NOON` by the local clock.
fn received(date: Option<u64>) -> ResponseClock {
    let now = Now {
        wall: at(NOON),
        ..Now::read()
    };
    ResponseClock {
        at: now,
        date: date.map(at),
    }
}

fn cached(value: &Value) -> CachedToken {
    response(value).unwrap().to_cached(received(None)).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "literals")]
fn with(strategy: &str, config: Value, credentials: Value) -> Value {
    json!({"strategy": {"type": strategy, "config": config}, "credentials": credentials})
}

fn by_query() -> Value {
    let config = json!({"param_name": "key"});
    with("query_param", config, json!({"api_key": "k/1"}))
}

#[test]
fn fields_from_the_top_level_or_the_credentials() {
    #[rustfmt::skip]
    let table = [
        (json!({"access_token": "t"}), "t", None),
        (json!({"access_token": "t", "credentials": {"access_token": "u"}}), "u", None),
        (json!({"credentials": {"access_token": "u", "token_type": "x"}}), "u", Some("x")),
        (json!({"access_token": null, "token_type": "", "credentials": {"access_token": "u"}}), "u", None),
        (json!({"access_token": "t", "token_type": "a", "credentials": {"token_type": "b"}}), "t", Some("b")),
        (json!({"access_token": 12}), "12", None),
        (json!({"access_token": " t ", "token_type": "bearer "}), "t", Some("bearer")),
        (json!({"access_token": "t", "token_type": "a", "credentials": {"access_token": " ", "token_type": "\t"}}), "t", Some("a")),
        (json!({"strategy": "header", "credentials": {"api_key": "k"}}), "k", None),
        (by_query(), "k/1", None),
        (with("basic_auth", json!({}), json!({"username": "u", "password": "p"})), "", None),
        // A key that signs requests is not a token, whether or not this build can sign.
        (with("hmac_payload", json!({"header_name": "X-A"}), json!({"api_secret": "s"})), "", None),
        (with("aws_sigv4", json!({"service": "s3"}), json!({"access_key": "a", "secret_key": "k"})), "", None),
    ];
    for (value, token, kind) in table {
        let response = response(&value).unwrap();
        assert_eq!(response.access_token, token, "{value}");
        assert_eq!(response.token_type.as_deref(), kind, "{value}");
        assert_eq!(Value::Object(response.raw), value);
    }
    let all = json!({"access_token": "t", "scope": "a b", "id_token": "i", "refresh_token": "r",
        "provider": "p", "strategy": {"type": "oauth2"}, "credentials": {"x": 1}});
    let all = response(&all).unwrap();
    let texts = [all.scope, all.id_token, all.refresh_token, all.provider];
    assert_eq!(texts.map(Option::unwrap), ["a b", "i", "r", "p"]);
    let objects = [all.strategy, all.credentials].map(|object| Value::Object(object.unwrap()));
    assert_eq!(objects, [json!({"type": "oauth2"}), json!({"x": 1})]);
    for neither in [
        json!({"access_token": []}),
        json!({"credentials": "secret"}),
    ] {
        let error = response(&neither).unwrap_err();
        assert_eq!(error.code(), "invalid_response", "{neither}");
    }
}

#[test]
fn the_expiry_in_the_contracts_order() {
    let [first, second, third] = [1, 2, 3].map(|second| format!("2025-06-15T15:00:0{second}Z"));
    let base = NOON + 1800;
    #[rustfmt::skip]
    let table = [
        (json!({"credentials": {"expires_at": first}, "expires_at": second, "expiry": third}), Some(1)),
        (json!({"expires_at": second, "expiry": third}), Some(2)),
        (json!({"expiry": third}), Some(3)),
        (json!({"credentials": {"expires_at": "0001-01-01T00:00:00Z"}, "expires_at": second}), Some(2)),
        (json!({"credentials": {"expires_at": 0}, "expires_at": "soon", "expiry": third}), Some(3)),
        (json!({"credentials": {"expires_at": base + 9}}), Some(9)),
        (json!({"credentials": {"expiry": third}}), None),
        // Microseconds since 1970.
        (json!({"credentials": {"expires_at": base * 1_000_000}, "expires_at": second}), Some(2)),
        (json!({"expires_in": 60}), None),
    ];
    for (mut value, expected) in table {
        value["access_token"] = json!("t");
        let expires_at = response(&value).unwrap().expires_at;
        let expected = expected.map(|seconds| at(base + seconds));
        assert_eq!(expires_at, expected, "{value}");
    }
}

#[test]
fn the_expiry_by_the_local_clock() {
    let (half, dead) = (json!("2025-06-15T15:00:00Z"), json!("2025-06-15T14:00:00Z"));
    let year = 365 * 24 * 3600;
    #[rustfmt::skip]
    let table = [
        ("none: five minutes", json!({}), None, 300),
        ("unset", json!({"expires_at": "0001-01-01T00:00:00Z", "expires_in": 0}), None, 300),
        ("relative", json!({"expires_in": 60}), None, 60),
        ("relative needs no Date", json!({"expires_in": 60}), Some(NOON - 600), 60),
        ("absurd", json!({"expires_in": 1e300}), None, year),
        ("negative", json!({"expires_in": -60}), None, 300),
        ("absolute", json!({"expires_at": half}), None, 1800),
        ("absolute goes first", json!({"expires_at": half, "expires_in": 60}), None, 1800),
        ("our clock is behind", json!({"expires_at": half}), Some(NOON + 600), 1199),
        ("it has passed", json!({"expires_at": dead}), None, -1800),
        ("it has passed, by the Date", json!({"expires_at": dead}), Some(NOON + 600), 0),
        ("said to be expired", json!({"expires_at": half, "credentials": {"expired": true}}), None, 0),
        ("not expired", json!({"expires_in": 60, "credentials": {"expired": false}}), None, 60),
    ];
    for (case, mut value, date, left) in table {
        value["access_token"] = json!("t");
        let token = response(&value).unwrap().to_cached(received(date)).unwrap();
        let expected = at(NOON.checked_add_signed(left).unwrap());
        assert_eq!(token.expires_at, expected, "{case}");
    }
}

/// `strategies` has the header of each strategy.
#[test]
fn what_is_cached() {
    let key = |header: &str, prefix: Value, token_type: Value| {
        let config = json!({"header_name": header, "value_prefix": prefix});
        let mut value = with("header", config, json!({"api_key": "k"}));
        value["token_type"] = token_type;
        value
    };
    let none = Value::Null;
    let bearer = |token_type: &Value| json!({"access_token": "t", "token_type": token_type});
    let path = with("path", json!({}), json!({"a": "b"}));
    let basic = with("basic_auth", json!({}), json!({"username": "u"}));
    // The response, and the token, its type, its header and the prefix, with `_` for a space.
    let table = [
        (bearer(&none), "t Bearer Authorization Bearer_"),
        (bearer(&json!("DPoP")), "t DPoP Authorization DPoP_"),
        (key("X-A", none, json!("x")), "k x X-A "),
        (key("X-A", json!(" Key "), json!("x")), "k Key X-A _Key_"),
        (key("X-A", json!(""), json!("x")), "k X-A X-A "),
        (by_query(), "k/1 Bearer  "),
        (path, " Bearer  "),
        (basic, "dTo= Bearer Authorization Basic_"),
    ];
    for (value, expected) in table {
        let token = cached(&value);
        let fields = [
            &*token.access_token,
            &token.token_type,
            &token.header_name,
            &token.value_prefix.replace(' ', "_"),
        ];
        assert_eq!(fields.join(" "), expected, "{value}");
    }
}

/// `src/fetch/redirect/tests.rs` has the URLs of redirects.
#[test]
fn where_the_credential_goes_in_a_url() {
    let query = cached(&by_query());
    let fields = json!({"id": "long-enough/1", "region": "eu"});
    let path = cached(&with("path", json!({}), fields));
    let header = cached(&json!({"access_token": "t"}));
    let filled = "https://h/eu/long-enough%2F1?r=eu";
    let table = [
        (&header, "https://h/{id}?key=x", "https://h/{id}?key=x"),
        (
            &query,
            "https://h/{id}?key=x#f?",
            "https://h/{id}?key=k%2F1",
        ),
        (&path, "https://h/{region}/{id}?r={region}#{none}", filled),
        (&path, "https://h/none#{id}", "invalid_input"),
    ];
    for (token, url, expected) in table {
        let target = token.target(url);
        let target = target.map_or_else(|error| error.code().to_owned(), Cow::into_owned);
        assert_eq!(target, expected, "{url}");
    }
}

#[test]
fn the_secrets_of_a_token() {
    let fields = json!({"region": "eu", "key": "long-enough/1", "owner": "somebody"});
    let pair = json!({"username": "somebody", "password": "password"});
    let encoded = "c29tZWJvZHk6cGFzc3dvcmQ";
    let padded = format!("{encoded}=");
    let of_pair = [
        "somebody",
        "password",
        "somebody:password",
        encoded,
        &padded,
    ];
    // The response, the secrets of a request, and whether the URL carries them. The URL does not name the owner.
    let table: [(Value, &[&str], bool); 4] = [
        (json!({"access_token": "k/1"}), &["k/1"], false),
        (by_query(), &["k/1"], true),
        (
            with("path", json!({}), fields),
            &["long-enough/1", "eu"],
            true,
        ),
        (with("basic_auth", json!({}), pair), &of_pair, false),
    ];
    for (value, secrets, is_in_url) in table {
        let token = cached(&value);
        let call = "https://h/{key}/{region}?owner";
        assert_eq!(token.secrets(call), secrets);
        assert_eq!(token.is_in_url(), is_in_url, "{secrets:?}");
    }
}

#[test]
fn what_else_the_response_knows() {
    // A lifetime in the credentials began when the provider issued the token, so it is ignored.
    let ignored = json!({"expires_at": 0, "expires_in": -1, "credentials": {"expires_in": 3600}});
    let outer = json!({"expiry": NOON + 9, "api_base_url": "a"});
    let two = json!({"expires_in": 60, "api_base_url": "a", "credentials": {"base_url": "b"}});
    let table = [
        // The response, whether its expiry is assumed, and its API base URL.
        (json!({}), true, None),
        (ignored, true, None),
        (json!({"expires_in": 300, "api_base_url": ""}), false, None),
        (outer, false, Some("a")),
        (two, false, Some("b")),
    ];
    for (mut value, assumed, base) in table {
        value["access_token"] = json!("t");
        let token = cached(&value);
        assert_eq!(token.stated_expiry().is_none(), assumed, "{value}");
        assert_eq!(token.api_base_url.as_deref(), base, "{value}");
    }
}

#[test]
fn the_same_credential() {
    type Change = fn(&mut CachedToken);
    let value = json!({"access_token": "t", "expires_in": 60, "token_type": "a"});
    let token = cached(&value);
    let changes: [(Change, bool); 4] = [
        (|token| token.access_token.push('x'), false),
        (|token| token.place = Place::Query("key".to_owned()), false),
        (|token| token.expires_at += Duration::from_secs(1), true),
        (|token| token.token_type.push('x'), true),
    ];
    for (number, (change, same)) in changes.into_iter().enumerate() {
        let mut other = token.clone();
        change(&mut other);
        assert_eq!(token.same_credential(&other), same, "change {number}");
    }
}
