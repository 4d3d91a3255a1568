//! Requests a connection, waits for the user's consent, and calls an API with the credential.
//!
//! Without configuration, the program starts a gateway in its own process. With `NEXUS_GATEWAY_URL`, it
//! uses that gateway, and waits for up to 5 minutes for your consent in the browser. `README.md` in this
//! folder lists the other variables.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{
    ConnectionStatus, FetchOptions, NexusClient, NexusClientOptions, ProviderInfo,
    RequestConnectionInput, TokenCache, WaitOptions, serde_json, ureq,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let setting = Setting::from_env()?;
    let client = NexusClient::new(setting.options.clone())?;
    let cache = TokenCache::new();

    let upstream = setting.upstream(&client)?;
    connect(&client, &setting)?;

    let token = client.get_cached_token(&cache, &setting.workspace, &setting.provider)?;
    let left = token
        .expires_at
        .duration_since(std::time::SystemTime::now());
    println!(
        "4. resolved a token; its stated or assumed expiry is in {} s",
        left.unwrap_or_default().as_secs()
    );

    let url = format!("{}/user/repos", upstream.trim_end_matches('/'));
    for round in ["5. fetched", "6. fetched again"] {
        let (status, _headers, body) = client.authenticated_fetch(
            &cache,
            &setting.workspace,
            &setting.provider,
            &url,
            FetchOptions::default(),
        )?;
        println!("{round} {url}: {status}, {}", repositories(&body));
    }
    if let Some(gateway) = &setting.gateway {
        println!(
            "The gateway was asked for a token {} time(s).",
            gateway.count("/v1/resolve")
        );
    }
    Ok(())
}

/// Makes steps 1 to 3: requests a connection, lets the user consent, and waits until the connection is active.
fn connect(client: &NexusClient, setting: &Setting) -> Result<(), Box<dyn Error>> {
    let (workspace, provider) = (&setting.workspace, &setting.provider);
    let scopes = setting.scopes(client);
    let input = RequestConnectionInput::new(workspace, provider, scopes, "http://localhost:3000/");
    let connection = client.request_connection(&input)?;
    println!(
        "1. requested a connection from {workspace} to {provider}: {}",
        connection.connection_id
    );

    if setting.gateway.is_some() {
        // Follows no redirect, because the page redirects to the return URL, where nothing listens.
        let page = ureq::get(&connection.auth_url).config();
        page.max_redirects(0).build().call()?;
        println!(
            "2. consented, as a browser would, on {}",
            connection.auth_url
        );
    } else {
        println!(
            "2. open this page and consent (the browser then shows an error, because nothing listens on localhost:3000): {}",
            connection.auth_url
        );
    }

    let options = WaitOptions::default().on_poll(|status| {
        match status {
            ConnectionStatus::Pending => println!("3. waiting for your consent"),
            status => println!("3. the connection is {status}"),
        }
        ControlFlow::Continue(())
    });
    match client.wait_for_active(&connection.connection_id, options)? {
        ConnectionStatus::Active => Ok(()),
        other => Err(format!("the connection is {other}; run this again, and consent").into()),
    }
}

/// Returns the names in a list of repositories, or the length of any other body.
fn repositories(body: &[u8]) -> String {
    let list: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
    let names: Vec<&str> = list
        .iter()
        .filter_map(|repo| repo["name"].as_str())
        .collect();
    match names.as_slice() {
        [] => format!("{} bytes", body.len()),
        names => format!("{} repositories: {}", names.len(), names.join(", ")),
    }
}

struct Setting {
    options: NexusClientOptions,
    workspace: String,
    provider: String,
    scopes: String,
    upstream: String,
    /// The gateway in this process, unless another gateway is configured.
    gateway: Option<DevGateway>,
}

impl Setting {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let variable = |name: &str, default: &str| {
            let value = env::var(name).ok().filter(|value| !value.trim().is_empty());
            value.unwrap_or_else(|| default.to_owned())
        };
        let gateway = match env::var_os("NEXUS_GATEWAY_URL") {
            Some(_) => None,
            None => Some(DevGateway::start()?),
        };
        let (options, upstream) = if let Some(gateway) = &gateway {
            println!("0. started a gateway on {}", gateway.url());
            (NexusClientOptions::new(gateway.url()), gateway.url())
        } else {
            (NexusClientOptions::from_env()?, "")
        };
        Ok(Self {
            options,
            workspace: variable("WORKSPACE_ID", "acme"),
            provider: variable("PROVIDER", "github"),
            scopes: variable("SCOPES", ""),
            upstream: variable("UPSTREAM_URL", upstream),
            gateway,
        })
    }

    /// Returns `SCOPES`, or the scopes that the gateway lists, because some identity providers refuse a request without
    /// scopes.
    fn scopes(&self, client: &NexusClient) -> Vec<String> {
        if !self.scopes.is_empty() {
            return self.scopes.split_whitespace().map(str::to_owned).collect();
        }
        let listed = self.listed(client).and_then(|provider| provider.scopes);
        listed.unwrap_or_default()
    }

    /// Returns the address of the provider's API: `UPSTREAM_URL`, the gateway in this process, or the address that the
    /// configured gateway lists. Returns an error if none of these is known, because a token must not go to another
    /// provider's API.
    fn upstream(&self, client: &NexusClient) -> Result<String, String> {
        if !self.upstream.is_empty() {
            return Ok(self.upstream.clone());
        }
        let listed = self
            .listed(client)
            .and_then(|provider| provider.api_base_url);
        listed.ok_or_else(|| {
            let provider = &self.provider;
            format!("cannot get the address of {provider}'s API from the gateway; set UPSTREAM_URL")
        })
    }

    /// Returns the gateway's entry for the provider, or `None` if there is no entry. If the list cannot be fetched,
    /// returns `None` instead of an error, because the rest of the program may still work.
    fn listed(&self, client: &NexusClient) -> Option<ProviderInfo> {
        client.providers().ok()?.get(&self.provider).cloned()
    }
}
