//! Makes text from other sources safe to print on a terminal.

use std::fmt::{Display, Write as _};

/// The text on one line. Control characters become spaces; characters that hide or reorder text
/// become U+FFFD.
pub(crate) fn one_line(text: impl Display) -> String {
    let shown = |c: char| match c {
        c if c.is_control() => ' ',
        c if is_hidden(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.to_string().trim_end().chars().map(shown).collect()
}

/// JSON in which characters that hide or reorder text are `\u` escapes, which parse to the same text.
pub(crate) fn visible_json(json: impl Display) -> String {
    let mut visible = String::new();
    for c in json.to_string().chars() {
        if !is_hidden(c) {
            visible.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(visible, "\\u{unit:04x}");
        }
    }
    visible
}

/// Bidirectional controls, zero-width characters, line separators and tags.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
