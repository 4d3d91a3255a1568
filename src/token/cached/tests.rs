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
    for (url, expected) in table {
        assert_eq!(with_query_param(url, "key", "s/&"), expected, "{url}");
    }
    let odd = with_query_param("https://h/?a+b=1&a%20b=2&c=3", "a b", "x y");
    assert_eq!(odd, "https://h/?c=3&a%20b=x%20y");
}
