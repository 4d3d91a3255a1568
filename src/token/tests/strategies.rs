//! The credential that each strategy builds from a response.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::header;
use crate::seeded::Seeded;
#[cfg(feature = "signing")]
use crate::signing::Signature;
use crate::time::Now;

fn read(
    strategy: &Value,
    credentials: &Value,
    token: Option<&str>,
    kind: Option<&str>,
) -> Result<CachedToken> {
    let mut credentials = credentials.as_object().cloned().unwrap_or_default();
    // A response without any credential is refused before its strategy is read.
    credentials.insert("unused".to_owned(), Value::Null);
    let response = json!({
        "strategy": strategy, "credentials": credentials, "access_token": token, "token_type": kind,
    });
    let (at, date) = (Now::read(), None);
    TokenResponse::from_json(response)?.to_cached(ResponseClock { at, date })
}

/// Describes the credential that a strategy builds from these fields: `Name: value`, `?name=value`,
/// `{name=value}`, `signed`, or the error's code.
fn made_of(
    strategy: &Value,
    credentials: &Value,
    token: Option<&str>,
    kind: Option<&str>,
) -> String {
    match read(strategy, credentials, token, kind) {
        Ok(made) => match made.place {
            #[cfg(feature = "signing")]
            Place::Signature(_) => "signed".to_owned(),
            Place::Header => {
                let (name, prefix) = (made.header_name, made.value_prefix);
                format!("{name}: {prefix}{}", made.access_token)
            }
            Place::Query(name) => format!("?{name}={}", made.access_token),
            Place::Path(fields) => {
                let field = |(name, value): &(String, String)| format!("{{{name}={value}}}");
                fields.iter().map(field).collect::<Vec<_>>().concat()
            }
        },
        Err(error) => error.code().to_owned(),
    }
}

fn check(table: &[(Value, Value, &str)]) {
    for (strategy, credentials, expected) in table {
        let made = made_of(strategy, credentials, None, None);
        assert_eq!(made, *expected, "{strategy} with {credentials}");
    }
}

#[test]
fn oauth2_and_no_strategy() {
    let config = json!({"header_name": "X-Other", "value_prefix": ""});
    let own = json!({"type": "OAuth2", "config": config});
    let strategies = [json!(null), json!("oauth2"), json!({"type": ""}), own];
    let kinds = [
        (None, "Authorization: Bearer t-1"),
        (Some("bEaReR"), "Authorization: Bearer t-1"),
        (Some("bearer "), "Authorization: Bearer t-1"),
        (Some("DPoP\t"), "Authorization: DPoP t-1"),
        (Some(" "), "Authorization: Bearer t-1"),
        (Some("DPoP"), "Authorization: DPoP t-1"),
        (Some("a\0"), "invalid_credentials"),
    ];
    for strategy in &strategies {
        for (kind, expected) in kinds {
            let made = made_of(strategy, &json!({}), Some("t-1"), kind);
            assert_eq!(made, expected, "{strategy} with {kind:?}");
        }
        let made = made_of(strategy, &json!({"api_key": "k"}), None, None);
        assert_eq!(made, "invalid_credentials", "{strategy} without a token");
    }
}

/// A copied key may end with a space, and so may a password, but only a password contains it.
#[test]
fn spaces_around_a_credential() {
    let key = json!({"api_key": " k-1\t ", "username": "u", "password": " p "});
    let query = json!({"type": "query_param", "config": {"param_name": "key"}});
    let table = [
        (json!("header"), key.clone(), "Authorization: Bearer k-1"),
        (query.clone(), key.clone(), "?key=k-1"),
        (json!("basic_auth"), key, "Authorization: Basic dTogcCA="),
        (query, json!({"api_key": " \t"}), "invalid_credentials"),
    ];
    check(&table);
    let odd = json!({"type": "\tPath "});
    let fields = json!({"a": " k-1\t", "b": " ", "c": "\t"});
    check(&[(odd, fields, "{a=k-1}")]);
    for token in ["t-1 ", "\tt-1\t"] {
        let made = made_of(&json!(null), &json!({}), Some(token), None);
        assert_eq!(made, "Authorization: Bearer t-1", "{token:?}");
    }
    let made = made_of(&json!(null), &json!({}), Some(" "), None);
    assert_eq!(made, "invalid_credentials");
}

/// A name in the strategy's config may end with a space as well, and only a prefix contains it.
#[test]
fn spaces_around_a_name_in_the_config() {
    let odd = |kind: &str, config: Value| json!({"type": format!(" {kind}\t"), "config": config});
    let secrets = json!({"api_key": "k-1", "username": "u", "password": "p", "other": "o-1"});
    #[rustfmt::skip]
    let table = [
        (odd("header", json!({"header_name": " X-A\t"})), "X-A: k-1"),
        (odd("header", json!({"header_name": " "})), "Authorization: Bearer k-1"),
        (odd("header", json!({"credential_field": "other "})), "Authorization: Bearer o-1"),
        (odd("header", json!({"credential_field": "\t", "value_prefix": "Key "})), "Authorization: Key k-1"),
        (odd("query_param", json!({"param_name": "key ", "credential_field": " other"})), "?key=o-1"),
        (odd("query_param", json!({"param_name": " "})), "invalid_response"),
        (odd("basic_auth", json!({"username_field": "username ", "password_field": " password"})), "Authorization: Basic dTpw"),
        (json!(" header "), "Authorization: Bearer k-1"),
    ];
    check(&table.map(|(strategy, expected)| (strategy, secrets.clone(), expected)));
    let made = made_of(&json!(" "), &json!({}), Some("t-1"), None);
    assert_eq!(made, "Authorization: Bearer t-1");
}

#[cfg(feature = "signing")]
#[test]
fn spaces_around_what_signs() {
    let secrets = json!({"api_secret": " s ", "access_key": "a ", "secret_key": "\tk", "session_token": "t "});
    let config = json!({"header_name": "X-Sig ", "algo": " sha1", "encoding": "hex ", "secret_field": "api_secret "});
    let hmac = json!({"type": "hmac_payload ", "config": config});
    let made = read(&hmac, &secrets, None, None).unwrap();
    assert_eq!((&*made.header_name, &*made.access_token), ("X-Sig", "s"));
    let aws = json!({"type": "aws_sigv4", "config": {"service": "s3 ", "region": " eu-west-1"}});
    let made = read(&aws, &secrets, None, None).unwrap();
    let Place::Signature(Signature::Aws(key)) = made.place else {
        panic!("not signed");
    };
    let parts = [&key.service, &key.region, &key.access_key];
    assert_eq!(parts, ["s3", "eu-west-1", "a"]);
    assert_eq!(key.session_token.as_deref(), Some("t"));
    assert_eq!(made.access_token, "k");
}

#[test]
fn a_line_break_in_a_credential() {
    let query = json!({"type": "query_param", "config": {"param_name": "key"}});
    let mut strategies = vec![json!(null), json!("header"), json!("basic_auth"), query];
    if cfg!(feature = "signing") {
        strategies.push(json!({"type": "hmac_payload", "config": {"header_name": "X-Sig"}}));
        strategies.push(json!({"type": "aws_sigv4", "config": {"service": "s3"}}));
    }
    for secret in ["abc\n", "a\r\nb", "\rabc", " \n", "\n"] {
        let fields = json!({
            "api_key": secret, "username": "u", "password": secret, "api_secret": secret,
            "access_key": "a", "secret_key": secret,
        });
        for strategy in &strategies {
            let made = made_of(strategy, &fields, Some(secret), None);
            assert_eq!(made, "invalid_credentials", "{strategy} with {secret:?}");
        }
        let user = json!({"username": secret, "password": "p"});
        check(&[(json!("basic_auth"), user, "invalid_credentials")]);
        let made = read(
            &json!("path"),
            &json!({"a": secret, "b": "k-1"}),
            None,
            None,
        )
        .unwrap();
        let refused = made.target("https://a.example/{a}/{b}").unwrap_err();
        assert_eq!(refused.code(), "invalid_credentials", "{secret:?}");
        assert!(refused.needs_reconnect() && !refused.message().contains(secret));
        let unused = made.target("https://a.example/{b}").unwrap();
        assert_eq!(unused, "https://a.example/k-1");
    }
}

#[test]
fn header() {
    let with = |config: Value| json!({"type": "Header", "config": config});
    let key = json!({"api_key": "k-1", "token": "t-1", "number": 42, "float": 1.5});
    let own = |field: &str, value: Value| json!({"header_name": "X-A", field: value});
    let bad = "invalid_credentials";
    let table = [
        (json!(null), "Authorization: Bearer k-1"),
        (json!("X-API-Key"), "Authorization: Bearer k-1"),
        (json!({"header_name": ""}), "Authorization: Bearer k-1"),
        (json!({"value_prefix": ""}), "Authorization: k-1"),
        (json!({"value_prefix": 7}), "Authorization: 7k-1"),
        (json!({"header_name": "X-A"}), "X-A: k-1"),
        (own("value_prefix", json!("Key=")), "X-A: Key=k-1"),
        (own("credential_field", json!("token")), "X-A: t-1"),
        (own("credential_field", json!("")), "X-A: k-1"),
        (own("credential_field", json!("number")), "X-A: 42"),
        (json!({"credential_field": "float"}), bad),
        (json!({"credential_field": "none"}), bad),
    ];
    check(&table.map(|(config, expected)| (with(config), key.clone(), expected)));
    let keys = [
        json!(null),
        json!({"api_key": ""}),
        json!({"api_key": ["k-1"]}),
    ];
    check(&keys.map(|credentials| (with(json!({})), credentials, bad)));
    let typed = |strategy: &Value| {
        let token = read(strategy, &json!({}), Some("t"), Some("bot"));
        token.unwrap().value_prefix
    };
    let usual = with(json!({"header_name": "authorization"}));
    assert_eq!(typed(&usual), "bot ", "as in Python");
    assert_eq!(typed(&with(json!({"value_prefix": "Key "}))), "Key ");
    assert_eq!(typed(&with(json!({"header_name": "X-A"}))), "");
    // Only the HTTP client may set headers that frame a request.
    let names = "Host content-length Transfer-Encoding Connection Keep-Alive Proxy-Connection TE Trailer UPGRADE Expect";
    for name in names.split(' ') {
        let strategy = with(json!({"header_name": name, "value_prefix": ""}));
        let refused = read(&strategy, &json!({"api_key": "chunked"}), None, None);
        assert_eq!(refused.unwrap_err().code(), "invalid_response", "{name}");
        #[cfg(feature = "signing")]
        {
            let strategy = json!({"type": "hmac_payload", "config": {"header_name": name}});
            let refused = read(&strategy, &json!({"api_secret": "s"}), None, None);
            assert_eq!(refused.unwrap_err().code(), "invalid_response", "{name}");
        }
    }
    let custom = with(json!({"header_name": "X-A"}));
    for (credentials, expected) in [(json!({}), "X-A: t-2"), (key, "X-A: k-1")] {
        let made = made_of(&custom, &credentials, Some("t-2"), Some("bearer"));
        assert_eq!(made, expected);
    }
}

#[test]
fn headers_that_no_credential_goes_into() {
    let header = |config: Value| json!({"type": "header", "config": config});
    for name in ["X A", "X:A", ":authority", "X\r\nA", "X\0", "é", "X-A\n"] {
        let strategy = header(json!({"header_name": name}));
        let made = made_of(&strategy, &json!({"api_key": "k-1"}), None, None);
        assert_eq!(made, "invalid_response", "{name:?}");
    }
    let bad = "invalid_credentials";
    for secret in ["k\r\nX: y", "k\n", "\rk", "k\0", "k\u{7f}", "\n"] {
        for config in [json!({}), json!({"header_name": "X-A"})] {
            let made = made_of(&header(config), &json!({"api_key": secret}), None, None);
            assert_eq!(made, bad, "{secret:?}");
        }
        let made = made_of(&json!(null), &json!({}), Some(secret), None);
        assert_eq!(made, bad, "{secret:?}");
        let error = header::of_credential("X-A", "", secret).unwrap_err();
        assert!(!error.message().contains(secret), "{error}");
    }
    for (name, expected) in [("authorization", bad), ("X-A", "X-A: kl\u{fc}")] {
        let strategy = header(json!({"header_name": name, "value_prefix": ""}));
        let made = made_of(&strategy, &json!({"api_key": "kl\u{fc}"}), None, None);
        assert_eq!(made, expected, "{name}");
    }
    let prefix = header(json!({"value_prefix": "a\r\nb"}));
    assert_eq!(made_of(&prefix, &json!({"api_key": "k"}), None, None), bad);
    let (name, value) = header::of_credential("X-A", "Key ", "canary").unwrap();
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("x-a", &b"Key canary"[..])
    );
    assert!(value.is_sensitive() && !format!("{value:?}").contains("canary"));
}

#[test]
fn basic_auth() {
    let basic = |config: Value| json!({"type": "Basic_Auth", "config": config});
    let empty = json!({"username_field": null, "password_field": ""});
    let named = json!({"username_field": "u", "password_field": "p"});
    let pair = |user: Value, password: Value| json!({"username": user, "password": password});
    // RFC 7617 section 2.
    let aladdin = "QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    let own_names = json!({"u": "Aladdin", "p": "open sesame", "username": "x"});
    let table = [
        (&empty, pair(json!("u"), json!("p")), "dTpw"),
        (&named, own_names, aladdin),
        (&empty, json!({"username": "u"}), "dTo="),
        (&empty, pair(json!("u"), json!("a:b")), "dTphOmI="),
        (&empty, pair(json!("té"), json!("ß")), "dMOpOsOf"),
        (&empty, pair(json!(""), json!("p")), ""),
        (&named, pair(json!("u"), json!("p")), ""),
    ];
    for (config, credentials, expected) in table {
        // An access token in the same response changes nothing.
        for token in [None, Some("t-1")] {
            let made = made_of(&basic(config.clone()), &credentials, token, None);
            let expected = match expected {
                "" => "invalid_credentials".to_owned(),
                expected => format!("Authorization: Basic {expected}"),
            };
            assert_eq!(made, expected, "{config} with {credentials}");
        }
    }
}

#[test]
fn query_param_and_path() {
    let query = |config: Value| json!({"type": "query_param", "config": config});
    let key = json!({"api_key": "k-1", "other": "o-1"});
    #[rustfmt::skip]
    let table = [
        (query(json!({"param_name": "key"})), key.clone(), "?key=k-1"),
        (query(json!({"param_name": "key", "credential_field": "other"})), key.clone(), "?key=o-1"),
        (query(json!({"param_name": "key"})), json!({"api_key": "a b"}), "?key=a b"),
        (query(json!({"param_name": "key", "credential_field": "none"})), key.clone(), "invalid_credentials"),
        (query(json!(null)), key.clone(), "invalid_response"),
        (json!({"type": "path"}), key, "{api_key=k-1}{other=o-1}"),
        (json!({"type": "path"}), json!({"a": null, "b": [], "c": {}, "d": true}), "{d=true}"),
        (json!({"type": "path"}), json!(null), ""),
    ];
    check(&table);
}

#[test]
fn what_cannot_be_put_on_a_request() {
    let types = ["saml", "api_key", "header\n", "a\r\n[x]"];
    let objects = types.map(|kind| json!({"type": kind, "config": {"param_name": "k"}}));
    let odd = [json!({"type": 1}), json!(["oauth2"]), json!(7)];
    for strategy in objects.into_iter().chain(odd) {
        let credentials = json!({"api_key": "k", "username": "u"});
        let error = read(&strategy, &credentials, Some("t"), None).unwrap_err();
        assert_eq!(error.code(), "unsupported_strategy", "{strategy}");
        let kind = strategy["type"].as_str().unwrap_or_default();
        let expected = format!(
            "this build does not support the provider's strategy `{kind}`; ask the gateway's operator to use another \
             strategy"
        );
        let expected = expected.replace(['\r', '\n'], " ");
        assert_eq!(error.message(), expected);
    }
}

#[cfg(feature = "signing")]
#[test]
fn an_unsupported_hmac_is_named() {
    let config = json!({"header_name": "X-Sig", "algo": "md5"});
    let strategy = json!({"type": "hmac_payload", "config": config});
    let error = read(&strategy, &json!({"api_secret": "s"}), None, None).unwrap_err();
    let named = "the provider's strategy `hmac_payload` has an unsupported algo or encoding (`md5`, `hex`); ";
    assert!(error.message().starts_with(named), "{error}");
}

#[cfg(not(feature = "signing"))]
#[test]
fn without_the_feature_a_signing_strategy_names_it() {
    for kind in ["hmac_payload", "aws_sigv4"] {
        let strategy = json!({"type": kind, "config": {"header_name": "X-Sig", "service": "s3"}});
        let credentials = json!({"api_secret": "s", "access_key": "a", "secret_key": "s"});
        let made = made_of(&strategy, &credentials, None, None);
        assert_eq!(made, "unsupported_strategy");
        assert!(unsupported(kind).message().contains("feature `signing`"));
    }
}

#[cfg(feature = "signing")]
#[test]
fn what_a_signing_strategy_needs() {
    let secrets = json!({"api_secret": "s", "access_key": "a", "secret_key": "k", "number": 7});
    let hmac = |config: Value| json!({"type": "hmac_payload", "config": config});
    let aws = |config: Value| json!({"type": "aws_sigv4", "config": config});
    #[rustfmt::skip]
    let table = [
        (hmac(json!({"header_name": "X-Sig", "secret_field": "number"})), secrets.clone(), None),
        (hmac(json!({"header_name": "X-Sig", "algo": "sha1", "encoding": "base64"})), secrets.clone(), None),
        (hmac(json!({})), secrets.clone(), Some("invalid_response")),
        (hmac(json!({"header_name": "X-Sig", "algo": "md5"})), secrets.clone(), Some("unsupported_strategy")),
        (hmac(json!({"header_name": "X-Sig", "encoding": "hex2"})), secrets.clone(), Some("unsupported_strategy")),
        (hmac(json!({"header_name": "X-Sig"})), json!({}), Some("invalid_credentials")),
        (aws(json!({"service": "s3"})), secrets.clone(), None),
        (aws(json!({"region": "eu-west-1"})), secrets.clone(), Some("invalid_response")),
        (aws(json!({"service": "s3"})), json!({"access_key": "a"}), Some("invalid_credentials")),
        (aws(json!({"service": "s3"})), json!({"secret_key": "k"}), Some("invalid_credentials")),
    ];
    for (strategy, credentials, expected) in table {
        let made = read(&strategy, &credentials, None, None);
        let code = made.err().map(|error| error.code().to_owned());
        assert_eq!(code.as_deref(), expected, "{strategy} {credentials}");
    }
}

#[test]
fn base64_agrees_with_another() {
    let mut random = Seeded::new(21);
    for _ in 0..10_000 {
        let bytes = random.bytes(64);
        assert_eq!(base64(&bytes), STANDARD.encode(&bytes), "{bytes:?}");
    }
}
