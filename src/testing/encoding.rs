//! Small encodings: percent and form decoding, HTML escaping, unguessable strings.

use std::hash::{BuildHasher, RandomState};

use crate::url;

/// Decodes `%XX`; what is not a valid escape stays as it is.
pub(super) fn percent_decode(text: &str) -> String {
    String::from_utf8_lossy(&url::decode(text, false)).into_owned()
}

/// The decoded pairs of a query, in their order.
pub(super) fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| String::from_utf8_lossy(&url::decode(text, true)).into_owned();
    query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
}

/// The first value of a query parameter; empty when it is missing.
pub(super) fn query_value(query: Option<&str>, name: &str) -> String {
    query_pairs(query)
        .find(|(found, _)| found == name)
        .map(|(_, value)| value)
        .unwrap_or_default()
}

/// A URL with these parameters set in its query, all of them in the order of their names.
pub(super) fn with_query(target: &str, told: &[(&str, &str)]) -> String {
    let (target, fragment) = match target.split_once('#') {
        Some((target, fragment)) => (target, format!("#{fragment}")),
        None => (target, String::new()),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs: Vec<_> = query_pairs(Some(query)).collect();
    pairs.retain(|(name, _)| told.iter().all(|(set, _)| set != name));
    pairs.extend(
        told.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    pairs.sort();
    let pair =
        |(name, value): &(String, String)| format!("{}={}", url::encode(name), url::encode(value));
    let pairs: Vec<_> = pairs.iter().map(pair).collect();
    format!("{path}?{}{fragment}", pairs.join("&"))
}

/// Whether a text is 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(digits)
}

/// Text that is safe inside an HTML element and a quoted attribute.
pub(super) fn html_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// 32 hexadecimal digits from the randomly keyed hashers of the standard library.
pub(super) fn unguessable() -> String {
    let half = || RandomState::new().hash_one("token");
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding() {
        let table = [
            ("plain", "plain"),
            ("a%2Fb%3f%23%25", "a/b?#%"),
            ("%C3%A9+%20", "é+ "),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%+f", "%zz%+f"),
            ("%ff", "\u{fffd}"),
        ];
        for (encoded, decoded) in table {
            assert_eq!(percent_decode(encoded), decoded);
        }
    }

    #[test]
    fn query_values() {
        let query = Some("a=1&b=x+y%2Bz&&flag&a=2");
        let table = [("a", "1"), ("b", "x y+z"), ("flag", ""), ("none", "")];
        for (name, value) in table {
            assert_eq!(query_value(query, name), value);
        }
        assert_eq!(query_pairs(None).count(), 0);
    }

    #[test]
    fn parameters_are_set_in_a_url() {
        let table = [
            ("http://h/", "http://h/?id=1&z=%26"),
            ("http://h/?q=a+b&id=9", "http://h/?id=1&q=a%20b&z=%26"),
            ("http://h?#frag", "http://h?id=1&z=%26#frag"),
        ];
        for (target, expected) in table {
            assert_eq!(with_query(target, &[("z", "&"), ("id", "1")]), expected);
        }
    }

    #[test]
    fn uuids() {
        let table = [
            ("00000000-0000-4000-8000-000000000001", true),
            ("00000000-0000-4000-8000-00000000000g", false),
            ("00000000-0000-4000-80000-00000000001", false),
            ("nonsense", false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_uuid(text), expected, "{text}");
        }
    }

    #[test]
    fn unguessable_strings_differ() {
        assert_eq!(unguessable().len(), 32);
        assert_ne!(unguessable(), unguessable());
    }
}
