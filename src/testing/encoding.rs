//! Small encodings: percent and form decoding, HTML escaping, unguessable strings.

use std::hash::{BuildHasher, RandomState};

use crate::url;

/// Decodes `%XX`; what is no valid escape stays as it is.
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
    fn unguessable_strings_differ() {
        assert_eq!(unguessable().len(), 32);
        assert_ne!(unguessable(), unguessable());
    }
}
