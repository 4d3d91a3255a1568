//! A `ureq::Agent` that puts the credential on every request.

use std::io::Read as _;

use ureq::http::request::Parts;
use ureq::http::{Method, Request, Response};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{AsSendBody, Body, SendBody};

use crate::error::{NexusError, Result};
use crate::fetch::fetcher::Fetcher;
use crate::fetch::options;
use crate::flights::Source;
use crate::token::CachedToken;
use crate::transport;

/// Builds an agent that passes each request, with the credential, to the client's own agent.
pub(crate) fn authenticated_agent(fetcher: Fetcher) -> ureq::Agent {
    let gateway = &fetcher.flights.gateway;
    let config = config_like(&gateway.transport.config(gateway.timeout));
    transport::without_connections(config.middleware(Injector(fetcher)).build())
}

type Builder = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

/// Copies the settings that a connection depends on. With other settings, requests could not share the
/// client's connections. ureq cannot add a middleware to an existing `Config`.
fn config_like(config: &ureq::config::Config) -> Builder {
    let timeouts = config.timeouts();
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
    builder
}

struct Injector(Fetcher);

impl Middleware for Injector {
    fn handle(
        &self,
        request: Request<SendBody<'_>>,
        _: MiddlewareNext<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        options::check_method(request.method().as_str()).map_err(other)?;
        let requested = request.uri().to_string();
        self.0.check_url(&requested).map_err(other)?;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.exchange(request, None);
        }
        // Only reading the body shows whether it is empty. If a GET has a body, the body is small.
        let (parts, body) = request.into_parts();
        let mut sent = Vec::new();
        body.into_reader().read_to_end(&mut sent)?;
        if sent.is_empty() {
            self.exchange(Request::from_parts(parts.clone(), ()), Some(parts))
        } else {
            self.exchange(Request::from_parts(parts, &*sent), None)
        }
    }
}

impl Injector {
    /// Sends a request. After a 401 to a cached token, sends the request `again` with another token. A request
    /// with a body has no `again`, because the body may be a stream, which can be neither signed nor sent twice.
    fn exchange<B: AsSendBody>(
        &self,
        request: Request<B>,
        again: Option<Parts>,
    ) -> Result<Response<Body>, ureq::Error> {
        let deadline = || self.0.flights.gateway.longest_call();
        let (token, source) = self.0.token(deadline()).map_err(other)?;
        if again.is_none() {
            token.to_header().map_err(other)?;
        }
        let response = self.send(request, &token);
        if source != Source::Cache || !is_401(&response) {
            return response;
        }
        let Some(again) = again else {
            self.0.discard(&token);
            return response;
        };
        match self.0.replacement(&token, deadline()).map_err(other)? {
            Some(fresh) => self.send(Request::from_parts(again, ()), &fresh),
            None => response,
        }
    }

    fn send<B: AsSendBody>(
        &self,
        request: Request<B>,
        token: &CachedToken,
    ) -> Result<Response<Body>, ureq::Error> {
        let (mut parts, body) = request.into_parts();
        self.authorize(&mut parts, token).map_err(other)?;
        let transport = &self.0.flights.gateway.transport;
        transport.pass_on(Request::from_parts(parts, body))
    }

    fn authorize(&self, request: &mut Parts, token: &CachedToken) -> Result<()> {
        let requested = request.uri.to_string();
        request.uri = self.0.check_url(&token.target(&requested)?)?;
        token.authorize(&request.method, &request.uri, &mut request.headers, b"")
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
