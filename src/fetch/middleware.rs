//! A `ureq::Agent` that puts the credential on every request, for code that wants one.

use std::io::Read as _;

use ureq::http::{Method, Request, Response, Uri};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{Body, SendBody};

use crate::error::{NexusError, Result};
use crate::fetch::caller::Caller;
use crate::fetch::options;
use crate::flights::Source;
use crate::header;
use crate::token::CachedToken;
use crate::transport;

/// An agent with the settings, the connections and the resolver of the client's own.
pub(crate) fn authenticated_agent(caller: Caller) -> ureq::Agent {
    let gateway = &caller.flights.gateway;
    let config = config_like(&gateway.transport.config(gateway.timeout));
    transport::without_connections(config.middleware(Injector(caller)).build())
}

type Builder = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

/// The same settings: those of a single request are made from them, and requests of other settings
/// could not share the client's connections.
fn config_like(config: &ureq::config::Config) -> Builder {
    let timeouts = config.timeouts();
    let builder = ureq::Agent::config_builder()
        .http_status_as_error(config.http_status_as_error())
        .https_only(config.https_only())
        .ip_family(config.ip_family())
        .proxy(config.proxy().cloned())
        .no_delay(config.no_delay())
        .max_redirects(0)
        .save_redirect_history(config.save_redirect_history())
        .user_agent(config.user_agent().clone())
        .accept(config.accept().clone())
        .accept_encoding(config.accept_encoding().clone())
        .max_response_header_size(config.max_response_header_size())
        .input_buffer_size(config.input_buffer_size())
        .output_buffer_size(config.output_buffer_size())
        .allow_non_standard_methods(true)
        .max_idle_age(config.max_idle_age())
        .timeout_global(timeouts.global)
        .timeout_per_call(timeouts.per_call)
        .timeout_resolve(timeouts.resolve)
        .timeout_connect(timeouts.connect)
        .timeout_send_request(timeouts.send_request)
        .timeout_await_100(timeouts.await_100)
        .timeout_send_body(timeouts.send_body)
        .timeout_recv_response(timeouts.recv_response)
        .timeout_recv_body(timeouts.recv_body)
        .timeout_per_read(config.timeout_per_read())
        .timeout_per_write(config.timeout_per_write());
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let builder = builder.tls_config(config.tls_config().clone());
    builder
}

/// Resolves, checks and injects; the client's agent then sends.
struct Injector(Caller);

impl Middleware for Injector {
    fn handle(
        &self,
        request: Request<SendBody<'_>>,
        _: MiddlewareNext<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        match *request.method() {
            Method::GET | Method::HEAD => return self.send_replayable(request),
            Method::CONNECT | Method::TRACE => return Err(other(options::no_credential())),
            _ => {}
        }
        let (token, source) = self.0.get_token().map_err(other)?;
        let response = self.send_streaming(request, &token);
        if source == Source::Cache && is_401(&response) {
            self.0.discard(&token);
        }
        response
    }
}

impl Injector {
    /// The body of a `GET`, if it has one at all, is small: it is kept for a replay.
    fn send_replayable(
        &self,
        request: Request<SendBody<'_>>,
    ) -> Result<Response<Body>, ureq::Error> {
        let (parts, body) = request.into_parts();
        let mut kept = Vec::new();
        body.into_reader().read_to_end(&mut kept)?;
        let request = |parts| Request::from_parts(parts, ());
        let (token, source) = self.0.get_token().map_err(other)?;
        let response = self.send_kept(request(parts.clone()), &kept, &token);
        if !is_401(&response) {
            return response;
        }
        let refused = (&token, source);
        let deadline = self.0.flights.gateway.longest_call();
        let fresh = self.0.replacement(refused, deadline);
        match fresh.map_err(other)? {
            Some(fresh) => self.send_kept(request(parts), &kept, &fresh),
            None => response,
        }
    }

    fn send_kept(
        &self,
        mut request: Request<()>,
        kept: &[u8],
        token: &CachedToken,
    ) -> Result<Response<Body>, ureq::Error> {
        let target = self.target(request.uri(), token).map_err(other)?;
        let method = request.method().clone();
        token
            .authorize(&method, &target, request.headers_mut(), kept)
            .map_err(other)?;
        if kept.is_empty() {
            return self.run(request, target);
        }
        self.run(request.map(|()| kept), target)
    }

    /// A body that streams cannot be signed.
    fn send_streaming(
        &self,
        mut request: Request<SendBody<'_>>,
        token: &CachedToken,
    ) -> Result<Response<Body>, ureq::Error> {
        let target = self.target(request.uri(), token).map_err(other)?;
        if let Some((name, value)) = token.to_header().map_err(other)? {
            header::put(request.headers_mut(), name, value).map_err(other)?;
        }
        self.run(request, target)
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        mut request: Request<B>,
        target: Uri,
    ) -> Result<Response<Body>, ureq::Error> {
        *request.uri_mut() = target;
        self.0.flights.gateway.transport.pass_on(request)
    }

    fn target(&self, requested: &Uri, token: &CachedToken) -> Result<Uri> {
        let requested = requested.to_string();
        let checked = self.0.check_url(&requested)?;
        self.0.target(&requested, checked, token)
    }
}

fn is_401(response: &Result<Response<Body>, ureq::Error>) -> bool {
    match response {
        Ok(response) => response.status() == 401,
        Err(ureq::Error::StatusCode(status)) => *status == 401,
        Err(_) => false,
    }
}

fn other(error: NexusError) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}
