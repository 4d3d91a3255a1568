//! The responses of the gateway and the sample upstream.

use serde_json::{Value, json};

pub(super) use crate::loopback::Response;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// An `Err` is a response too. It ends the handling of a request early.
pub(super) type Outcome = Result<Response, Response>;

impl Response {
    pub(super) fn status(&self) -> u16 {
        self.message.status().as_u16()
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
}
