//! The settings of requests: those of the SDK's own agent, and the time limits of each phase.

use std::time::Duration;

use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::{AgentScope, HttpCrateScope};

/// The longest time for connecting, including TLS and the proxy, unless the caller's own agent has a limit. If the first
/// of several addresses does not respond, ureq spends more than half of this time on it.
const MAX_CONNECT: Duration = Duration::from_secs(8);
/// The size of each of ureq's two buffers for a connection, in bytes. ureq clears both for each connection, and its
/// default is 128 KiB. One buffer holds the head of a request, and the other the head of a response, each of up to 64 KiB.
const BUFFER: usize = 72 * 1024;

pub(super) type RequestConfig<B> = ConfigBuilder<HttpCrateScope<B>>;

/// Sets the time limits of a request, or of an agent for requests that have `left` until their deadline. ureq checks the
/// limit of each phase separately. Its limit for a whole request would start a thread for each request, even on a pooled
/// connection.
///
/// Each phase may take all the time that is left, but connecting at most 8 s. A shorter limit of the caller's `own` agent
/// replaces the limit of a phase. The agent's limit for connecting replaces the 8 s even if it is longer, but never
/// exceeds the time that is left. The other phases are a 32nd longer than a single read or write, so that ureq rarely
/// repeats the system call that sets a socket's time limit.
macro_rules! limited {
    ($config:expr, $left:expr, $own:expr) => {{
        let left: Duration = $left;
        let own: Option<&Config> = $own;
        let phases = own.map(Config::timeouts).unwrap_or_default();
        let phase = left.saturating_add(left.div_f64(32.0));
        let least = |limit: Duration, own: Option<Duration>| own.unwrap_or(limit).min(limit);
        $config
            .timeout_connect(Some(phases.connect.unwrap_or(MAX_CONNECT).min(left)))
            .timeout_send_request(Some(least(phase, phases.send_request)))
            .timeout_send_body(Some(least(phase, phases.send_body)))
            .timeout_recv_response(Some(least(phase, phases.recv_response)))
            .timeout_recv_body(Some(least(phase, phases.recv_body)))
            .timeout_per_read(Some(least(left, own.and_then(Config::timeout_per_read))))
            .timeout_per_write(Some(least(left, own.and_then(Config::timeout_per_write))))
    }};
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
    limited!(config, timeout, None)
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

/// Applies the settings that every request needs, whichever agent sends it. With `refuses_gzip`, ureq adds no
/// `Accept-Encoding`.
pub(super) fn of_every_request<B: ureq::AsSendBody>(
    config: RequestConfig<B>,
    refuses_gzip: bool,
) -> RequestConfig<B> {
    // If ureq followed redirects, it would forward a credential in a custom header to other origins.
    let strict = config.max_redirects(0).allow_non_standard_methods(true);
    if refuses_gzip {
        return strict.accept_encoding("");
    }
    strict
}

/// Applies the settings and time limits of one request. The limits of the caller's `own` agent stay, also those for the
/// whole request and for the lookup of the host.
pub(super) fn of_request(
    config: RequestConfig<()>,
    refuses_gzip: bool,
    left: Duration,
    own: Option<&Config>,
) -> RequestConfig<()> {
    let shared = of_every_request(config, refuses_gzip).http_status_as_error(false);
    let in_time = limited!(shared, left, own);
    if own.is_some() {
        return in_time;
    }
    in_time
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
            let config = of_agent(whole).build();
            let sockets = [config.timeout_per_read(), config.timeout_per_write()];
            assert_eq!(sockets, [Some(whole); 2]);
            let limits = config.timeouts();
            let head = limits.recv_response.unwrap();
            assert!(head > whole && head < whole + whole / 16);
            let connect = whole.min(Duration::from_secs(8));
            assert_eq!(limits.connect, Some(connect));
        }
        let longest = of_agent(Duration::MAX).build().timeouts();
        assert_eq!(longest.recv_body, Some(Duration::MAX));
    }

    #[test]
    fn an_agent_of_the_callers_keeps_its_limits_up_to_the_deadline() {
        // Seconds: the agent's limit, time left, connecting, every other phase.
        let table = [
            (Some(1), 30, 1, 1),
            (Some(20), 30, 20, 20),
            (Some(60), 30, 30, 30),
            (None, 30, 8, 30),
        ];
        for (own, left, connect, phase) in table {
            let limit = own.map(Duration::from_secs);
            let agent = ureq::Agent::config_builder()
                .timeout_connect(limit)
                .timeout_send_request(limit)
                .timeout_send_body(limit)
                .timeout_recv_response(limit)
                .timeout_recv_body(limit)
                .timeout_per_read(limit)
                .timeout_per_write(limit)
                .build();
            let left = Duration::from_secs(left);
            let config = limited!(ureq::Agent::config_builder(), left, Some(&agent)).build();
            let limits = config.timeouts();
            let seconds = |limit: Option<Duration>| limit.unwrap().as_secs();
            assert_eq!(seconds(limits.connect), connect, "{own:?}");
            let phases = [limits.send_request, limits.send_body, limits.recv_response];
            let reads = [
                limits.recv_body,
                config.timeout_per_read(),
                config.timeout_per_write(),
            ];
            assert_eq!(phases.map(seconds), [phase; 3], "{own:?}");
            assert_eq!(reads.map(seconds), [phase; 3], "{own:?}");
        }
        let two = Some(Duration::from_secs(2));
        let agent = ureq::Agent::config_builder().timeout_send_body(two).build();
        let left = Duration::from_secs(30);
        let config = limited!(ureq::Agent::config_builder(), left, Some(&agent)).build();
        let limits = config.timeouts();
        assert_eq!(limits.send_body, two);
        assert!(limits.send_request > Some(left), "of another phase");
        assert_eq!(limits.connect, Some(Duration::from_secs(8)));
    }
}
