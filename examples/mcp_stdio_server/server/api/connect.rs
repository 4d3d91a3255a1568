//! Getting connected from inside: when only the user can help, they are sent to the page where they
//! consent.
//!
//! There is one request for a connection at a time, for all calls. A thread watches it until it ends, and calls that
//! come after the page was shown wait for that.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::{
    ConnectionStatus, ConsentListener, ErrorKind, NexusClient, NexusError, RequestConnectionInput,
    RequestConnectionResponse, WaitOptions,
};

use super::{Account, advice};
use crate::server::mcp::{Call, Page, Problem, Visit};

/// How old a call gets while it waits for the consent: clients give it up after 60 s.
const MAX_WAIT: Duration = Duration::from_secs(45);
/// A gateway forgets a request for a connection after 10 minutes.
const MAX_REQUEST: Duration = Duration::from_secs(600);
/// Gateways may count the polls of a whole machine, 60 in a minute.
const INTERVAL: Duration = Duration::from_secs(3);
/// How soon a call that waits takes notice of its cancellation.
const STEP: Duration = Duration::from_millis(100);

pub(super) struct Connect {
    client: NexusClient,
    account: Arc<Account>,
    /// The last one, which may have ended.
    request: Mutex<Arc<Asked>>,
}

/// Set once the gateway has responded. The first call asks it, others wait for that.
type Asked = OnceLock<Result<Arc<Request>, String>>;

/// A connection that was asked for.
struct Request {
    /// Its id.
    connection: String,
    page: Page,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    shown: Option<Instant>,
    ended: Option<(Instant, Result<(), String>)>,
}

impl Connect {
    pub(super) fn new(client: &NexusClient, account: &Arc<Account>) -> Self {
        Self {
            client: client.clone(),
            account: Arc::clone(account),
            request: Mutex::default(),
        }
    }

    /// Says no for a user who has said no. The next call shows them the page again.
    pub(super) fn respect(&self, call: &Call) -> Result<(), Problem> {
        let provider = &self.account.provider;
        let what = match call.visit() {
            Some(Visit::Declined) => format!("The user declined to connect {provider}"),
            Some(Visit::Cancelled) => {
                format!("The user dismissed the question whether to connect {provider}")
            }
            _ => return Ok(()),
        };
        if let Some(Ok(request)) = lock(&self.request).get() {
            lock(&request.state).shown = None;
        }
        let advice = "Call the tool again only if the user wants to be asked again.";
        Err(format!("{what}, so nothing was done. {advice}").into())
    }

    /// Returns once the user has consented; the first call only shows where. `reason` is from a request that began at
    /// `since`.
    pub(super) fn connect(
        &self,
        call: &Call,
        reason: &NexusError,
        since: Instant,
    ) -> Result<(), Problem> {
        if advice::is_missing(reason) && self.has_connected(since) {
            return Err(advice::after_consent(reason, &self.account).into());
        }
        let request = self.request(reason, since)?;
        if request.shows(call) {
            return Err(Problem::Visit(request.page.clone()));
        }
        match request.wait(call) {
            Some(outcome) => outcome.map_err(Problem::Text),
            // The client would only ask the same question again.
            None if call.visit() == Some(Visit::Accepted) => {
                let waited = MAX_WAIT.as_secs();
                let text = request.page.text();
                Err(format!("The page was not completed within {waited} s. {text}").into())
            }
            None => Err(Problem::Visit(request.page.clone())),
        }
    }

    /// Whether the last connection that the user has made is active, so that another would not be found either, and
    /// would end one that works under the right name.
    fn has_connected(&self, since: Instant) -> bool {
        let last = lock(&self.request).get().cloned();
        let Some(Ok(request)) = last else {
            return false;
        };
        let status = || self.client.check_connection(&request.connection);
        request.outcome_before(since) == Some(Ok(()))
            && status().is_ok_and(|status| status == ConnectionStatus::Active)
    }

    /// The request that was under way at `since`, or a new one.
    fn request(&self, reason: &NexusError, since: Instant) -> Result<Arc<Request>, String> {
        let asked = self.last(since);
        asked.get_or_init(|| self.ask(reason)).clone()
    }

    /// Where that request is, or will be.
    fn last(&self, since: Instant) -> Arc<Asked> {
        let mut last = lock(&self.request);
        let is_over = match last.get() {
            Some(Ok(request)) => request.outcome_before(since).is_some(),
            Some(Err(_)) => true,
            None => false,
        };
        if is_over {
            *last = Arc::default();
        }
        Arc::clone(&last)
    }

    fn ask(&self, reason: &NexusError) -> Result<Arc<Request>, String> {
        let failed = |problem: &NexusError| advice::not_asked(reason, problem, &self.account);
        let listener = ConsentListener::bind().map_err(|problem| failed(&problem))?;
        let Account {
            workspace_id,
            provider,
            scopes,
            ..
        } = &*self.account;
        let input =
            RequestConnectionInput::new(workspace_id, provider, scopes, listener.return_url());
        let asked = self.client.request_connection(&input);
        let asked = asked.map_err(|problem| failed(&problem))?;
        let url = page(&listener, &self.client, &asked);
        let url = url.map_err(|problem| failed(&problem))?;
        let request = Arc::new(Request {
            connection: asked.connection_id.clone(),
            page: Page::new(
                &asked.connection_id,
                url,
                advice::unconnected(reason, &self.account),
            ),
            state: Mutex::default(),
            ended: Condvar::new(),
        });
        self.watch(Arc::clone(&request), listener)?;
        Ok(request)
    }

    /// Ends the request when the gateway says so.
    fn watch(&self, request: Arc<Request>, listener: ConsentListener) -> Result<(), String> {
        let (client, account) = (self.client.clone(), Arc::clone(&self.account));
        let watch = move || {
            let options = WaitOptions::default().interval(INTERVAL);
            let options = options.timeout(MAX_REQUEST).consent(&listener);
            let outcome = match client.wait_for_active(&request.connection, options) {
                Ok(ConnectionStatus::Active) => Ok(()),
                Ok(status) => Err(advice::not_active(&status, &account)),
                Err(error) if error.kind() == ErrorKind::Timeout => Err(advice::too_late(&account)),
                Err(error) => Err(advice::explain(&error, &account)),
            };
            request.end(outcome);
        };
        let started = thread::Builder::new().spawn(watch);
        let problem = |error| format!("no thread to wait for the user's consent: {error}");
        started.map(drop).map_err(problem)
    }
}

impl Request {
    /// What came of it, if that was known before this moment.
    fn outcome_before(&self, moment: Instant) -> Option<Result<(), String>> {
        let (end, outcome) = lock(&self.state).ended.clone()?;
        (end < moment).then_some(outcome)
    }

    /// Whether this call is to show the page, as one that came before it was known; later ones wait for the consent.
    fn shows(&self, call: &Call) -> bool {
        let mut state = lock(&self.state);
        let shown = *state.shown.get_or_insert_with(Instant::now);
        let first = call.received() <= shown || call.visit() == Some(Visit::Unanswered);
        first && state.ended.is_none()
    }

    /// What has come of it; `None` when that takes too long, or the call was cancelled.
    fn wait(&self, call: &Call) -> Option<Result<(), String>> {
        let has_time = || call.received().elapsed() < MAX_WAIT && !call.is_cancelled();
        let mut state = lock(&self.state);
        while state.ended.is_none() && has_time() {
            let waited = self.ended.wait_timeout(state, STEP);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let (_, outcome) = state.ended.as_ref().filter(|_| !call.is_cancelled())?;
        Some(outcome.clone())
    }

    fn end(&self, outcome: Result<(), String>) {
        lock(&self.state).ended = Some((Instant::now(), outcome));
        self.ended.notify_all();
        self.page.finish();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The page that the user opens: the provider's, or the form of the listener where the gateway has nothing but a schema.
fn page(
    listener: &ConsentListener,
    client: &NexusClient,
    asked: &RequestConnectionResponse,
) -> Result<String, NexusError> {
    let address = asked.auth_url.split('?').next().unwrap_or_default();
    match &asked.state {
        Some(state) if address.ends_with("/capture-schema") => {
            listener.credential_form(client, state)
        }
        _ => Ok(asked.auth_url.clone()),
    }
}
