//! Arguments that several commands share.

use std::env::{self, VarError};
use std::fs;
use std::io::Read as _;
use std::time::{Duration, Instant};

use clap::Args;
use nexus_sdk::{LogLevel, NexusClient, NexusClientOptions};

use crate::ending;
use crate::stop::Stop;
use crate::{streams, times};

/// The gateway that all commands but `nexus gateway` use.
#[derive(Args, Clone)]
pub(crate) struct Gateway {
    /// The gateway's address [env: NEXUS_GATEWAY_URL]
    #[arg(id = "gateway_url", long = "gateway", global = true, help_heading = "Global options", value_name = "URL", value_parser = not_blank)]
    url: Option<String>,
    /// With `--json`, stderr has one line for an error, so the SDK adds none unless `NEXUS_LOG` is set.
    #[arg(skip)]
    pub(crate) log_level: LogLevel,
}

impl Gateway {
    /// Returns the options of a client, from `--gateway` and the environment.
    pub(crate) fn options(&self) -> Result<NexusClientOptions, Stop> {
        let Some(url) = &self.url else {
            return Ok(NexusClientOptions::from_env()?.log_level(self.log_level));
        };
        let options = NexusClientOptions::new(url.trim()).log_level(self.log_level);
        match env::var("NEXUS_API_KEY") {
            Ok(key) => Ok(options.api_key(key.trim())),
            Err(VarError::NotPresent) => Ok(options),
            Err(VarError::NotUnicode(_)) => {
                Err(Stop::usage("NEXUS_API_KEY: is not UTF-8: set it again"))
            }
        }
    }

    /// Returns the address from `--gateway`.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

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
    /// Returns the workspace and the provider, from the arguments or the environment. The error names
    /// all missing settings, including the gateway's address.
    pub(crate) fn resolve(self, gateway: &Gateway) -> Result<(String, String), Stop> {
        let mut missing = Vec::new();
        let mut setting = |given: Option<String>, variable, problem| {
            // A variable from a file with CRLF ends with a carriage return. NEXUS_GATEWAY_URL is trimmed as well.
            let trimmed = || env::var(variable).map(|value| value.trim().to_owned());
            match given.map_or_else(trimmed, Ok) {
                Ok(value) if !value.trim().is_empty() => return value,
                Err(VarError::NotUnicode(_)) => {
                    missing.push(format!("{variable} is not UTF-8: set it again"));
                }
                _ => missing.push(format!("{problem} {variable}")),
            }
            String::new()
        };
        setting(
            gateway.url.clone(),
            "NEXUS_GATEWAY_URL",
            "no gateway: give --gateway or set",
        );
        let workspace = setting(
            self.workspace,
            "WORKSPACE_ID",
            "no workspace: give --workspace or set",
        );
        let provider = setting(
            self.provider,
            "PROVIDER",
            "no provider: give --provider or set",
        );
        if missing.is_empty() {
            return Ok((workspace, provider));
        }
        Err(Stop::usage(missing.join("; ")))
    }
}

#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Timeout {
    /// The longest wait for a response, in seconds, or with a unit as in 90s or 5m; 0 means the default [default: 30]
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = times::duration)]
    timeout: Option<Duration>,
}

impl Timeout {
    /// Returns the timeout, or the SDK's default of 30 s if the timeout is 0 or not given.
    fn get(self) -> Duration {
        let given = self.timeout.filter(|timeout| !timeout.is_zero());
        given.unwrap_or(Duration::from_secs(30))
    }

    /// Returns the time that is left, at least 1 ms, because the SDK refuses a timeout of zero.
    pub(crate) fn left(self, since: Instant) -> Duration {
        let left = self.get().saturating_sub(since.elapsed());
        left.max(Duration::from_millis(1))
    }

    pub(crate) fn client(self, gateway: &Gateway) -> Result<NexusClient, Stop> {
        self.client_with(gateway.options()?)
    }

    /// Creates the program's only client. From then on, a first SIGINT, SIGTERM, SIGHUP or SIGQUIT on Unix, or a first
    /// event of a Windows console, ends the program only when no call that may refresh a token is under way, or after 5
    /// s.
    pub(crate) fn client_with(self, options: NexusClientOptions) -> Result<NexusClient, Stop> {
        let client = NexusClient::new(options.timeout(self.get()))?;
        let watched = ending::watch(&client);
        watched.map_err(|error| Stop::failed(format!("cannot handle signals: {error}")))?;
        Ok(client)
    }
}

/// Refuses a blank argument, which usually comes from a shell variable that is not set.
pub(crate) fn not_blank(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is blank; pass a value, and check that the shell variable is set".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// Returns the data itself, the content of the file after `@`, or the content of stdin for `@-`.
pub(crate) fn read(data: &str) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let (path, read) = match data.strip_prefix('@') {
        Some("-") => (
            "stdin",
            streams::stdin().read_to_end(&mut bytes).map(|_| bytes),
        ),
        Some(path) => (path, fs::read(path)),
        None => return Ok(data.as_bytes().to_vec()),
    };
    read.map_err(|error| Stop::file("read", path, &error))
}
