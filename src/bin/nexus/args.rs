//! Arguments that several commands share.

use std::env;
use std::time::{Duration, Instant};

use clap::Args;
use nexus_sdk::{NexusClient, NexusClientOptions};

use crate::ending;
use crate::stop::Stop;

#[derive(Args, Clone)]
pub(crate) struct Tenant {
    /// The workspace of the connection [env: WORKSPACE_ID]
    #[arg(short, long, value_name = "ID")]
    workspace: Option<String>,
    /// The provider of the connection [env: PROVIDER]
    #[arg(short, long, value_name = "NAME")]
    provider: Option<String>,
}

impl Tenant {
    pub(crate) fn is_given(&self) -> bool {
        self.workspace.is_some() || self.provider.is_some()
    }

    /// Returns the workspace and the provider, from the arguments or the environment. The error names
    /// all missing settings, including the gateway's address.
    pub(crate) fn resolve(self) -> Result<(String, String), Stop> {
        let settings = [
            (
                given_or_set(None, "NEXUS_GATEWAY_URL"),
                "no gateway: set NEXUS_GATEWAY_URL",
            ),
            (
                given_or_set(self.workspace, "WORKSPACE_ID"),
                "no workspace: give --workspace or set WORKSPACE_ID",
            ),
            (
                given_or_set(self.provider, "PROVIDER"),
                "no provider: give --provider or set PROVIDER",
            ),
        ];
        let missing = settings.iter().filter(|(value, _)| value.is_none());
        let missing: Vec<_> = missing.map(|(_, advice)| *advice).collect();
        match settings {
            [(Some(_), _), (Some(workspace), _), (Some(provider), _)] => Ok((workspace, provider)),
            _ => Err(Stop::usage(missing.join("; "))),
        }
    }
}

fn given_or_set(given: Option<String>, variable: &str) -> Option<String> {
    let value = given.or_else(|| env::var(variable).ok());
    value.filter(|value| !value.trim().is_empty())
}

#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Timeout {
    /// The longest wait for the gateway and the upstream; 0 also means 30 [default: 30]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    timeout: Option<Duration>,
}

impl Timeout {
    /// Returns the SDK's default of 30 s for a timeout of 0.
    fn get(self) -> Duration {
        let given = self.timeout.filter(|timeout| !timeout.is_zero());
        given.unwrap_or(Duration::from_secs(30))
    }

    /// Returns the time that is left, at least 1 ms, because the SDK refuses a timeout of zero.
    pub(crate) fn left(self, since: Instant) -> Duration {
        let left = self.get().saturating_sub(since.elapsed());
        left.max(Duration::from_millis(1))
    }

    pub(crate) fn client(self) -> Result<NexusClient, Stop> {
        self.client_with(|options| options)
    }

    /// Makes the program's only client. A signal that ends the program waits up to 5 s for its calls.
    pub(crate) fn client_with(
        self,
        change: impl FnOnce(NexusClientOptions) -> NexusClientOptions,
    ) -> Result<NexusClient, Stop> {
        let options = NexusClientOptions::from_env()?.timeout(self.get());
        let client = NexusClient::new(change(options))?;
        let watched = ending::watch(&client);
        watched.map_err(|error| Stop::failed(format!("cannot watch for signals: {error}")))?;
        Ok(client)
    }
}

/// Refuses a blank argument, which usually comes from a shell variable that is not set.
pub(crate) fn not_blank(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is blank".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    let seconds = seconds.and_then(Result::ok);
    seconds.ok_or_else(|| "not a number of seconds".to_owned())
}
