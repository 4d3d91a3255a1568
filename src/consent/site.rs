//! The addresses that one listener serves.

use std::net::TcpStream;
use std::sync::Arc;

use parking_lot::Mutex;
use ureq::http::StatusCode;
use ureq::http::header::HOST;

use super::credential_page::CredentialPage;
use super::page;
use crate::loopback::{Request, Response, Service, field};
use crate::wait::browser::BrowserReturns;

/// The maximum number of forms. A further form replaces the oldest.
const MAX_FORMS: usize = 8;

/// Serves the return URL and the forms, all at random paths.
pub(super) struct Site {
    /// The only accepted `Host`. Another host name can point to this computer (DNS rebinding).
    pub(super) authority: String,
    pub(super) return_path: String,
    pub(super) returns: Arc<BrowserReturns>,
    pub(super) forms: Mutex<Vec<Arc<CredentialPage>>>,
}

impl Site {
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(super) fn add(&self, form: CredentialPage) {
        let mut forms = self.forms.lock();
        if forms.len() >= MAX_FORMS {
            forms.remove(0);
        }
        forms.push(Arc::new(form));
    }

    fn route(&self, request: &Request) -> Response {
        let host = request.headers().get(HOST);
        if host.is_none_or(|host| *host != self.authority) {
            return page::not_found();
        }
        let path = request.uri().path();
        if path == self.return_path && request.method() == "GET" {
            return self.returned(request.uri().query().unwrap_or_default());
        }
        let forms = self.forms.lock();
        let form = forms.iter().find(|form| form.path == path).cloned();
        drop(forms);
        match form {
            Some(form) => form.respond(request, &self.origin()),
            None => page::not_found(),
        }
    }

    fn returned(&self, query: &str) -> Response {
        let stated_id = field(query, "connection_id").filter(|id| !id.is_empty());
        let Some(id) = stated_id.filter(|id| self.returns.use_return_url(id)) else {
            return page::not_found();
        };
        let provider = field(query, "provider").filter(|provider| !provider.is_empty());
        let mut page = match field(query, "status").as_deref() {
            None | Some("success" | "active") => page::connected(provider.as_deref()),
            Some(_) => page::not_connected(),
        };
        page.on_sent = Some(self.returns.notifier(id));
        page
    }
}

impl Service for Site {
    fn respond(&self, request: Request, _: &TcpStream) -> Option<Response> {
        Some(self.route(&request))
    }

    fn refuse(&self, status: StatusCode) -> Response {
        page::refused(status.as_u16())
    }
}
