//! A response without the credentials that were used to get it.

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use crate::hiding::{MIN_LENGTH, Secrets};
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
        let headers = headers.map(|value| value.as_bytes().to_vec());
        for text in token.secrets(None).into_iter().chain(headers) {
            if text.len() >= MIN_LENGTH {
                self.0.add(&text);
            }
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
