//! Placeholders and query parameters.

use super::*;

#[test]
fn placeholders() {
    let fields = [
        ("key", "a/b?c%"),
        ("dots", ".."),
        ("id", "7"),
        ("bot", "123:a-b_c@d!$'()*,.~"),
        ("pair", "a=b&c+d;e"),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let table = [
        ("https://h/{key}/x", "https://h/a%2Fb%3Fc%25/x"),
        ("https://h/v{id}/{id}?b={id}", "https://h/v7/7?b=7"),
        ("https://h/{dots}/x", "https://h/%2E%2E/x"),
        (
            "https://h/{bot}/{pair}?q={bot}&{pair}",
            "https://h/123:a-b_c@d!$'()*,.~/a=b&c+d;e?q=123:a-b_c@d!$'()*,.~&a%3Db%26c%2Bd%3Be",
        ),
        ("https://h/{id}}", "https://h/7}"),
        ("https://h/{id}/{open", "https://h/7/{open"),
        ("https://h/", "invalid_input"),
        ("https://h/{id", "invalid_input"),
        ("https://h/}id{", "invalid_input"),
        ("https://h/{canary}", "invalid_credentials"),
        ("https://h/{}", "invalid_credentials"),
    ];
    for (url, expected) in table {
        let filled = fill_placeholders(url, &fields).unwrap_or_else(|error| {
            assert!(!error.message().contains("canary"), "{error}");
            error.code().to_owned()
        });
        assert_eq!(filled, expected, "{url}");
    }
}

#[test]
fn query_parameters() {
    let table = [
        ("https://h/p", "https://h/p?key=s%2F%26"),
        ("https://h", "https://h?key=s%2F%26"),
        ("https://h/p?", "https://h/p?key=s%2F%26"),
        ("https://h/p?key", "https://h/p?key=s%2F%26"),
        (
            "https://h?k%65y=old&a&key=&b=?",
            "https://h?a&b=?&key=s%2F%26",
        ),
        (
            "https://h?Key=1&keys=2",
            "https://h?Key=1&keys=2&key=s%2F%26",
        ),
        ("https://h/p?&&a=1&&", "https://h/p?&&a=1&&key=s%2F%26"),
    ];
    let of_parameter = |name: &str, secret: &str| {
        let mut token = CachedToken::new("", "Bearer", SystemTime::now());
        token.put_in(Place::Query(name.to_owned()), secret.to_owned());
        token
    };
    for (url, expected) in table {
        let target = of_parameter("key", "s/&").target(url).unwrap();
        assert_eq!(target, expected, "{url}");
    }
    let token = of_parameter("a b", "x y");
    let odd = token.target("https://h/?a+b=1&a%20b=2&c=3").unwrap();
    assert_eq!(odd, "https://h/?c=3&a%20b=x%20y");
}

/// A program that sets the header of a token whose place is not a header would otherwise wait in vain for it to be sent.
#[test]
fn a_header_that_no_request_would_carry_is_refused() {
    let at = |place| {
        let mut token = CachedToken::new("s", "Bearer", SystemTime::now());
        token.put_in(place, "s".to_owned());
        token
    };
    let query = || at(Place::Query("key".to_owned()));
    let path = || at(Place::Path(vec![("key".to_owned(), "s".to_owned())]));
    #[cfg(feature = "signing")]
    let signed = || {
        let mac = Signature::Hmac {
            sha1: false,
            base64: false,
        };
        let mut token = at(Place::Signature(mac));
        token.header_name = "X-Signature".to_owned();
        token
    };
    for usable in [
        query(),
        path(),
        query().header("X-Key", ""),
        #[cfg(feature = "signing")]
        signed(),
    ] {
        usable.target("https://h/{key}").unwrap();
    }
    let named = |mut token: CachedToken| {
        token.header_name = "X-Key".to_owned();
        token
    };
    let prefixed = |mut token: CachedToken| {
        token.value_prefix = "Key ".to_owned();
        token
    };
    for refused in [
        named(query()),
        named(path()),
        prefixed(query()),
        #[cfg(feature = "signing")]
        prefixed(signed()),
    ] {
        for error in [
            refused.target("https://h/{key}").unwrap_err(),
            refused.to_header().unwrap_err(),
        ] {
            assert_eq!(error.code(), "invalid_input");
            assert!(error.message().contains("CachedToken::header"), "{error}");
        }
    }
}
