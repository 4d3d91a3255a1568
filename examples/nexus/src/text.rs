//! Prints lines to stderr, and makes text from other sources safe to print on a terminal and to copy from there into a
//! shell.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use crate::streams;

/// Prints a line to stderr. Ignores errors, because the program goes on even if stderr is closed.
pub(crate) fn say(line: &str) {
    // A single write keeps the line in one piece.
    let _ = streams::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Returns the string as one line. Control characters become spaces, and characters that hide or
/// reorder text become U+FFFD.
pub(crate) fn one_line(text: impl Display) -> String {
    let shown = |c: char| match c {
        c if c.is_control() => ' ',
        c if is_hidden(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.to_string().trim_end().chars().map(shown).collect()
}

/// Quotes a word for a POSIX shell, as part of a command line that the user may copy.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Escapes characters that reorder text, line and paragraph separators, and control characters other than line breaks
/// and tabs. The escapes are those of JSON, such as `\u001b`, so the strings in JSON keep their values. Some programs, such
/// as those in Node 24 or Python, also end a line at a separator or at U+0085.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let is_separator = matches!(c, '\u{2028}' | '\u{2029}');
        if is_separator || reorders(c) || (c.is_control() && !matches!(c, '\n' | '\t')) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns whether a character is a bidirectional control (Unicode Standard Annex #9, section 2).
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether a character is a bidirectional control, a line or paragraph separator, or an invisible character,
/// such as a zero-width space or a tag character.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
