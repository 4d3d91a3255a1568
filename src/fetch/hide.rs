//! A response without the credentials that were used to get it.

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use crate::base64;
use crate::hiding::{MIN_LENGTH, Secrets};
use crate::strategy::Place;
#[cfg(feature = "signing")]
use crate::strategy::Signature;
use crate::token::CachedToken;
use crate::transport::Response;

/// What stands for a credential.
const STAND_IN: &str = "[credential]";

/// What a call has sent in confidence.
#[derive(Default)]
pub(super) struct Sent(Secrets);

impl Sent {
    /// Notes the credential of an attempt, and the headers that carry it.
    pub(super) fn note(&mut self, token: &CachedToken, headers: &HeaderMap) {
        let headers = headers.values().filter(|value| value.is_sensitive());
        let mut texts: Vec<&[u8]> = headers.map(HeaderValue::as_bytes).collect();
        texts.push(token.access_token.as_bytes());
        match &token.place {
            Place::Path(named) => texts.extend(named.iter().map(|(_, value)| value.as_bytes())),
            #[cfg(feature = "signing")]
            Place::Signature(Signature::Aws(keys)) => {
                texts.push(keys.access_key.as_bytes());
                texts.extend(keys.session_token.iter().map(String::as_bytes));
            }
            _ => {}
        }
        // What the base64 of Basic says: the pair, the name and the password (RFC 7617 section 2);
        // and itself without the padding, which some leave out.
        let is_basic = token.value_prefix.trim_end().eq_ignore_ascii_case("basic");
        let pair = is_basic.then(|| base64::decoded(&token.access_token).unwrap_or_default());
        if let Some(pair) = &pair {
            texts.push(pair);
            texts.extend(pair.splitn(2, |byte| *byte == b':'));
            texts.push(token.access_token.trim_end_matches('=').as_bytes());
        }
        for text in texts.into_iter().filter(|text| text.len() >= MIN_LENGTH) {
            self.0.add(text);
        }
    }

    /// Takes it out of the response.
    pub(super) fn hide(self, response: &mut Response) {
        let Self(secrets) = self;
        for value in response.headers.values_mut() {
            let hidden = secrets.hidden(value.as_bytes(), STAND_IN);
            if let Some(hidden) = hidden.and_then(|hidden| HeaderValue::try_from(hidden).ok()) {
                *value = hidden;
            }
        }
        if let Some(hidden) = secrets.hidden(&response.body, STAND_IN) {
            response.body = hidden;
            if let Some(length) = response.headers.get_mut(CONTENT_LENGTH) {
                *length = response.body.len().into();
            }
        }
    }
}
