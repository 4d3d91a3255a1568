//! A response, before it becomes bytes.

use serde_json::{Value, json};
use ureq::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use ureq::http::{self, HeaderMap, HeaderName, HeaderValue, StatusCode};

pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Both sides are responses; the error only ends the work early.
pub(super) type Outcome = Result<Response, Response>;

/// The status, the headers and the body of a response.
pub(super) struct Response {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// A status outside of 100..=999 becomes 500: there is no way to send it.
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let response = Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Vec::new(),
            body: body.into(),
        };
        response.header(CONTENT_TYPE, content_type)
    }

    /// Adds a header; a value that no header can hold is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
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

    pub(super) fn missing_fields(names: &str) -> Self {
        Self::error(400, "missing_fields", &format!("{names} are required"))
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, TEXT, "404 page not found\n")
    }

    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let mut response = Self::empty(405).header(ALLOW, allowed);
        response.headers.retain(|(name, _)| *name != CONTENT_TYPE);
        response
    }

    /// The status line and the headers.
    pub(super) fn head(&self, date: &str) -> http::Response<()> {
        let mut head = http::Response::new(());
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
