//! Makes text from other sources safe to print on a terminal.

use std::fmt::Display;

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

/// Returns whether a character is a bidirectional control, a line or paragraph separator, or an invisible character,
/// such as a zero-width space or a tag character.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
