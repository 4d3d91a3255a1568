//! A server that is both gateway and upstream, and the calls that are made to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::{FetchOptions, NexusClient, NexusError, RequestConnectionInput, TokenCache};

use crate::find_secrets::{KEY, check_error};
use crate::support::{LONG, Reply, Request, Server, holder, options, reply, retrying};
use crate::watched;

/// The timeout of a call that the server lets hang. A time limit is rounded before the socket sees it, so it is no round
/// number.
pub(crate) const SHORT: Duration = Duration::from_millis(403);
/// The body limit of the tests, and of a gateway's responses: larger than any response that is to be read.
pub(crate) const LIMIT: usize = 256 << 10;

/// The response to every request: a token, a status, a connection and a document in one.
pub(crate) fn document(number: usize) -> String {
    format!(
        r#"{{"access_token":"canary-{number}","status":"active","authUrl":"http://a/","connection_id":"c{number}"}}"#
    )
}

pub(crate) fn document_reply(number: usize) -> Reply {
    reply(200, &[], document(number))
}

/// Plays the fault of a case for its first request. Later requests get a good response.
pub(crate) struct FaultyServer {
    server: Server,
    /// The number of requests of each case.
    heard: Arc<Mutex<HashMap<String, usize>>>,
    /// Clients whose flights hang. The server is dropped first, which ends the flights.
    hung: Mutex<Vec<NexusClient>>,
}

impl FaultyServer {
    pub(crate) fn start(fault: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        watched::begin();
        let heard = Arc::<Mutex<HashMap<String, usize>>>::default();
        let own = Arc::clone(&heard);
        let server = Server::resetting(move |request| {
            let Some(id) = id_of(request) else {
                return document_reply(2);
            };
            let mut heard = own.lock().unwrap();
            let count = heard.entry(id.clone()).or_default();
            *count += 1;
            if *count > 1 {
                return document_reply(2);
            }
            drop(heard);
            fault(id.split('-').next().unwrap().parse().unwrap())
        });
        Self {
            server,
            heard,
            hung: Mutex::default(),
        }
    }

    /// Returns the number of requests that the server received for this case.
    fn heard(&self, id: &str) -> usize {
        let id = id.strip_prefix("case-").unwrap();
        let heard = self.heard.lock().unwrap();
        heard.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.server.url(path)
    }
}

/// Returns the case of a request, such as `case-7-fetch`. It is in the URL or in the body.
pub(crate) fn id_of(request: &Request) -> Option<String> {
    let body = String::from_utf8_lossy(&request.body);
    let text = format!("{} {body}", request.target);
    let (_, rest) = text.split_once("case-")?;
    let end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    rest.split(end).next().map(str::to_owned)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Call {
    /// A resolve.
    Token,
    /// A status, with retries.
    Check,
    /// A POST to the gateway, on a connection that was used before, with retries.
    Connect,
    Fetch,
    /// A POST to the upstream, with retries.
    Send,
}

pub(crate) const CALLS: [Call; 5] = [
    Call::Token,
    Call::Check,
    Call::Connect,
    Call::Fetch,
    Call::Send,
];

/// Makes one call of one case: first with the fault, then again on the same client.
pub(crate) struct FaultyCall<'a> {
    server: &'a FaultyServer,
    client: NexusClient,
    cache: TokenCache,
    call: Call,
    case: usize,
    timeout: Duration,
}

impl<'a> FaultyCall<'a> {
    pub(crate) fn new(
        server: &'a FaultyServer,
        call: Call,
        case: usize,
        timeout: Duration,
    ) -> Self {
        let options = options(&server.server).api_key(KEY).timeout(timeout);
        let mut options = options.max_body_bytes(LIMIT as u64);
        // A status that hangs is a flight, which the next attempt would only join.
        if call == Call::Connect || call == Call::Check && timeout != SHORT {
            options = options.retry_policy(retrying(9, Duration::ZERO));
        }
        let (client, cache) = holder(options, "canary-held");
        Self {
            server,
            client,
            cache,
            call,
            case,
            timeout,
        }
    }

    /// Returns the outcome of the fault. The next call on the same client has to succeed.
    pub(crate) fn make(&self) -> String {
        if self.call == Call::Connect {
            self.warm_up();
        }
        let (id, outcome) = self.meet_fault();
        if matches!(self.call, Call::Connect | Call::Send) {
            assert_eq!(self.server.heard(&id), 1, "{id} must not be sent twice");
        }
        self.cache.delete(&id, "p");
        let mut next = id.clone();
        // The call continues without its caller, until the server closes the connection.
        if self.timeout == SHORT && matches!(self.call, Call::Token | Call::Check) {
            next = format!("after-{id}").replace("case", "row");
            self.server.hung.lock().unwrap().push(self.client.clone());
        }
        assert_eq!(self.without_fault(&next), "ok", "the call after {id}");
        outcome
    }

    /// Opens a connection. The call has the time limit of the case, which a busy machine may exceed, so it is repeated.
    fn warm_up(&self) {
        let start = Instant::now();
        let mut warm = self.status("warm");
        while warm == "timeout" && start.elapsed() < LONG {
            warm = self.status("warm");
        }
        assert!(["ok", "max_retries_exceeded"].contains(&&*warm), "{warm}");
    }

    /// Makes the call, again if its short timeout has passed before the server received the request.
    fn meet_fault(&self) -> (String, String) {
        for attempt in 0.. {
            let id = format!("case-{}-{:?}-{attempt}", self.case, self.call);
            let start = Instant::now();
            let outcome = self.run(&id, 1);
            let took = start.elapsed();
            let is_early = outcome == "timeout" && took < self.timeout;
            assert!(took < LONG && !is_early, "{id} took {took:?}");
            if self.server.heard(&id) > 0 {
                return (id, outcome);
            }
            assert_eq!(outcome, "timeout", "{id} was not sent");
        }
        unreachable!()
    }

    /// Makes a call without a fault, again after a timeout. Any call but a fetch with GET is also repeated once after a
    /// failure: its pooled connection may be closed just then, and the SDK sends only such a fetch again.
    fn without_fault(&self, id: &str) -> String {
        let start = Instant::now();
        let mut outcome = self.run(id, 2);
        let once = self.call != Call::Fetch;
        let mut again = outcome == "timeout" || once && outcome == "request_failed";
        while again && start.elapsed() < LONG {
            outcome = self.run(id, 2);
            again = outcome == "timeout";
        }
        outcome
    }

    fn run(&self, id: &str, number: usize) -> String {
        let url = self.server.url(&format!("/{id}"));
        match self.call {
            Call::Token => {
                let token = self.client.get_cached_token(&self.cache, id, "p");
                let token = token.map(|token| token.access_token.clone());
                shown(token, &format!("canary-{number}"))
            }
            Call::Check => self.status(id),
            Call::Connect => {
                let input = RequestConnectionInput::new(id, "p", ["s"], "http://a/?canary");
                let connection = self.client.request_connection(&input);
                let id = connection.map(|made| made.connection_id);
                shown(id, &format!("c{number}"))
            }
            Call::Fetch => self.fetch(&url, number, FetchOptions::default()),
            Call::Send => {
                let post = FetchOptions::default().method("POST").data("canary");
                self.fetch(&url, number, post.retry_policy(retrying(9, Duration::ZERO)))
            }
        }
    }

    fn status(&self, id: &str) -> String {
        let status = self.client.check_connection(id);
        shown(status.map(|status| status.as_str().to_owned()), "active")
    }

    fn fetch(&self, url: &str, number: usize, options: FetchOptions) -> String {
        let options = options.timeout(self.timeout).header("Cookie", "canary");
        let (client, cache) = (&self.client, &self.cache);
        let fetched = client.authenticated_fetch(cache, "ws", "p", url, options);
        let body = fetched.map(|(.., body)| String::from_utf8_lossy(&body).into_owned());
        shown(body, &document(number))
    }
}

/// Compares the value, or returns the code of the error. Asserts that the error shows no secret.
fn shown(result: Result<String, NexusError>, expected: &str) -> String {
    match result {
        Ok(got) => compare(&got, expected),
        Err(error) => {
            check_error(&error);
            error.code().to_owned()
        }
    }
}

pub(crate) fn compare(got: &str, expected: &str) -> String {
    let how = match got {
        _ if got == expected => "ok",
        "" => "empty",
        _ if expected.starts_with(got) => "shorter",
        _ => "other",
    };
    how.to_owned()
}

/// Runs the cases on several threads.
pub(crate) fn all<T: Sync>(cases: &[T], threads: usize, run: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            run(case);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
}
