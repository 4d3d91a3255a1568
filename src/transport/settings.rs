//! The settings of requests: those of the SDK's own agent, and the time limits of each phase.

use std::time::Duration;

use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::typestate::{AgentScope, HttpCrateScope};
use ureq::{Proxy, ProxyProtocol};

use crate::error::NexusError;
use crate::url;

/// The time limit of a first try to connect. ureq spends at least half of the limit on a first address that does not
/// respond, so a short first try leaves time for the next addresses.
const FIRST_CONNECT: Duration = Duration::from_secs(4);
/// The size of each of ureq's two buffers for a connection, in bytes. ureq clears both for each connection, and its
/// default is 128 KiB. The head of a request and that of a response, of up to 64 KiB, each have to fit into a buffer.
const BUFFER: usize = 72 * 1024;

pub(super) type RequestConfig<B> = ConfigBuilder<HttpCrateScope<B>>;

/// The time limits of a request's phases. ureq checks each phase by itself. Its limit for a whole request would start a
/// thread for each request, even on a pooled connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    connect: Duration,
    send: Duration,
    head: Duration,
    body: Duration,
    /// The limit of each read and write.
    each: Duration,
}

impl Limits {
    /// Returns the limits of a usual request: each phase may take all the time that is left. The phases are a 32nd
    /// longer than a single read or write, so that ureq rarely repeats the system call that sets a socket's time limit.
    pub(super) fn within(left: Duration) -> Self {
        let phase = left.saturating_add(left.div_f64(32.0));
        Self {
            connect: left.min(FIRST_CONNECT),
            send: phase,
            head: phase,
            body: phase,
            each: left,
        }
    }

    /// Returns the limits of a second try to connect. A request that may refresh a token gives up sooner, after 4 s of a
    /// minute, because other processes wait for its lock.
    pub(super) fn of_second_try(left: Duration, may_refresh: bool) -> Self {
        let connect = if may_refresh {
            left.div_f64(15.0).max(FIRST_CONNECT)
        } else {
            left
        };
        Self {
            connect,
            ..Self::within(left)
        }
    }

    /// Returns the limits, each as short as the caller's own agent has it.
    pub(super) fn as_short_as(self, agent: &Config) -> Self {
        let own = agent.timeouts();
        let shorter = |own: Option<Duration>, limit| own.unwrap_or(limit).min(limit);
        let each = shorter(agent.timeout_per_read(), self.each);
        Self {
            connect: shorter(own.connect, self.connect),
            send: shorter(own.send_request, shorter(own.send_body, self.send)),
            head: shorter(own.recv_response, self.head),
            body: shorter(own.recv_body, self.body),
            each: shorter(agent.timeout_per_write(), each),
        }
    }
}

/// Sets the time limits of an agent or a request.
macro_rules! limited {
    ($config:expr, $limits:expr) => {
        $config
            .timeout_connect(Some($limits.connect))
            .timeout_send_request(Some($limits.send))
            .timeout_send_body(Some($limits.send))
            .timeout_recv_response(Some($limits.head))
            .timeout_recv_body(Some($limits.body))
            .timeout_per_read(Some($limits.each))
            .timeout_per_write(Some($limits.each))
    };
}

/// Returns the settings of an agent with this timeout for each request. The pool is sized for many threads that send
/// requests to a few hosts.
pub(super) fn of_agent(timeout: Duration) -> ConfigBuilder<AgentScope> {
    limited!(basic(), Limits::within(timeout))
}

/// Returns the settings of an authenticated agent. They limit the time to connect, the time to receive the response's
/// head, and each read and write. They do not limit the whole exchange, because a streamed body may take a long time.
pub(super) fn streaming(timeout: Duration) -> ConfigBuilder<AgentScope> {
    let limit = Some(timeout);
    basic()
        .http_status_as_error(true)
        .timeout_connect(limit)
        .timeout_recv_response(limit)
        .timeout_per_read(limit)
        .timeout_per_write(limit)
}

fn basic() -> ConfigBuilder<AgentScope> {
    let config = ureq::Agent::config_builder()
        .user_agent(crate::header::USER_AGENT)
        .max_idle_connections(64)
        .max_idle_connections_per_host(16)
        .max_idle_age(Duration::from_secs(60))
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls());
    config
}

/// Returns TLS settings that use the features `native-tls` and `platform-verifier` if they are enabled. By default,
/// ureq uses neither.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls() -> ureq::tls::TlsConfig {
    let builder = ureq::tls::TlsConfig::builder();
    #[cfg(feature = "native-tls")]
    let builder = builder.provider(ureq::tls::TlsProvider::NativeTls);
    #[cfg(feature = "platform-verifier")]
    let builder = builder.root_certs(ureq::tls::RootCerts::PlatformVerifier);
    builder.build()
}

/// Applies the settings that every request needs, whichever agent sends it.
pub(super) fn of_every_request<B: ureq::AsSendBody>(
    config: RequestConfig<B>,
    url: &Uri,
) -> RequestConfig<B> {
    // If ureq followed redirects, it would forward a credential in a custom header to other origins.
    let config = config.max_redirects(0).allow_non_standard_methods(true);
    if url::is_loopback(url) {
        // Plain http to loopback is allowed because it does not leave this machine, so no proxy may see it.
        return config.proxy(None);
    }
    config
}

/// Applies the settings and time limits of one request. With `keeps_whole`, also keeps the limits for a whole request
/// that the caller's own agent may have.
pub(super) fn of_request(
    config: RequestConfig<()>,
    url: &Uri,
    limits: Limits,
    keeps_whole: bool,
) -> RequestConfig<()> {
    let config = of_every_request(config, url).http_status_as_error(false);
    let config = limited!(config, limits);
    if keeps_whole {
        return config;
    }
    config
        .timeout_global(None)
        .timeout_per_call(None)
        .timeout_resolve(None)
}

/// Refuses a SOCKS proxy in a build without `socks-proxy`, because ureq would bypass the proxy or panic.
pub(super) fn check_proxy(config: &Config) -> Result<(), NexusError> {
    let protocol = config.proxy().map(Proxy::protocol);
    let is_http = matches!(
        protocol,
        None | Some(ProxyProtocol::Http | ProxyProtocol::Https)
    );
    if is_http || cfg!(feature = "socks-proxy") {
        return Ok(());
    }
    let is_from_env = config.proxy().is_some_and(Proxy::is_from_env);
    // ureq does not tell which of the variables it has read.
    let place = if is_from_env {
        "environment variable ALL_PROXY, HTTPS_PROXY or HTTP_PROXY"
    } else {
        "agent"
    };
    let problem = "a SOCKS proxy needs this crate's feature `socks-proxy`; enable it, or use an http:// proxy";
    Err(NexusError::invalid_input(place, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_try_to_connect_has_the_time_that_is_left_or_a_15th_of_it_if_others_wait() {
        for (left, may_refresh, connect) in [(60, false, 60), (60, true, 4), (300, true, 20)] {
            let limits = Limits::of_second_try(Duration::from_secs(left), may_refresh);
            assert_eq!(
                limits.connect,
                Duration::from_secs(connect),
                "{left} s, {may_refresh}"
            );
            assert_eq!(limits.each, Duration::from_secs(left));
        }
    }

    #[test]
    fn a_usual_request_keeps_the_time_limit_of_its_socket() {
        for seconds in [1, 30, 300] {
            let whole = Duration::from_secs(seconds);
            let limits = Limits::within(whole);
            assert_eq!(limits.each, whole);
            assert!(limits.head > whole && limits.head < whole + whole / 16);
            assert_eq!(limits.connect, whole.min(Duration::from_secs(4)));
        }
        let longest = Limits::within(Duration::MAX);
        assert_eq!(longest.body, Duration::MAX);
    }
}
