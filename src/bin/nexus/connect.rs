//! `nexus connect`: requests a connection and waits for the user's consent or credential.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use nexus_sdk::{
    CapturedCredential, ConnectionStatus, ConsentListener, ErrorKind, NexusClient, NexusError,
    ProviderInfo, RequestConnectionInput, RequestConnectionResponse, WaitOptions,
};

use crate::args::{self, Tenant, Timeout};
use crate::browser;
use crate::credential::{self, Form};
use crate::ending::Change;
use crate::output::say;
use crate::stop::Stop;
use crate::text::one_line;
use crate::{ending, output};

/// The return URL if this command serves no page for the browser.
const NOWHERE: &str = "http://localhost/";

#[derive(Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    tenant: Tenant,
    /// A scope to ask for; may be repeated [default: the scopes that the gateway lists]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// For a provider of keys or passwords: read this field of the credential from a prompt, or from
    /// a line of stdin; may be repeated
    #[arg(long = "field", value_name = "NAME=-", allow_hyphen_values = true)]
    fields: Vec<OsString>,
    /// The page that the browser opens after the consent [default: a page that this command serves while it waits]
    #[arg(long, value_name = "URL")]
    return_url: Option<String>,
    /// Do not open a browser
    #[arg(long)]
    no_browser: bool,
    /// Print the connection's id without waiting for the user
    #[arg(long)]
    no_wait: bool,
    /// Time between two checks of the status
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = args::seconds, default_value = "1.5")]
    interval: Duration,
    /// The longest wait for the user; 0 checks once
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = args::seconds, default_value = "300")]
    timeout: Duration,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// A wait for the user, or the status of a connection that needs no wait.
type Step = ControlFlow<ConnectionStatus, Wait>;

struct Wait {
    id: String,
    /// The words after "waiting for" in the message.
    awaited: &'static str,
    /// A browser is expected to come back to the listener.
    in_browser: bool,
    /// The file that redirects the browser. It is removed after the wait.
    _file: Option<Change>,
}

impl Connect {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let names = credential::names(&self.fields)?;
        let (workspace, provider) = self.tenant.clone().resolve()?;
        let client = Timeout::default().client()?;
        let has_names = !names.is_empty();
        let kinds = if has_names {
            Vec::new()
        } else {
            kinds(&client, &provider)?
        };
        let listener = self.listener(has_names);
        let own = listener.as_ref().map(ConsentListener::return_url);
        let return_url = self.return_url.as_deref().or(own).unwrap_or(NOWHERE);
        let input =
            RequestConnectionInput::new(workspace, provider, self.scopes(&kinds), return_url);
        let requested = client.request_connection(&input);
        ending::checkpoint();
        let connection = requested.map_err(|error| unrequested(error, return_url))?;
        let step = if has_names {
            let captured = Form::of(&client, &connection)?.enter(&client, &names)?;
            self.entered(captured)
        } else {
            self.start(&client, &kinds, &connection, listener.as_ref())?
        };
        let status = match step {
            Step::Break(status) => status,
            Step::Continue(wait) => self.wait_for(&client, &wait, listener.as_ref())?,
        };
        self.print(&connection, &status)
    }

    /// Returns the scopes to ask for. An identity provider refuses an empty list, but only in the browser.
    fn scopes(&self, kinds: &[ProviderInfo]) -> Vec<String> {
        let listed = kinds.iter().find_map(|kind| kind.scopes.clone());
        match &*self.scopes {
            [] => listed.unwrap_or_default(),
            given => given.to_vec(),
        }
    }

    /// Serves the page to which the browser comes back, if this command waits for a browser.
    fn listener(&self, has_names: bool) -> Option<ConsentListener> {
        if self.no_wait || has_names {
            return None;
        }
        let bound = ConsentListener::bind();
        bound.inspect_err(|error| say(&one_line(error))).ok()
    }

    /// Takes the user to the consent, or to the form for a credential.
    fn start(
        &self,
        client: &NexusClient,
        kinds: &[ProviderInfo],
        connection: &RequestConnectionResponse,
        listener: Option<&ConsentListener>,
    ) -> Result<Step, Stop> {
        let form = Form::offered(client, kinds, connection);
        if let Some(form) = form.as_ref().filter(|_| !self.no_wait) {
            return self.ask_for(form, client, &connection.connection_id, listener);
        }
        let url = one_line(&connection.auth_url);
        say(&format!("to consent, open {url}"));
        if let Some(form) = form {
            let options = form.as_options();
            say(&format!("or run `nexus connect` again with {options}"));
        }
        if self.no_wait {
            return Ok(Step::Break(ConnectionStatus::Pending));
        }
        let wanted = self.opens_browser().then_some(&connection.auth_url);
        Ok(Step::Continue(Wait {
            id: connection.connection_id.clone(),
            awaited: "consent",
            in_browser: true,
            _file: wanted.and_then(|url| browser::open(url)),
        }))
    }

    /// Asks for the credential on the listener's page, or at the terminal if no browser opens.
    fn ask_for(
        &self,
        form: &Form,
        client: &NexusClient,
        id: &str,
        listener: Option<&ConsentListener>,
    ) -> Result<Step, Stop> {
        let page = listener.map(|listener| listener.credential_form(client, &form.state));
        let page = page.transpose()?;
        let wanted = page.as_deref().filter(|_| self.opens_browser());
        let file = wanted.and_then(browser::open);
        if file.is_none() && io::stdin().is_terminal() {
            return Ok(self.entered(form.enter(client, &[])?));
        }
        let options = form.as_options();
        let Some(page) = page else {
            return Err(Stop::usage(format!("give the credential with {options}")));
        };
        let otherwise = match file {
            Some(_) => String::new(),
            None => format!(", or give it with {options}"),
        };
        say(&format!("to enter the credential, open {page}{otherwise}"));
        Ok(Step::Continue(Wait {
            id: id.to_owned(),
            awaited: "the credential",
            in_browser: true,
            _file: file,
        }))
    }

    fn opens_browser(&self) -> bool {
        !self.no_browser && browser::is_wanted()
    }

    fn entered(&self, captured: CapturedCredential) -> Step {
        if self.no_wait || captured.status == ConnectionStatus::Active {
            return Step::Break(captured.status);
        }
        Step::Continue(Wait {
            id: captured.connection_id,
            awaited: "the gateway",
            in_browser: false,
            _file: None,
        })
    }

    fn wait_for(
        &self,
        client: &NexusClient,
        wait: &Wait,
        listener: Option<&ConsentListener>,
    ) -> Result<ConnectionStatus, Stop> {
        let mut shown = None;
        let mut options = WaitOptions::default()
            .interval(self.interval)
            .timeout(self.timeout)
            .on_poll(|status| {
                ending::checkpoint();
                if shown.as_ref() != Some(status) {
                    say(&format!(
                        "waiting for {}: {}",
                        wait.awaited,
                        one_line(status)
                    ));
                    shown = Some(status.clone());
                }
                ControlFlow::Continue(())
            });
        if let Some(listener) = listener.filter(|_| wait.in_browser) {
            options = options.consent(listener);
        }
        let status = client.wait_for_active(&wait.id, options)?;
        if status == ConnectionStatus::Active {
            return Ok(status);
        }
        let remedy = match wait.awaited {
            "consent" => "and consent",
            _ => "with another credential",
        };
        Err(Stop::unconnected(format!(
            "connection {} is {status}; run `nexus connect` again, {remedy}",
            wait.id
        )))
    }

    fn print(
        &self,
        connection: &RequestConnectionResponse,
        status: &ConnectionStatus,
    ) -> Result<(), Stop> {
        if !self.json {
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

/// Returns the providers of this name, one for each auth type, ignoring case. A gateway that fails
/// to list its providers may still know this one.
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

/// Adds the return URL to an error about the return URL.
fn unrequested(error: NexusError, return_url: &str) -> Stop {
    if !error.message().contains("return_url") {
        return error.into();
    }
    Stop::failed(format!(
        "{error}: {return_url:?}; or give one that it allows with --return-url"
    ))
}
