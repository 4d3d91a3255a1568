//! The credential that each strategy builds from a response.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::header;
use crate::seeded::Seeded;
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
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{{{name}={value}}}"));
                fields.collect::<Vec<_>>().concat()
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
    let strategies = [
        json!(null),
        json!("oauth2"),
        json!({}),
        json!({"type": null}),
        json!({"type": ""}),
        json!({"config": {}}),
        json!({"type": "oauth2"}),
        json!({"type": "OAuth2"}),
        json!({"type": "oauth2", "config": null}),
        json!({"type": "oauth2", "config": {}}),
        json!({"type": "oauth2", "config": "none"}),
        json!({"type": "oauth2", "config": {"header_name": "X-Other", "value_prefix": ""}}),
    ];
    let kinds = [
        (None, "Authorization: Bearer t-1"),
        (Some("Bearer"), "Authorization: Bearer t-1"),
        (Some("bearer"), "Authorization: Bearer t-1"),
        (Some("BEARER"), "Authorization: Bearer t-1"),
        (Some("bEaReR"), "Authorization: Bearer t-1"),
        (Some("token"), "Authorization: token t-1"),
        (Some("DPoP"), "Authorization: DPoP t-1"),
        (Some("MAC"), "Authorization: MAC t-1"),
        (Some("Bearer\r\nX: y"), "invalid_credentials"),
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

#[test]
fn header() {
    let with = |config: Value| json!({"type": "header", "config": config});
    let key = json!({"api_key": "k-1", "token": "t-1", "number": 42, "float": 1.5, "yes": true});
    #[rustfmt::skip]
    let table = [
        (json!({"type": "header"}), key.clone(), "Authorization: Bearer k-1"),
        (json!({"type": "HEADER"}), key.clone(), "Authorization: Bearer k-1"),
        (with(json!(null)), key.clone(), "Authorization: Bearer k-1"),
        (with(json!("X-API-Key")), key.clone(), "Authorization: Bearer k-1"),
        (with(json!({})), key.clone(), "Authorization: Bearer k-1"),
        (with(json!({"header_name": null})), key.clone(), "Authorization: Bearer k-1"),
        (with(json!({"header_name": ""})), key.clone(), "Authorization: Bearer k-1"),
        (with(json!({"header_name": "authorization"})), key.clone(), "authorization: Bearer k-1"),
        (with(json!({"value_prefix": null})), key.clone(), "Authorization: Bearer k-1"),
        (with(json!({"value_prefix": ""})), key.clone(), "Authorization: k-1"),
        (with(json!({"value_prefix": "Token "})), key.clone(), "Authorization: Token k-1"),
        (with(json!({"value_prefix": 7})), key.clone(), "Authorization: 7k-1"),
        (with(json!({"header_name": "X-API-Key", "credential_field": "api_key"})), key.clone(), "X-API-Key: k-1"),
        (with(json!({"header_name": "X-API-Key", "value_prefix": ""})), key.clone(), "X-API-Key: k-1"),
        (with(json!({"header_name": "X-API-Key", "value_prefix": "Key="})), key.clone(), "X-API-Key: Key=k-1"),
        (with(json!({"header_name": "X-A", "credential_field": "token"})), key.clone(), "X-A: t-1"),
        (with(json!({"header_name": "X-A", "credential_field": ""})), key.clone(), "X-A: k-1"),
        (with(json!({"header_name": "X-A", "credential_field": "number"})), key.clone(), "X-A: 42"),
        (with(json!({"header_name": "X-A", "credential_field": "float"})), key.clone(), "invalid_credentials"),
        (with(json!({"header_name": "X-A", "credential_field": "yes"})), key.clone(), "X-A: true"),
        (with(json!({"credential_field": "none"})), key.clone(), "invalid_credentials"),
        (with(json!({})), json!(null), "invalid_credentials"),
        (with(json!({})), json!({"api_key": ""}), "invalid_credentials"),
        (with(json!({})), json!({"api_key": null}), "invalid_credentials"),
        (with(json!({})), json!({"api_key": ["k-1"]}), "invalid_credentials"),
        (with(json!({})), json!({"api_key": {"key": "k-1"}}), "invalid_credentials"),
        (with(json!({})), json!({"api_key": "k\u{e9}"}), "invalid_credentials"),
    ];
    check(&table);
    let typed = |strategy: &Value| {
        let token = read(strategy, &json!({}), Some("t"), Some("bot"));
        token.unwrap().value_prefix
    };
    assert_eq!(typed(&json!({"type": "header"})), "bot ", "as in Python");
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
    let table = [
        (json!({}), "X-A: t-2"),
        (json!({"api_key": "k-1"}), "X-A: k-1"),
    ];
    for (credentials, expected) in table {
        assert_eq!(
            made_of(&custom, &credentials, Some("t-2"), Some("bearer")),
            expected
        );
    }
}

#[test]
fn headers_that_no_credential_goes_into() {
    let names = [
        "X A",
        "X:A",
        ":authority",
        "X\r\nA",
        "X\0",
        "é",
        " X-A",
        "X-A ",
    ];
    for name in names {
        let strategy = json!({"type": "header", "config": {"header_name": name}});
        let made = made_of(&strategy, &json!({"api_key": "k-1"}), None, None);
        assert_eq!(made, "invalid_response", "{name:?}");
    }
    for secret in ["k\r\nX: y", "k\n", "\rk", "k\0", "k\u{7f}", "\n"] {
        for config in [json!({}), json!({"header_name": "X-A"})] {
            let strategy = json!({"type": "header", "config": config});
            let made = made_of(&strategy, &json!({"api_key": secret}), None, None);
            assert_eq!(made, "invalid_credentials", "{secret:?}");
        }
        let made = made_of(&json!(null), &json!({}), Some(secret), None);
        assert_eq!(made, "invalid_credentials", "{secret:?}");
        let error = header::of_credential("X-A", "", secret).unwrap_err();
        assert!(!error.message().contains(secret), "{error}");
    }
    let beyond_ascii = [
        ("Authorization", "invalid_credentials"),
        ("authorization", "invalid_credentials"),
        ("X-A", "X-A: kl\u{fc}"),
    ];
    for (name, expected) in beyond_ascii {
        let strategy =
            json!({"type": "header", "config": {"header_name": name, "value_prefix": ""}});
        let made = made_of(&strategy, &json!({"api_key": "kl\u{fc}"}), None, None);
        assert_eq!(made, expected, "{name}");
    }
    let prefix = json!({"type": "header", "config": {"value_prefix": "a\r\nb"}});
    assert_eq!(
        made_of(&prefix, &json!({"api_key": "k"}), None, None),
        "invalid_credentials"
    );
    let (name, value) = header::of_credential("X-A", "Key ", "canary").unwrap();
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("x-a", &b"Key canary"[..])
    );
    assert!(value.is_sensitive() && !format!("{value:?}").contains("canary"));
}

#[test]
fn basic_auth() {
    let basic = json!({"type": "basic_auth"});
    let other =
        json!({"type": "basic_auth", "config": {"username_field": "u", "password_field": "p"}});
    let null =
        json!({"type": "Basic_Auth", "config": {"username_field": null, "password_field": ""}});
    // RFC 7617 section 2.
    let aladdin = "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    let pair = |user: &str, password: Value| json!({"username": user, "password": password});
    let bad = "invalid_credentials";
    let table = [
        (
            basic.clone(),
            pair("Aladdin", json!("open sesame")),
            aladdin,
        ),
        (null, pair("Aladdin", json!("open sesame")), aladdin),
        (
            other.clone(),
            json!({"u": "Aladdin", "p": "open sesame", "username": "x"}),
            aladdin,
        ),
        (
            basic.clone(),
            pair("u", json!("")),
            "Authorization: Basic dTo=",
        ),
        (
            basic.clone(),
            pair("u", json!(null)),
            "Authorization: Basic dTo=",
        ),
        (
            basic.clone(),
            json!({"username": "u"}),
            "Authorization: Basic dTo=",
        ),
        (
            basic.clone(),
            pair("u", json!("a:b")),
            "Authorization: Basic dTphOmI=",
        ),
        (
            basic.clone(),
            pair("u", json!(12)),
            "Authorization: Basic dToxMg==",
        ),
        (
            basic.clone(),
            json!({"username": 7, "password": "p"}),
            "Authorization: Basic Nzpw",
        ),
        (
            basic.clone(),
            pair("té", json!("ß")),
            "Authorization: Basic dMOpOsOf",
        ),
        (basic.clone(), pair("", json!("p")), bad),
        (basic.clone(), json!({"password": "p"}), bad),
        (
            basic.clone(),
            json!({"username": null, "password": "p"}),
            bad,
        ),
        (basic.clone(), json!(null), bad),
        (other, pair("u", json!("p")), bad),
    ];
    check(&table);
    let made = made_of(&basic, &pair("u", json!("p")), Some("t-1"), Some("bearer"));
    assert_eq!(
        made, "Authorization: Basic dTpw",
        "an access token in the same response changes nothing"
    );
}

#[test]
fn query_param_and_path() {
    let query = |config: Value| json!({"type": "query_param", "config": config});
    let key = json!({"api_key": "k-1", "other": "o-1", "number": 7});
    #[rustfmt::skip]
    let table = [
        (query(json!({"param_name": "key"})), key.clone(), "?key=k-1"),
        (query(json!({"param_name": "key", "credential_field": "other"})), key.clone(), "?key=o-1"),
        (query(json!({"param_name": "key", "credential_field": "number"})), key.clone(), "?key=7"),
        (query(json!({"param_name": "key", "credential_field": null})), key.clone(), "?key=k-1"),
        (query(json!({"param_name": 5})), key.clone(), "?5=k-1"),
        (query(json!({"param_name": "key"})), json!({"api_key": "a\r\nb"}), "?key=a\r\nb"),
        (query(json!({"param_name": "key", "credential_field": "none"})), key.clone(), "invalid_credentials"),
        (query(json!({"param_name": "key"})), json!({"api_key": ""}), "invalid_credentials"),
        (query(json!({"param_name": ""})), key.clone(), "invalid_response"),
        (query(json!({"param_name": null})), key.clone(), "invalid_response"),
        (query(json!({})), key.clone(), "invalid_response"),
        (query(json!(null)), key.clone(), "invalid_response"),
        (json!({"type": "query_param"}), key.clone(), "invalid_response"),
        (json!({"type": "path"}), key, "{api_key=k-1}{number=7}{other=o-1}"),
        (json!({"type": "path"}), json!({"a": null, "b": [], "c": {}, "d": true}), "{d=true}"),
        (json!({"type": "path"}), json!(null), ""),
    ];
    check(&table);
}

#[test]
fn what_cannot_be_put_on_a_request() {
    let unknown = [
        json!("saml"),
        json!("bearer"),
        json!("api_key"),
        json!("header "),
        json!("oauth1"),
        json!("a\r\n[NexusSDK]"),
        json!(1),
        json!(true),
        json!({}),
        json!({"name": "oauth2"}),
        json!(["oauth2"]),
    ];
    for strategy in [json!([]), json!(["oauth2"]), json!(7)] {
        let made = made_of(&strategy, &json!({}), Some("t"), None);
        assert_eq!(made, "unsupported_strategy", "{strategy}");
    }
    for kind in unknown {
        let strategy = json!({"type": kind, "config": {"param_name": "k"}});
        let credentials = json!({"api_key": "k", "username": "u"});
        let made = made_of(&strategy, &credentials, Some("t"), None);
        assert_eq!(made, "unsupported_strategy", "{kind}");
        let error = unsupported(kind.as_str().unwrap_or_default());
        assert!(!error.message().contains(char::is_control));
    }
    let error = read(&json!({"type": 1}), &json!({}), Some("t"), None).unwrap_err();
    assert_eq!(
        error.message(),
        "this build does not support the provider's strategy ``"
    );
}

#[cfg(feature = "signing")]
#[test]
fn an_unsupported_hmac_is_named() {
    let config = json!({"header_name": "X-Sig", "algo": "md5"});
    let strategy = json!({"type": "hmac_payload", "config": config});
    let error = read(&strategy, &json!({"api_secret": "s"}), None, None).unwrap_err();
    assert_eq!(
        error.message(),
        "the provider's strategy `hmac_payload` has an unsupported algo or encoding (`md5`, `hex`); ask the \
         gateway's operator to use sha1 or sha256, and hex or base64"
    );
}

#[cfg(not(feature = "signing"))]
#[test]
fn without_the_feature_a_signing_strategy_names_it() {
    for kind in ["hmac_payload", "aws_sigv4"] {
        let strategy = json!({"type": kind, "config": {"header_name": "X-Sig", "service": "s3"}});
        let credentials = json!({"api_secret": "s", "access_key": "a", "secret_key": "s"});
        assert_eq!(
            made_of(&strategy, &credentials, None, None),
            "unsupported_strategy"
        );
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
        (hmac(json!({"header_name": "X-Sig"})), secrets.clone(), None),
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
