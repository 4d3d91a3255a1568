//! What is served at which path.

use std::sync::Arc;

use parking_lot::Mutex;

use super::entry::Entry;
use super::http::{self, Request, Response};
use super::page;
use crate::arrivals::Arrivals;

/// As many forms as are served; with another, the oldest is gone.
const MAX_FORMS: usize = 8;

/// The paths of one listener. All of them are random; whoever asks for another learns nothing.
pub(super) struct Site {
    /// What the `Host` header has to be, against DNS rebinding.
    authority: String,
    return_path: String,
    arrivals: Arc<Arrivals>,
    forms: Mutex<Vec<Arc<Entry>>>,
}

impl Site {
    pub(super) fn new(authority: String, return_path: String, arrivals: Arc<Arrivals>) -> Self {
        Self {
            authority,
            return_path,
            arrivals,
            forms: Mutex::default(),
        }
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(super) fn add(&self, form: Entry) {
        let mut forms = self.forms.lock();
        if forms.len() >= MAX_FORMS {
            forms.remove(0);
        }
        forms.push(Arc::new(form));
    }

    /// The response, and the connection that a wait should look at after it.
    pub(super) fn respond(&self, request: &Request) -> (Response, Option<String>) {
        if request.header("host") != Some(&self.authority) {
            return (page::not_found(), None);
        }
        if request.path == self.return_path && request.method == "GET" {
            return self.returned(&request.query);
        }
        let forms = self.forms.lock();
        let form = forms.iter().find(|form| form.path == request.path).cloned();
        drop(forms);
        match form {
            Some(form) => form.respond(request, &self.origin()),
            None => (page::not_found(), None),
        }
    }

    pub(super) fn announce(&self, connection_id: String) {
        self.arrivals.announce(connection_id);
    }

    fn returned(&self, query: &str) -> (Response, Option<String>) {
        let fields = http::fields(query).unwrap_or_default();
        let value = |name: &str| {
            let field = fields.iter().find(|(own, _)| own == name);
            field.map(|(_, value)| value.as_str())
        };
        let connection_id = value("connection_id").filter(|id| !id.is_empty());
        let Some(connection_id) = connection_id.filter(|id| self.arrivals.claim(id)) else {
            return (page::not_found(), None);
        };
        let page = match value("status") {
            None | Some("success" | "active") => page::connected(),
            Some(_) => page::not_connected(),
        };
        (page, Some(connection_id.to_owned()))
    }
}
