//! A `ureq::Agent` that puts the credential on every request.

use std::io::Read as _;
use std::sync::Arc;

use ureq::http::request::Parts;
use ureq::http::{Method, Request, Response};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{Body, SendBody};

use crate::error::{NexusError, Result};
use crate::fetch::access::Access;
use crate::fetch::options;
use crate::resolve::Source;
use crate::slot;
use crate::token::CachedToken;

/// Builds an agent that passes each request, with the credential, to the client's own agent.
pub(super) fn authenticated_agent(access: Access) -> ureq::Agent {
    let client = &access.client;
    let transport = &client.gateway.transport;
    let config = transport.config();
    let timeouts = config.timeouts();
    // ureq cannot add a middleware to an existing `Config`, so the settings are copied. They apply to every request of
    // the new agent. A pooled connection of the client is used only if TLS, IP family, `no_delay`, buffer sizes,
    // `User-Agent` and proxy are the same as the client's.
    let builder = ureq::Agent::config_builder()
        .http_status_as_error(!transport.has_callers_agent || config.http_status_as_error())
        .https_only(config.https_only())
        .ip_family(config.ip_family())
        .proxy(config.proxy().cloned())
        .user_agent(config.user_agent().clone())
        .accept_encoding(config.accept_encoding().clone())
        .no_delay(config.no_delay())
        .input_buffer_size(config.input_buffer_size())
        .output_buffer_size(config.output_buffer_size())
        .max_idle_age(config.max_idle_age())
        .timeout_global(timeouts.global)
        .timeout_resolve(timeouts.resolve)
        .timeout_connect(timeouts.connect)
        .timeout_recv_response(timeouts.recv_response)
        .timeout_per_read(config.timeout_per_read())
        .timeout_per_write(config.timeout_per_write());
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let builder = builder.tls_config(config.tls_config().clone());
    builder.middleware(Injector(access)).build().new_agent()
}

struct Injector(Access);

impl Middleware for Injector {
    fn handle(
        &self,
        request: Request<SendBody<'_>>,
        _: MiddlewareNext<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        let (mut parts, body) = request.into_parts();
        let to_ureq =
            |error: NexusError| ureq::Error::Other(Box::new(error.about(&self.0.subject())));
        let (token, source) = self.authorize(&mut parts).map_err(to_ureq)?;
        let client = &self.0.client;
        let response = if let Err(problem) = token.to_header() {
            // A signature covers the body, which may be a stream. Only reading shows whether the body is empty.
            let is_read = matches!(parts.method, Method::GET | Method::HEAD);
            if !is_read || body.into_reader().read(&mut [0])? > 0 {
                return Err(to_ureq(problem));
            }
            let request = Request::from_parts(parts, SendBody::none());
            client.gateway.transport.pass_on(request, &to_ureq)
        } else {
            let request = Request::from_parts(parts, body);
            client.gateway.transport.pass_on(request, &to_ureq)
        };
        let status = match &response {
            Ok(response) => response.status().as_u16(),
            Err(ureq::Error::StatusCode(status)) => *status,
            Err(_) => 0,
        };
        if source == Source::Cache && slot::is_refusal(status) {
            // The body may be a stream, so only the next request is sent with the new token. Meanwhile, the time limits of
            // the response's body keep running, so the wait is short.
            let deadline = client.stale_deadline(client.gateway.longest_call());
            let _ = self.0.replacement(&token, status, deadline);
        }
        response
    }
}

impl Injector {
    /// Puts the credential on a request. Returns the token and its source.
    fn authorize(&self, request: &mut Parts) -> Result<(Arc<CachedToken>, Source)> {
        options::check_method(request.method.as_str())?;
        let requested = self.0.absolute(request.uri.to_string().into())?;
        self.0.check_url(&requested)?;
        let (token, source) = self.0.token(self.0.client.gateway.longest_call())?;
        request.uri = self.0.check_url(&token.target(&requested)?)?;
        token.authorize(&request.method, &request.uri, &mut request.headers, b"")?;
        Ok((token, source))
    }
}
