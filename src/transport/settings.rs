//! The settings of requests: those of the SDK's own agent, and the time limits of each phase.

use std::time::Duration;

use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::{AgentScope, HttpCrateScope};

/// The longest time for connecting, including TLS and the proxy, unless the caller's own agent has a limit. (In an
/// authenticated agent, connecting may take the client's timeout.) If the first of several addresses does not respond,
/// ureq spends more than half of this time on it.
const MAX_CONNECT: Duration = Duration::from_secs(8);
/// The size of each of ureq's two buffers for a connection, in bytes. ureq clears both for each connection, and its
/// default is 128 KiB. One buffer holds the head of a request, and the other the head of a response, each of up to 64 KiB.
const BUFFER: usize = 72 * 1024;

pub(super) type RequestConfig<B> = ConfigBuilder<HttpCrateScope<B>>;

/// The time limits of a request's phases. ureq checks the limit of each phase separately. Its limit for a whole request
/// would start a thread for each request, even on a pooled connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    connect: Duration,
    send: Duration,
    head: Duration,
    body: Duration,
    /// The limit of each read and write.
    read: Duration,
    write: Duration,
}

impl Limits {
    /// Returns the limits of a request. Each phase may take all the time that is left, but connecting at most 8 s. A
    /// shorter limit of the caller's `own` agent replaces the limit of a phase. The agent's limit for connecting
    /// replaces the 8 s even if it is longer, but never exceeds the time that is left. The other phases are a 32nd
    /// longer than a single read or write, so that ureq rarely repeats the system call that sets a socket's time limit.
    pub(super) fn within(left: Duration, own: Option<&Config>) -> Self {
        let phase = left.saturating_add(left.div_f64(32.0));
        let phases = own.map(Config::timeouts).unwrap_or_default();
        let least = |limit: Duration, own: Option<Duration>| own.unwrap_or(limit).min(limit);
        Self {
            connect: phases.connect.unwrap_or(MAX_CONNECT).min(left),
            send: least(least(phase, phases.send_request), phases.send_body),
            head: least(phase, phases.recv_response),
            body: least(phase, phases.recv_body),
            read: least(left, own.and_then(Config::timeout_per_read)),
            write: least(left, own.and_then(Config::timeout_per_write)),
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
            .timeout_per_read(Some($limits.read))
            .timeout_per_write(Some($limits.write))
    };
}

/// Returns the settings of an agent with this timeout for each request. The pool is sized for many threads that send
/// requests to a few hosts.
pub(super) fn of_agent(timeout: Duration) -> ConfigBuilder<AgentScope> {
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
    limited!(config, Limits::within(timeout, None))
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
pub(super) fn of_every_request<B: ureq::AsSendBody>(config: RequestConfig<B>) -> RequestConfig<B> {
    // If ureq followed redirects, it would forward a credential in a custom header to other origins.
    config.max_redirects(0).allow_non_standard_methods(true)
}

/// Applies the settings and time limits of one request. With `keeps_whole`, also keeps the limits for the whole
/// request, and for the lookup of the host, that the caller's own agent may have.
pub(super) fn of_request(
    config: RequestConfig<()>,
    limits: Limits,
    keeps_whole: bool,
) -> RequestConfig<()> {
    let config = of_every_request(config).http_status_as_error(false);
    let config = limited!(config, limits);
    if keeps_whole {
        return config;
    }
    config
        .timeout_global(None)
        .timeout_per_call(None)
        .timeout_resolve(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_request_keeps_the_time_limit_of_its_socket() {
        for seconds in [1, 30, 300] {
            let whole = Duration::from_secs(seconds);
            let limits = Limits::within(whole, None);
            assert_eq!((limits.read, limits.write), (whole, whole));
            assert!(limits.head > whole && limits.head < whole + whole / 16);
            assert_eq!(limits.connect, whole.min(Duration::from_secs(8)));
        }
        let longest = Limits::within(Duration::MAX, None);
        assert_eq!(longest.body, Duration::MAX);
    }

    #[test]
    fn an_agent_of_the_callers_keeps_its_limits_up_to_the_deadline() {
        const fn secs(seconds: u64) -> Duration {
            Duration::from_secs(seconds)
        }
        // (the agent's limit, time left, connecting, every other phase)
        let table = [(1, 30, 1, 1), (20, 30, 20, 20), (60, 30, 30, 30)];
        for (own, left, connect, phase) in table {
            let own = Some(secs(own));
            let agent = ureq::Agent::config_builder()
                .timeout_connect(own)
                .timeout_send_request(own)
                .timeout_recv_response(own)
                .timeout_recv_body(own)
                .timeout_per_read(own)
                .timeout_per_write(own)
                .build();
            let limits = Limits::within(secs(left), Some(&agent));
            assert_eq!(limits.connect, secs(connect), "{own:?}");
            let Limits {
                send, head, body, ..
            } = limits;
            let phases = [send, head, body, limits.read, limits.write];
            let whole = phases.map(|limit| limit.as_secs());
            assert_eq!(whole, [phase; 5], "{own:?}");
        }
        let send_body = ureq::Agent::config_builder().timeout_send_body(Some(secs(2)));
        let limits = Limits::within(secs(30), Some(&send_body.build()));
        assert_eq!((limits.send, limits.connect), (secs(2), secs(8)));
    }
}
