//! What a connection hands out.

use serde_json::{Map, Value};

/// A credential that was handed out.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) fields: Map<String, Value>,
    /// When it stops working at the upstream, in milliseconds since 1970; static ones never do by themselves.
    pub(super) expires: Option<u64>,
}

impl Credential {
    pub(super) fn works_at(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }
}
