//! What the arguments of several commands have in common.

use std::env;
use std::time::Duration;

use lexopt::prelude::*;
use lexopt::{Arg, Parser};
use nexus_sdk::{NexusClient, NexusClientOptions};

use crate::stop::Stop;

pub(crate) const WORKSPACE: &str = "WORKSPACE_ID";
pub(crate) const PROVIDER: &str = "PROVIDER";

/// Whose credential is wanted, as far as the arguments say it.
#[derive(Default)]
pub(crate) struct Tenant {
    workspace: Option<String>,
    provider: Option<String>,
}

impl Tenant {
    pub(crate) fn set_workspace(&mut self, parser: &mut Parser) -> Result<(), Stop> {
        self.workspace = Some(text(parser)?);
        Ok(())
    }

    pub(crate) fn set_provider(&mut self, parser: &mut Parser) -> Result<(), Stop> {
        self.provider = Some(text(parser)?);
        Ok(())
    }

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

/// The one positional argument of a command.
pub(crate) fn required(value: Option<String>, what: &str) -> Result<String, Stop> {
    value
        .filter(|value| !value.trim().is_empty())
        .ok_or_else(|| Stop::usage(format!("no {what} given; see `nexus --help`")))
}

pub(crate) fn client(timeout: Option<Duration>) -> Result<NexusClient, Stop> {
    client_with(timeout, |options| options)
}

pub(crate) fn client_with(
    timeout: Option<Duration>,
    change: impl FnOnce(NexusClientOptions) -> NexusClientOptions,
) -> Result<NexusClient, Stop> {
    let mut options = change(NexusClientOptions::from_env()?);
    if let Some(timeout) = timeout {
        options = options.timeout(timeout);
    }
    Ok(NexusClient::new(options)?)
}

pub(crate) fn text(parser: &mut Parser) -> Result<String, Stop> {
    Ok(parser.value()?.string()?)
}

pub(crate) fn seconds(parser: &mut Parser) -> Result<Duration, Stop> {
    let given = text(parser)?;
    let seconds = given.parse().ok().map(Duration::try_from_secs_f64);
    seconds
        .and_then(Result::ok)
        .ok_or_else(|| Stop::usage(format!("{given:?} is no number of seconds")))
}

/// For an argument that a command does not know; all of them know `--help`.
pub(crate) fn unexpected(argument: Arg<'_>) -> Stop {
    match argument {
        Short('h') | Long("help") => Stop::Help,
        other => other.unexpected().into(),
    }
}
