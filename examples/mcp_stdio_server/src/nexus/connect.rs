//! Connects the user during a tool call. If the user has to connect, the MCP client opens the consent page, or shows
//! its address.
//!
//! All calls share one connection request, and one thread waits for its outcome. Calls that arrive after the page was
//! first shown wait for the outcome too.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::{
    ConnectionStatus, ConsentListener, ErrorKind, NexusClient, NexusError, RequestConnectionInput,
    WaitOptions,
};

use super::{Account, advice};
use crate::mcp::{Call, Page, Problem, Visit, lock};

/// The longest time from the arrival of a call to the end of its wait for the user. Clients that use the TypeScript SDK
/// give up after 60 s by default.
const MAX_WAIT: Duration = Duration::from_secs(45);
/// A gateway forgets a connection request after 10 minutes.
const MAX_REQUEST: Duration = Duration::from_secs(600);
/// The time for which a failure of the gateway is kept, unless the gateway names another time in `Retry-After`. A
/// wait of 0 s there does not count, and no wait is longer than [`MAX_REQUEST`]. Calls that arrive in this time get the same
/// failure, and send no further connection request.
const KEPT: Duration = Duration::from_secs(10);
/// The pause between polls. Some gateways allow a workspace only 60 token requests a minute, and a poll can send one.
const INTERVAL: Duration = Duration::from_secs(3);
/// The interval at which a waiting call checks for the end of the request and for its own cancellation.
const STEP: Duration = Duration::from_millis(20);
/// The interval at which a waiting call reports progress. Many clients cancel a call if nothing about it
/// arrives for 60 s, and some do so sooner.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Connect {
    client: NexusClient,
    account: Arc<Account>,
    /// Held while a call asks the gateway for a new connection.
    asking: Mutex<()>,
    /// The latest connection request. This lock is never held while the gateway is asked.
    last: Mutex<Option<Arc<Request>>>,
}

/// A connection request. If sending it failed, `end` is set from the start, and the page is never shown.
struct Request {
    connection_id: String,
    page: Page,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The time at which the page was first shown.
    shown: Option<Instant>,
    end: Option<End>,
}

/// The end of a connection request.
#[derive(Clone)]
struct End {
    at: Instant,
    outcome: Result<(), String>,
    /// The time for which the outcome also applies to calls that arrive after the end.
    kept: Duration,
}

impl Connect {
    pub(super) fn new(client: &NexusClient, account: &Arc<Account>) -> Self {
        Self {
            client: client.clone(),
            account: Arc::clone(account),
            asking: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Fails if the user has refused to open the page. The next call then shows the page again.
    pub(super) fn respect_refusal(&self, call: &Call) -> Result<(), Problem> {
        let provider = &self.account.provider;
        let problem = match call.visit {
            Some(Visit::Declined) => format!("The user declined to connect {provider}"),
            Some(Visit::Cancelled) => {
                format!("The user dismissed the request to connect {provider}")
            }
            _ => return Ok(()),
        };
        if let Some(request) = &*lock(&self.last) {
            lock(&request.state).shown = None;
        }
        let advice = "Call the tool again only if the user asks for it.";
        Err(format!("{problem}, so nothing was done. {advice}").into())
    }

    /// Waits for the user's consent, until 45 s after the call's arrival, and returns a `Problem` if the user needs longer.
    /// A call that sends the user to the page gets the page as a `Problem`, without a wait. `reason` is the error of a fetch
    /// that began at `since`.
    pub(super) fn connect(
        &self,
        call: &Call,
        reason: &NexusError,
        since: Instant,
    ) -> Result<(), Problem> {
        if advice::is_missing(reason) && self.has_connected(since) {
            return Err(advice::after_consent(reason, &self.account).into());
        }
        let request = self.request(reason, since);
        if request.shows_page_to(call) {
            return Err(Problem::Visit(request.page.clone()));
        }
        match request.wait(call) {
            Some(outcome) => outcome.map_err(Problem::Text),
            // A `Problem::Visit` would make the client open the same page again.
            None if call.visit == Some(Visit::Accepted) => {
                let waited = MAX_WAIT.as_secs();
                let text = request.page.text();
                Err(format!("The user did not complete the page within {waited} s. {text}").into())
            }
            None => Err(Problem::Visit(request.page.clone())),
        }
    }

    /// Returns whether the user connected before `since` and the connection is still active. A gateway that does not
    /// find this connection would not find a new connection either, so the user is not asked again.
    fn has_connected(&self, since: Instant) -> bool {
        let Some(request) = lock(&self.last).clone() else {
            return false;
        };
        let status = || self.client.check_connection(&request.connection_id);
        request.outcome_before(since) == Some(Ok(()))
            && status().is_ok_and(|status| status == ConnectionStatus::Active)
    }

    /// Returns the last request, or requests a new connection if the last request ended before `since` and its outcome is
    /// not kept. Calls that arrive while another call asks the gateway share its outcome.
    fn request(&self, reason: &NexusError, since: Instant) -> Arc<Request> {
        let _asking = lock(&self.asking);
        let last = lock(&self.last).clone();
        let is_shared =
            |request: &Arc<Request>| request.is_kept() || request.outcome_before(since).is_none();
        if let Some(request) = last.filter(is_shared) {
            return request;
        }
        let request = self.ask(reason).unwrap_or_else(|problem| {
            let request = Request::new("", "", "");
            let text = advice::not_asked(reason, &problem, &self.account);
            request.fail(&problem, &text);
            request
        });
        Arc::clone(lock(&self.last).insert(request))
    }

    /// Requests a connection, and starts a thread that waits for the user's consent.
    fn ask(&self, reason: &NexusError) -> Result<Arc<Request>, NexusError> {
        let listener = ConsentListener::bind()?;
        let scopes = match self.account.scopes.as_slice() {
            [] => self.listed_scopes(),
            scopes => scopes.to_vec(),
        };
        let (workspace_id, provider) = (&self.account.workspace_id, &self.account.provider);
        let return_url = listener.return_url();
        let input = RequestConnectionInput::new(workspace_id, provider, &scopes, return_url);
        let asked = self.client.request_connection(&input)?;
        let address = asked.auth_url.split('?').next().unwrap_or_default();
        let url = match &asked.state {
            // The gateway has no page for static credentials, only a schema.
            Some(state) if address.ends_with("/capture-schema") => {
                listener.credential_form(&self.client, state)?
            }
            _ => asked.auth_url,
        };
        let message = advice::unconnected(reason, &self.account);
        let request = Request::new(&asked.connection_id, &url, &message);
        let (client, account) = (self.client.clone(), Arc::clone(&self.account));
        let watched = Arc::clone(&request);
        thread::spawn(move || watched.watch(&client, &listener, &account));
        Ok(request)
    }

    /// Returns the scopes that the gateway lists for the provider, because some identity providers refuse a request
    /// without scopes.
    fn listed_scopes(&self) -> Vec<String> {
        let listed = self.client.providers().map(|providers| providers.all);
        let mut named = listed.unwrap_or_default().into_iter();
        // A connection request ignores the case of a provider's name, so this search ignores it too.
        let is_ours = |name: &str| name.eq_ignore_ascii_case(&self.account.provider);
        let scopes = named.find_map(|it| it.scopes.filter(|_| is_ours(&it.name)));
        scopes.unwrap_or_default()
    }
}

impl Request {
    fn new(connection_id: &str, url: &str, message: &str) -> Arc<Self> {
        Arc::new(Self {
            connection_id: connection_id.to_owned(),
            page: Page::new(connection_id, url, message),
            state: Mutex::default(),
        })
    }

    /// Returns the outcome if the request had ended before this moment.
    fn outcome_before(&self, moment: Instant) -> Option<Result<(), String>> {
        let end = lock(&self.state).end.clone()?;
        (end.at < moment).then_some(end.outcome)
    }

    /// Returns whether the request has failed so recently that the gateway should not be asked again.
    fn is_kept(&self) -> bool {
        let state = lock(&self.state);
        let end = state.end.as_ref();
        end.is_some_and(|end| end.at.elapsed() < end.kept)
    }

    /// Marks the page as shown, and returns whether this call sends the user to the page. Until the request has ended,
    /// returns true for a call that arrived before the page was first shown, and for a repeated call without the user's
    /// answer.
    fn shows_page_to(&self, call: &Call) -> bool {
        let mut state = lock(&self.state);
        let shown = *state.shown.get_or_insert_with(Instant::now);
        let is_first = call.received <= shown || call.visit == Some(Visit::Unanswered);
        is_first && state.end.is_none()
    }

    /// Waits for the outcome, and reports progress meanwhile. Returns `None` if that takes too long or if the call is
    /// cancelled.
    fn wait(&self, call: &Call) -> Option<Result<(), String>> {
        let has_time = || call.received.elapsed() < MAX_WAIT && !call.is_cancelled();
        let end = || lock(&self.state).end.clone();
        let mut reported: Option<Instant> = None;
        while end().is_none() && has_time() {
            if reported.is_none_or(|at| at.elapsed() >= PROGRESS_INTERVAL) {
                call.report_progress("waiting for the user to complete the page");
                reported = Some(Instant::now());
            }
            thread::sleep(STEP);
        }
        let end = end().filter(|_| !call.is_cancelled())?;
        Some(end.outcome)
    }

    /// Polls the gateway until the connection's status is final, a poll fails for good, or 10 minutes have passed. Then
    /// ends the request.
    fn watch(&self, client: &NexusClient, listener: &ConsentListener, account: &Account) {
        let options = WaitOptions::default().interval(INTERVAL);
        let options = options.timeout(MAX_REQUEST).consent(listener);
        let outcome = match client.wait_for_active(&self.connection_id, options) {
            Ok(ConnectionStatus::Active) => Ok(()),
            Ok(status) => Err(advice::not_active(&status, account)),
            Err(error) if error.kind() == ErrorKind::Timeout => Err(advice::too_late(account)),
            Err(error) => return self.fail(&error, &advice::explain(&error, account)),
        };
        self.end(outcome, Duration::ZERO);
    }

    /// Ends the request because the gateway has failed or refused it. `text` explains that to the model.
    fn fail(&self, error: &NexusError, text: &str) {
        let named = error.retry_after().filter(|wait| wait.as_secs() > 0);
        let kept = named.unwrap_or(KEPT).min(MAX_REQUEST);
        let seconds = kept.as_secs();
        let text = format!(
            "{text}\nThis server waits {seconds} s after such a failure before it requests a connection again."
        );
        self.end(Err(text), kept);
    }

    fn end(&self, outcome: Result<(), String>, kept: Duration) {
        let at = Instant::now();
        lock(&self.state).end = Some(End { at, outcome, kept });
        self.page.finish();
    }
}
