//! Credentials that sign a request and are not sent: an HMAC of the body, and AWS Signature
//! Version 4. Pure functions; the time is passed in.

use std::fmt::Write as _;

use hmac::digest::common::Key;
use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

use crate::base64::base64;

pub(crate) mod sigv4;
#[cfg(test)]
mod tests;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha256,
    Sha1,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Hex,
    Base64,
}

/// The HMAC (RFC 2104) of a payload, as text.
pub(crate) fn hmac(digest: Digest, encoding: Encoding, secret: &[u8], payload: &[u8]) -> String {
    let mac = match digest {
        Digest::Sha256 => mac::<Sha256>(secret, payload),
        Digest::Sha1 => mac::<Sha1>(secret, payload),
    };
    match encoding {
        Encoding::Hex => hex(&mac),
        Encoding::Base64 => base64(&mac),
    }
}

/// The key is filled up to a whole block here (RFC 2104 section 2), because the constructor for
/// whole blocks is the one that cannot fail.
fn mac<D: EagerHash>(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut block = Key::<Hmac<D>>::default();
    let digest = (key.len() > block.len()).then(|| D::digest(key));
    let key = digest.as_deref().unwrap_or(key);
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mac = Hmac::<D>::new(&block).chain_update(payload);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
