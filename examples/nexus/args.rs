//! What the arguments of several commands have in common.

use std::env;
use std::time::{Duration, Instant};

use clap::Args;
use nexus_sdk::{NexusClient, NexusClientOptions};

use crate::stop::Stop;
use crate::{landing, locks};

pub(crate) const WORKSPACE: &str = "WORKSPACE_ID";
pub(crate) const PROVIDER: &str = "PROVIDER";

/// Whose credential is wanted, as far as the arguments say it.
#[derive(Args, Clone, Default)]
pub(crate) struct Tenant {
    /// Whose connection [default: WORKSPACE_ID]
    #[arg(short, long, value_name = "ID")]
    workspace: Option<String>,
    /// To which provider [default: PROVIDER]
    #[arg(short, long, value_name = "NAME")]
    provider: Option<String>,
}

impl Tenant {
    pub(crate) fn is_given(&self) -> bool {
        self.workspace.is_some() || self.provider.is_some()
    }

    /// Workspace and provider, what is not given from the environment.
    pub(crate) fn resolve(self) -> Result<(String, String), Stop> {
        Ok((
            given_or_set(self.workspace, "--workspace", WORKSPACE)?,
            given_or_set(self.provider, "--provider", PROVIDER)?,
        ))
    }
}

fn given_or_set(given: Option<String>, option: &str, variable: &str) -> Result<String, Stop> {
    let value = given.or_else(|| env::var(variable).ok());
    value
        .filter(|value| !value.trim().is_empty())
        .ok_or_else(|| {
            Stop::usage(format!(
                "no {}: give {option} or set {variable}",
                option.trim_start_matches('-')
            ))
        })
}

#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Timeout {
    /// How long to wait for the gateway, and for the upstream [default: 30]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// The SDK's own.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Timeout {
    /// What is left of it, and never nothing, which the SDK refuses.
    pub(crate) fn left(self, since: Instant) -> Duration {
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let left = timeout.saturating_sub(since.elapsed());
        left.max(Duration::from_millis(1))
    }

    pub(crate) fn client(self) -> Result<NexusClient, Stop> {
        self.client_with(|options| options)
    }

    pub(crate) fn client_with(
        self,
        change: impl FnOnce(NexusClientOptions) -> NexusClientOptions,
    ) -> Result<NexusClient, Stop> {
        let mut options = change(locks::take_turns(NexusClientOptions::from_env()?));
        if let Some(timeout) = self.timeout {
            options = options.timeout(timeout);
        }
        let client = NexusClient::new(options)?;
        let watched = landing::watch(&client);
        watched.map_err(|error| Stop::failed(format!("cannot watch for signals: {error}")))?;
        Ok(client)
    }
}

/// An argument that is there and says nothing is a variable that was not set.
pub(crate) fn not_blank(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is blank".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    seconds
        .and_then(Result::ok)
        .ok_or_else(|| "not a number of seconds".to_owned())
}
