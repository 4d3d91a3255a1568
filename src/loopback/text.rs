//! Decodes form fields and escapes HTML.

use std::fmt::Write as _;

use crate::url;

/// Decodes `application/x-www-form-urlencoded` (URL standard, section 5.1), the encoding of forms and queries. A field
/// that is not UTF-8 is `None`.
pub(crate) fn fields(text: &str) -> impl Iterator<Item = Option<(String, String)>> {
    let decode = |text: &str| String::from_utf8(url::decode(text, true)).ok();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    })
}

/// Returns the first field of this name in a query. A field that is not UTF-8 is left out.
pub(crate) fn field(query: &str, name: &str) -> Option<String> {
    let mut fields = fields(query).flatten();
    fields.find(|(own, _)| own == name).map(|(_, value)| value)
}

/// Escapes text for use between tags and in quoted attributes. Control characters other than line
/// feeds and tabs become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' | '\'' => drop(write!(escaped, "&#{};", u32::from(c))),
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_form() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let table: [(&str, Option<Pairs<'_>>); 6] = [
            ("", Some(&[])),
            ("a=b&c", Some(&[("a", "b"), ("c", "")])),
            ("a+b=%3D+%26&&=x", Some(&[("a b", "= &"), ("", "x")])),
            ("a=%C3%A9%0D%0A", Some(&[("a", "é\r\n")])),
            ("a=%zz%&b=%4", Some(&[("a", "%zz%"), ("b", "%4")])),
            ("a=%FF", None),
        ];
        for (text, expected) in table {
            let found: Option<Vec<_>> = fields(text).collect();
            let found = found.as_ref().map(|found| {
                let pairs = found.iter().map(|(name, value)| (&**name, &**value));
                pairs.collect::<Vec<_>>()
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn escaped_text_contains_no_markup() {
        let markup = "é</script><b a='1' b=\"2\">&amp;";
        let escaped = "é&lt;/script&gt;&lt;b a=&#39;1&#39; b=&#34;2&#34;&gt;&amp;amp;";
        assert_eq!(escape(markup), escaped);
        assert_eq!(escape("\n\tb\r\0\u{85}"), "\n\tb\u{FFFD}\u{FFFD}\u{FFFD}");
    }
}
