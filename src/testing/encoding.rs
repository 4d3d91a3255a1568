//! Percent-encoding, query parameters, UUIDs and random strings.

use std::hash::{BuildHasher, RandomState};

use crate::loopback::{field, fields};
use crate::url;

/// Decodes `%XX`, and keeps invalid escapes.
pub(super) fn percent_decode(text: &str) -> String {
    String::from_utf8_lossy(&url::decode(text, false)).into_owned()
}

/// Returns the decoded parameters of a query. A parameter that is not UTF-8 is left out.
pub(super) fn parameters(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    fields(query.unwrap_or_default()).flatten()
}

/// Returns the first value of a query parameter, or an empty string.
pub(super) fn parameter(query: Option<&str>, name: &str) -> String {
    field(query.unwrap_or_default(), name).unwrap_or_default()
}

/// Adds parameters to the query of a URL.
pub(super) fn with_parameters(target: &str, added: &[(&str, &str)]) -> String {
    let end = target.find('#').unwrap_or(target.len());
    let (bare, fragment) = target.split_at(end);
    let add = |url: String, (name, value): &(&str, &str)| url::with_parameter(&url, name, value);
    added.iter().fold(bare.to_owned(), add) + fragment
}

/// Returns whether a string consists of 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(digits)
}

/// Returns 32 random hexadecimal digits. They come from the hashers of the standard library, which is enough for tests
/// but not for real secrets.
pub(super) fn unguessable() -> String {
    let half = || RandomState::new().hash_one("token");
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `src/url/tests.rs` tests the escapes.
    #[test]
    fn percent_decoding() {
        assert_eq!(percent_decode("%C3%A9+%zz%ff"), "é+%zz\u{fffd}");
    }

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        let query = Some("a=1&b=x+y%2Bz&&flag&a=2");
        let table = [("a", "1"), ("b", "x y+z"), ("flag", ""), ("none", "")];
        for (name, value) in table {
            assert_eq!(parameter(query, name), value);
        }
        assert_eq!(parameters(None).count(), 0);
    }

    #[test]
    fn parameters_are_added_to_a_url() {
        let table = [
            ("http://h/", "http://h/?id=1&z=%26"),
            ("http://h/?q=a+b", "http://h/?q=a+b&id=1&z=%26"),
            ("http://h#frag", "http://h?id=1&z=%26#frag"),
        ];
        for (target, expected) in table {
            let url = with_parameters(target, &[("id", "1"), ("z", "&")]);
            assert_eq!(url, expected);
        }
    }

    #[test]
    fn uuids() {
        let table = [
            ("00000000-0000-4000-8000-000000000001", true),
            ("00000000-0000-4000-8000-00000000000g", false),
            ("00000000-0000-4000-80000-00000000001", false),
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
