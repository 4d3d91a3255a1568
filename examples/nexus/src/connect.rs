//! `nexus connect`: requests a connection and waits for the user's consent or credential.

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use clap::Args;
use nexus_sdk::http::Uri;
use nexus_sdk::{
    ConnectionStatus, ConsentListener, ErrorKind, NexusClient, NexusError, ProviderInfo,
    RequestConnectionInput, RequestConnectionResponse, WaitOptions,
};

use crate::args::{Gateway, Tenant, Timeout, not_blank};
use crate::browser;
use crate::credential::{self, Form};
use crate::ending::Change;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::text::{one_line, say};
use crate::{ending, output, ssh, times};

/// The return URL if this command does not serve a page for the browser.
const UNSERVED: &str = "http://localhost/";

#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus connect --workspace acme --provider github
  nexus connect -w acme -p github --scope repo --timeout 10m
  nexus connect -w acme -p weather --field api_key=- <key.txt
  connection=$(nexus connect -w acme -p github)")]
pub(crate) struct Connect {
    #[command(flatten)]
    tenant: Tenant,
    /// A scope to request, or several with commas or white space between them; may be repeated [default: the scopes that
    /// the gateway lists for the provider; none with --field]
    #[arg(long = "scope", value_name = "SCOPE", value_parser = not_blank)]
    scopes: Vec<String>,
    /// A credential field to read from a prompt or from a line of stdin, for a provider that uses keys or
    /// passwords; may be repeated
    #[arg(long = "field", value_name = "NAME=-", allow_hyphen_values = true)]
    fields: Vec<String>,
    /// The page to which the gateway sends the browser after consent [default: a page that this command serves;
    /// http://localhost/ with --no-wait or --field]
    #[arg(long, value_name = "URL")]
    return_url: Option<String>,
    /// Do not open a browser
    #[arg(long)]
    no_browser: bool,
    /// Print the connection's id without opening a browser and without waiting for the connection to become active
    #[arg(long)]
    no_wait: bool,
    /// The time between two checks of the status, in seconds, or with a unit
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = times::duration, default_value = "1.5s")]
    interval: Duration,
    /// The longest wait for the connection to become active, in seconds, or with a unit as in 90s or 10m; with 0, the
    /// status is checked once
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = times::duration, default_value = "5m")]
    timeout: Duration,
    /// Print a line of JSON with the connection's id as soon as it is requested, and another line when it is active
    #[arg(long)]
    json: bool,
}

impl Connect {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let names = credential::names(&self.fields)?;
        let requested = self.request(gateway, !names.is_empty())?;
        if self.json && !self.no_wait {
            requested.print(&ConnectionStatus::Pending)?;
        }
        let status = if names.is_empty() {
            requested.ask_user()?
        } else {
            let form = Form::of(&requested.client, &requested.connection)?;
            requested.enter(&form, &names)?
        };
        if status == ConnectionStatus::Active {
            say(&one_line(format!("connected {}", requested.pair)));
        }
        requested.print(&status)
    }

    fn request(&self, gateway: &Gateway, has_names: bool) -> Result<Requested<'_>, Stop> {
        let (workspace, provider) = self.tenant.clone().resolve(gateway)?;
        let pair = format!("workspace {workspace} to provider {provider}");
        let client = Timeout::default().client(gateway)?;
        let kinds = if has_names {
            Vec::new()
        } else {
            kinds(&client, &provider)?
        };
        let listener = self.listener(has_names);
        let own = listener.as_ref().map(ConsentListener::return_url);
        let return_url = self.return_url.as_deref().or(own).unwrap_or(UNSERVED);
        let input =
            RequestConnectionInput::new(workspace, provider, self.scopes(&kinds), return_url);
        let connection = client.request_connection(&input);
        ending::checkpoint();
        Ok(Requested {
            connection: connection.map_err(|error| unrequested(error, return_url))?,
            options: self,
            pair,
            client,
            kinds,
            listener,
        })
    }

    /// Returns the scopes to request. Without `--scope`, returns the scopes that the gateway lists for the provider,
    /// because some identity providers refuse a request without scopes.
    fn scopes(&self, kinds: &[ProviderInfo]) -> Vec<String> {
        let is_separator = |c: char| c == ',' || c.is_whitespace();
        let given = self.scopes.iter().flat_map(|it| it.split(is_separator));
        let given = given.filter(|scope| !scope.is_empty()).map(str::to_owned);
        let given: Vec<_> = given.collect();
        if !given.is_empty() {
            return given;
        }
        kinds
            .iter()
            .find_map(|kind| kind.scopes.clone())
            .unwrap_or_default()
    }

    /// Starts to serve the page to which the browser comes back, if this command waits for a browser.
    fn listener(&self, has_names: bool) -> Option<ConsentListener> {
        if self.no_wait || has_names {
            return None;
        }
        let bound = ConsentListener::bind();
        bound.inspect_err(|error| say(&one_line(error))).ok()
    }

    /// Opens the browser if stderr is a terminal, unless `--no-browser` is given. Dropping the result removes the file
    /// that redirects the browser to the page.
    fn open(&self, url: &str) -> Option<Change> {
        let opens = !self.no_browser && io::stderr().is_terminal();
        opens.then(|| browser::open(url)).flatten()
    }
}

/// A requested connection, and everything that is needed to wait until it is active.
struct Requested<'a> {
    options: &'a Connect,
    /// The workspace and the provider, for people.
    pair: String,
    client: NexusClient,
    /// The providers with the requested name.
    kinds: Vec<ProviderInfo>,
    connection: RequestConnectionResponse,
    listener: Option<ConsentListener>,
}

impl Requested<'_> {
    /// Sends the user to the consent page, or asks for the credential.
    fn ask_user(&self) -> Result<ConnectionStatus, Stop> {
        let url = &self.connection.auth_url;
        match Form::offered(&self.client, &self.kinds, &self.connection) {
            Some(form) if !self.options.no_wait => return self.ask_for_credential(&form),
            // For a provider with a form, `auth_url` leads to JSON, not to a page.
            Some(form) => say(&format!("to enter the credential, {}", run_again(&form))),
            None => self.say_where_to_consent(),
        }
        if self.options.no_wait {
            return Ok(ConnectionStatus::Pending);
        }
        // Keeps the file that redirects the browser until the wait ends.
        let _redirect = self.options.open(url);
        self.wait_for("consent", &self.connection.connection_id)
    }

    /// Asks for the credential on a page of the listener, or at the terminal if no browser opens.
    fn ask_for_credential(&self, form: &Form) -> Result<ConnectionStatus, Stop> {
        let listener = self.listener.as_ref();
        let page = listener.map(|listener| listener.credential_form(&self.client, &form.state));
        let page = match page.transpose() {
            Ok(page) => page,
            Err(error) => {
                let active = error.status_code().and_then(|_| self.active());
                return active.ok_or_else(|| error.into());
            }
        };
        let redirect = page.as_deref().and_then(|page| self.options.open(page));
        if redirect.is_none() && io::stdin().is_terminal() {
            return self.enter(form, &[]);
        }
        let Some(page) = page else {
            let options = form.as_options();
            return Err(Stop::usage(format!("give the credential with {options}")));
        };
        let otherwise = match redirect {
            Some(_) => String::new(),
            None => format!(", or end this command and {}", run_again(form)),
        };
        self.say_how_to_reach_listener();
        say(&format!("to enter the credential, open {page}{otherwise}"));
        self.wait_for("the credential", &self.connection.connection_id)
    }

    /// Returns the connection's status if it is active. The gateway refuses the form of a connection whose credential has
    /// been entered elsewhere.
    fn active(&self) -> Option<ConnectionStatus> {
        let status = self.client.check_connection(&self.connection.connection_id);
        status.ok().filter(|it| *it == ConnectionStatus::Active)
    }

    fn say_where_to_consent(&self) {
        if self.options.return_url.is_none() {
            self.say_how_to_reach_listener();
        }
        let url = one_line(&self.connection.auth_url);
        say(&format!("to consent, open {url}"));
    }

    /// In an ssh session, says how the user's browser reaches the pages of this command.
    fn say_how_to_reach_listener(&self) {
        let url = self.listener.as_ref().map(ConsentListener::return_url);
        let url = url.and_then(|url| url.parse::<Uri>().ok());
        if let Some(port) = url.and_then(|url| url.port_u16()) {
            ssh::say_how_to_reach(port);
        }
    }

    /// Reads the credential from the terminal or stdin, and sends it to the gateway.
    fn enter(&self, form: &Form, names: &[String]) -> Result<ConnectionStatus, Stop> {
        let captured = form.enter(&self.client, names)?;
        let status = ConnectionStatus::from(captured.status.as_str());
        if self.options.no_wait || status == ConnectionStatus::Active {
            return Ok(status);
        }
        self.wait_for("the gateway", &captured.connection_id)
    }

    fn wait_for(&self, awaited: &str, id: &str) -> Result<ConnectionStatus, Stop> {
        let mut progress = Progress::new(awaited, &self.pair, self.options.timeout);
        let start = Instant::now();
        let mut show = move |status: &ConnectionStatus| {
            if let Some(line) = progress.line(status, start.elapsed()) {
                say(&line);
            }
        };
        // Before the first poll, because a gateway that does not respond is no reason to say nothing.
        show(&ConnectionStatus::Pending);
        let mut options = WaitOptions::default()
            .interval(self.options.interval)
            .timeout(self.options.timeout)
            .on_poll(move |status| {
                ending::checkpoint();
                show(status);
                ControlFlow::Continue(())
            });
        if let Some(listener) = &self.listener {
            options = options.consent(listener);
        }
        let status = self.client.wait_for_active(id, options)?;
        if status == ConnectionStatus::Active {
            return Ok(status);
        }
        let remedy = match awaited {
            "consent" => "and consent",
            _ => "with another credential",
        };
        Err(Stop::unconnected(format!(
            "connection {id} is {status}; run `nexus connect` again, {remedy}"
        )))
    }

    fn print(&self, status: &ConnectionStatus) -> Result<(), Stop> {
        let connection = &self.connection;
        if !self.options.json {
            return output::print_line(one_line(&connection.connection_id));
        }
        let fields = vec![
            ("connection_id", connection.connection_id.as_str().into()),
            ("status", status.as_str().into()),
            ("auth_url", connection.auth_url.as_str().into()),
        ];
        output::print_fields(fields, true)
    }
}

/// Returns the providers with this name, ignoring the name's case. There can be one for each auth type. If the list
/// cannot be fetched, returns no providers, because the request for a connection may still succeed. Fails only after a
/// timeout.
fn kinds(client: &NexusClient, provider: &str) -> Result<Vec<ProviderInfo>, Stop> {
    let listed = client.providers();
    ending::checkpoint();
    let mut all = match listed {
        Ok(providers) => providers.all,
        Err(error) if error.kind() == ErrorKind::Timeout => return Err(error.into()),
        Err(_) => Vec::new(),
    };
    all.retain(|known| known.name.eq_ignore_ascii_case(provider));
    Ok(all)
}

/// Returns the advice to enter the credential with `--field`.
fn run_again(form: &Form) -> String {
    format!("run `nexus connect` again with {}", form.as_options())
}

/// Adds the return URL and the option `--return-url` to an error about the return URL.
fn unrequested(error: NexusError, return_url: &str) -> Stop {
    if error.code() != "broker_error" || !error.message().contains("return_url") {
        return error.into();
    }
    Stop::failed(format!(
        "{error} ({return_url:?}), or pass an allowed URL with --return-url"
    ))
    .caused_by(&error)
}
