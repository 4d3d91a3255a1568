//! Base64 (RFC 4648 section 4), for credentials and signatures in headers.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = usize::try_from(group >> shift & 63)
                .ok()
                .and_then(|digit| ALPHABET.get(digit));
            let digit = digit.filter(|_| at <= chunk.len());
            text.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

/// Decodes text with or without padding. Returns `None` if a character is not in the alphabet.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    for digits in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut group = 0_u32;
        for at in 0..4 {
            let digit = digits.get(at).unwrap_or(&b'A');
            let value = ALPHABET.iter().position(|own| own == digit)?;
            group = group << 6 | u32::try_from(value).ok()?;
        }
        let bytes = group.to_be_bytes();
        decoded.extend(bytes.iter().skip(1).take(digits.len().saturating_sub(1)));
    }
    Some(decoded)
}
