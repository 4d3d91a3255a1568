//! Pieces of JSON as they stand in the text.
//!
//! `serde_json` reads an integer beyond 64 bits as a float; an id has to be echoed digit by digit.

/// The members of an object, or the elements of an array, of a text that is known to be JSON.
pub(crate) fn pieces(json: &str) -> impl Iterator<Item = &str> {
    let inner = json.trim();
    let inner = inner
        .get(1..inner.len().saturating_sub(1))
        .unwrap_or_default();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let pieces = inner.split(move |character| {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' => depth = depth.saturating_add(1),
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' => return depth == 0,
            _ => {}
        }
        false
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty())
}

/// The value of a member; of several with one name, the last, as `serde_json` has it.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let value = |piece: &'a str| {
        let rest = piece
            .strip_prefix('"')?
            .strip_prefix(name)?
            .strip_prefix('"')?;
        rest.trim_start().strip_prefix(':').map(str::trim)
    };
    pieces(object).filter_map(value).last()
}
