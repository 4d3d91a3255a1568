//! A `ureq::Agent` that puts the credential on every request.

use std::io::Read as _;

use ureq::http::request::Parts;
use ureq::http::{Method, Request, Response};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{AsSendBody, Body, SendBody};

use crate::error::{NexusError, Result};
use crate::fetch::access::Access;
use crate::fetch::options;
use crate::flights::Source;
use crate::token::CachedToken;

/// Builds an agent that passes each request, with the credential, to the client's own agent.
pub(crate) fn authenticated_agent(access: Access) -> ureq::Agent {
    let client = &access.client;
    let config = client.transport.config();
    let timeouts = config.timeouts();
    // ureq cannot add a middleware to an existing `Config`, so the settings are copied. They apply to every request of
    // the new agent. A pooled connection of the client is used only if TLS, IP family, `no_delay`, buffer sizes,
    // `User-Agent` and proxy are the same as the client's.
    let builder = ureq::Agent::config_builder()
        .http_status_as_error(config.http_status_as_error())
        .https_only(config.https_only())
        .ip_family(config.ip_family())
        .proxy(config.proxy().cloned())
        .user_agent(config.user_agent().clone())
        .no_delay(config.no_delay())
        .input_buffer_size(config.input_buffer_size())
        .output_buffer_size(config.output_buffer_size())
        .max_idle_age(config.max_idle_age())
        .max_redirects(0)
        .allow_non_standard_methods(true)
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
        options::check_method(request.method().as_str()).map_err(other)?;
        let requested = request.uri().to_string();
        self.0.check_url(&requested).map_err(other)?;
        let (parts, body) = request.into_parts();
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return self.exchange(parts, body, false);
        }
        // Only reading a body shows whether it is empty. GET and HEAD requests rarely have a body, so reading it
        // into memory costs little.
        let mut sent = Vec::new();
        body.into_reader().read_to_end(&mut sent)?;
        if sent.is_empty() {
            self.exchange(parts, SendBody::none(), true)
        } else {
            self.exchange(parts, &*sent, false)
        }
    }
}

impl Injector {
    /// Sends a request. After a 401 for a cached token, repeats a GET or HEAD without a body, with another token.
    /// Other requests may have a stream as their body, which can be neither signed nor sent twice.
    fn exchange<B: AsSendBody>(
        &self,
        request: Parts,
        body: B,
        is_empty: bool,
    ) -> Result<Response<Body>, ureq::Error> {
        let deadline = || self.0.longest_call();
        let (token, source) = self.0.token(deadline()).map_err(other)?;
        if !is_empty {
            token.to_header().map_err(other)?;
        }
        let response = self.send(request.clone(), body, &token);
        let is_401 = match &response {
            Ok(response) => response.status() == 401,
            Err(error) => matches!(error, ureq::Error::StatusCode(401)),
        };
        if source != Source::Cache || !is_401 {
            return response;
        }
        if !is_empty {
            self.0.discard(&token);
            return response;
        }
        match self.0.replacement(&token, deadline()).map_err(other)? {
            Some(fresh) => self.send(request, SendBody::none(), &fresh),
            None => response,
        }
    }

    fn send<B: AsSendBody>(
        &self,
        mut request: Parts,
        body: B,
        token: &CachedToken,
    ) -> Result<Response<Body>, ureq::Error> {
        self.authorize(&mut request, token).map_err(other)?;
        let request = Request::from_parts(request, body);
        self.0.client.transport.pass_on(request)
    }

    fn authorize(&self, request: &mut Parts, token: &CachedToken) -> Result<()> {
        let requested = request.uri.to_string();
        request.uri = self.0.check_url(&token.target(&requested)?)?;
        token.authorize(&request.method, &request.uri, &mut request.headers, b"")
    }
}

fn other(error: NexusError) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}
