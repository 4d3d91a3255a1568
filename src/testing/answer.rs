//! An answer, before it becomes bytes.

use serde_json::{Value, json};
use ureq::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// The status, the headers and the body of an answer.
pub(super) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A status outside of 100..=999 becomes 500: there is no way to send it.
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let answer = Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Vec::new(),
            body: body.into(),
        };
        answer.header(CONTENT_TYPE, content_type)
    }

    /// Adds a header; a value that no header can hold is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, TEXT, "")
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"error": code, "message": message}))
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, TEXT, "404 page not found\n")
    }

    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        Self::empty(405).header(ALLOW, allowed)
    }

    /// The status line and the headers.
    pub(super) fn head(&self, date: &str) -> Response<()> {
        let mut head = Response::new(());
        *head.status_mut() = self.status;
        let headers = head.headers_mut();
        headers.extend(self.headers.iter().cloned());
        insert(headers, DATE, date);
        if self.may_have_body() {
            insert(headers, CONTENT_LENGTH, &self.body.len().to_string());
        }
        head
    }

    fn may_have_body(&self) -> bool {
        let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        !self.status.is_informational() && !bodiless.contains(&self.status)
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
