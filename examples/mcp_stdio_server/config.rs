//! What the server is told by its environment and its command line.

use std::env;
use std::time::Duration;

use nexus_sdk::NexusClientOptions;
use nexus_sdk::testing::DevGateway;

use crate::output::note;
use crate::upstream::Upstream;

pub(crate) struct Config {
    pub(crate) gateway_url: String,
    pub(crate) workspace_id: String,
    pub(crate) provider: String,
    pub(crate) upstream: Upstream,
}

const HELP: &str = "\
An MCP server over stdin and stdout.

  --demo        serve a sample account from a built-in gateway; needs no configuration
  --bench       also offer the tools `echo` and `slow`
  --panic-tool  also offer the tool `panic`, to see that the server survives it

Environment: NEXUS_GATEWAY_URL, NEXUS_API_KEY (if the gateway asks for one), WORKSPACE_ID,
PROVIDER (as the gateway names it), UPSTREAM_URL (the provider's API, https://api.github.com).";

#[derive(Default)]
pub(crate) struct Flags {
    pub(crate) bench: bool,
    pub(crate) panics: bool,
    demo: bool,
}

impl Flags {
    /// Nothing when all that was asked for is help.
    pub(crate) fn read() -> Result<Option<Self>, String> {
        let mut flags = Self::default();
        for argument in env::args_os().skip(1) {
            match argument.to_str() {
                Some("--demo") => flags.demo = true,
                Some("--bench") => flags.bench = true,
                Some("--panic-tool") => flags.panics = true,
                Some("--help" | "-h") => {
                    note(HELP);
                    return Ok(None);
                }
                _ => {
                    return Err(format!(
                        "unknown argument {}; see --help",
                        argument.to_string_lossy()
                    ));
                }
            }
        }
        Ok(Some(flags))
    }
}

/// With `--demo` also the gateway, which lives as long as the value.
pub(crate) fn read(
    flags: &Flags,
) -> Result<(Config, NexusClientOptions, Option<DevGateway>), String> {
    if flags.demo {
        return demo();
    }
    let names = [
        "NEXUS_GATEWAY_URL",
        "WORKSPACE_ID",
        "PROVIDER",
        "UPSTREAM_URL",
    ];
    let missing: Vec<_> = names
        .into_iter()
        .filter(|name| variable(name).is_none())
        .collect();
    let [
        Some(gateway_url),
        Some(workspace_id),
        Some(provider),
        Some(upstream),
    ] = names.map(variable)
    else {
        return Err(format!(
            "{} not set; set it in the client's configuration (`env`), or try --demo",
            missing.join(", ")
        ));
    };
    let upstream = Upstream::new(&upstream).map_err(|problem| format!("UPSTREAM_URL {problem}"))?;
    let config = Config {
        gateway_url,
        workspace_id,
        provider,
        upstream,
    };
    let options = NexusClientOptions::from_env().map_err(|error| error.message().to_owned())?;
    Ok((config, limited(options), None))
}

fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A model cannot read more, and clients give a call up after a minute or less.
fn limited(options: NexusClientOptions) -> NexusClientOptions {
    options
        .max_body_bytes(4 << 20)
        .timeout(Duration::from_secs(30))
}

fn demo() -> Result<(Config, NexusClientOptions, Option<DevGateway>), String> {
    let gateway = DevGateway::builder().connection("demo", "github").start();
    let gateway = gateway.map_err(|error| format!("the demo gateway did not start: {error}"))?;
    let config = Config {
        gateway_url: gateway.url().to_owned(),
        workspace_id: "demo".to_owned(),
        provider: "github".to_owned(),
        upstream: Upstream::new(gateway.url())?,
    };
    let options = limited(NexusClientOptions::new(gateway.url()));
    Ok((config, options, Some(gateway)))
}
