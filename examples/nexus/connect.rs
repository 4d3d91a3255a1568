//! `nexus connect`: from asking for a connection to the user's consent, or the user's credential.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use nexus_sdk::{
    CaptureSchema, CapturedCredential, ConnectionStatus, ConsentListener, NexusClient, NexusError,
    RequestConnectionInput, RequestConnectionResponse, WaitOptions,
};

use crate::args::{self, Tenant, Timeout};
use crate::progress::{Progress, say};
use crate::stop::{Stop, one_line};
use crate::{browser, credential, landing, output};

/// For a browser whose way back nobody waits for.
const NOWHERE: &str = "http://localhost/";

#[derive(Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    tenant: Tenant,
    /// A scope to ask for; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// For a provider of keys or passwords: enter this field of the credential here, at a prompt or
    /// as a line of stdin; may be repeated
    #[arg(long = "field", value_name = "NAME=-", allow_hyphen_values = true)]
    fields: Vec<OsString>,
    /// Where the browser goes after the consent [default: a page that this command serves]
    #[arg(long, value_name = "URL")]
    return_url: Option<String>,
    /// Open no browser
    #[arg(long)]
    no_browser: bool,
    /// Print the id at once
    #[arg(long)]
    no_wait: bool,
    /// Between two looks at the status
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = args::seconds, default_value = "1.5")]
    interval: Duration,
    /// How long to wait for the user
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = args::seconds, default_value = "300")]
    timeout: Duration,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// What became of a connection, or what it waits for.
enum Step<'a> {
    Done(ConnectionStatus),
    Wait(Wait<'a>),
}

struct Wait<'a> {
    id: String,
    /// Who has to do something.
    who: &'static str,
    /// What else to do the next time.
    remedy: &'static str,
    /// Where a browser comes back to.
    listener: Option<&'a ConsentListener>,
}

impl Connect {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let names = credential::names(&self.fields)?;
        let (workspace, provider) = self.tenant.clone().resolve()?;
        let client = Timeout::default().client()?;
        let listener = self.listener(names.is_empty());
        let own = listener.as_ref().map(ConsentListener::return_url);
        let return_url = self.return_url.as_deref().or(own).unwrap_or(NOWHERE);
        let input = RequestConnectionInput::new(workspace, &provider, &self.scopes, return_url);
        let asked = client.request_connection(&input);
        landing::go_on();
        let connection = asked.map_err(|error| unrequested(error, return_url))?;
        let step = if names.is_empty() {
            self.start(&client, &provider, &connection, listener.as_ref())?
        } else {
            let captured = credential::enter_named(&names, &client, &connection)?;
            self.entered(&captured)
        };
        let status = match step {
            Step::Done(status) => status,
            Step::Wait(wait) => self.wait_for(&client, &wait)?,
        };
        self.print(&connection, &status)
    }

    /// What the browser comes back to, while this command is there to see it.
    fn listener(&self, browser_goes: bool) -> Option<ConsentListener> {
        if self.no_wait || !browser_goes {
            return None;
        }
        let bound = ConsentListener::bind();
        bound.inspect_err(|error| say(&one_line(error))).ok()
    }

    /// Sends the user where the connection is completed.
    fn start<'a>(
        &self,
        client: &NexusClient,
        provider: &str,
        connection: &RequestConnectionResponse,
        listener: Option<&'a ConsentListener>,
    ) -> Result<Step<'a>, Stop> {
        let form = credential::form(client, provider, connection);
        let state = connection.state.as_deref().filter(|_| !self.no_wait);
        if let (Some(form), Some(state)) = (&form, state) {
            return self.ask_for(form, client, state, connection, listener);
        }
        say(&format!(
            "to consent, open {}",
            one_line(&connection.auth_url)
        ));
        if let Some(form) = form {
            let options = credential::as_options(&form);
            say(&format!("or enter the credential here, with {options}"));
        }
        if self.no_wait {
            return Ok(Step::Done(ConnectionStatus::Pending));
        }
        self.browse(&connection.auth_url);
        Ok(Step::Wait(Wait {
            id: connection.connection_id.clone(),
            who: "consent",
            remedy: "and consent",
            listener,
        }))
    }

    /// A credential is entered on a page of our own, or here at the terminal.
    fn ask_for<'a>(
        &self,
        form: &CaptureSchema,
        client: &NexusClient,
        state: &str,
        connection: &RequestConnectionResponse,
        listener: Option<&'a ConsentListener>,
    ) -> Result<Step<'a>, Stop> {
        let page = listener.map(|listener| listener.credential_form(client, state));
        let page = page.transpose()?;
        let opened = page.as_deref().is_some_and(|page| self.browse(page));
        if !opened && io::stdin().is_terminal() {
            let captured = credential::enter_all(form, client, state)?;
            return Ok(self.entered(&captured));
        }
        let options = credential::as_options(form);
        match page {
            Some(page) if opened => say(&format!("to enter the credential, open {page}")),
            Some(page) => say(&format!(
                "to enter the credential, open {page}, or give it with {options}"
            )),
            None => return Err(Stop::usage(format!("give the credential with {options}"))),
        }
        Ok(Step::Wait(Wait {
            id: connection.connection_id.clone(),
            who: "the credential",
            remedy: "with another credential",
            listener,
        }))
    }

    /// Whether the browser has taken the address.
    fn browse(&self, url: &str) -> bool {
        !self.no_browser && browser::is_wanted() && browser::open(url)
    }

    fn entered(&self, captured: &CapturedCredential) -> Step<'static> {
        if self.no_wait || captured.status == ConnectionStatus::Active {
            return Step::Done(captured.status.clone());
        }
        Step::Wait(Wait {
            id: captured.connection_id.clone(),
            who: "the gateway",
            remedy: "with another credential",
            // No browser was sent anywhere.
            listener: None,
        })
    }

    fn wait_for(&self, client: &NexusClient, wait: &Wait<'_>) -> Result<ConnectionStatus, Stop> {
        let mut progress = Progress::start(wait.who);
        let mut options = WaitOptions::default()
            .interval(self.interval)
            .timeout(self.timeout)
            .on_poll(|status| {
                landing::go_on();
                progress.show(status);
                ControlFlow::Continue(())
            });
        if let Some(listener) = wait.listener {
            options = options.consent(listener);
        }
        let outcome = client.wait_for_active(&wait.id, options);
        progress.end();
        match outcome? {
            ConnectionStatus::Active => Ok(ConnectionStatus::Active),
            status => Err(Stop::unconnected(format!(
                "connection {} is {status}; run `nexus connect` again, {}",
                wait.id, wait.remedy
            ))),
        }
    }

    fn print(
        &self,
        connection: &RequestConnectionResponse,
        status: &ConnectionStatus,
    ) -> Result<(), Stop> {
        if !self.json {
            return output::print(format!("{}\n", one_line(&connection.connection_id)).as_bytes());
        }
        let fields = vec![
            ("connection_id", connection.connection_id.as_str().into()),
            ("status", status.as_str().into()),
            ("auth_url", connection.auth_url.as_str().into()),
        ];
        output::print_fields(fields, true)
    }
}

/// Where the SDK suspects the return URL, says which one that was.
fn unrequested(error: NexusError, return_url: &str) -> Stop {
    if !error.message().contains("return_url") {
        return error.into();
    }
    Stop::failed(format!(
        "{error}: {return_url:?}; or give one that it allows with --return-url"
    ))
}
