//! Keeps the cookies of one tenant from the requests of another.
//!
//! If any crate in the program enables ureq's feature `cookies`, every agent has a cookie jar that no setting turns off.
//! One tenant's session cookie would then be sent with another tenant's request. Unless the caller has set an agent,
//! each request therefore gets an agent that no other request is using, with an empty jar. Without the feature, there
//! is one agent.

use parking_lot::Mutex;
use ureq::http::{Request, Response};
use ureq::{Agent, AsSendBody, Body};

/// The SDK's own agents, or the caller's agent. The SDK does not clear the cookie jar of the caller's agent.
pub(super) struct Agents {
    pub(super) agent: Agent,
    /// Idle agents, all with the same settings as `agent`. `None` unless the SDK's own agent keeps cookies.
    idle: Option<Mutex<Vec<Agent>>>,
}

impl Agents {
    pub(super) fn new(agent: Agent, is_own: bool) -> Self {
        // A caller may hold the lock of its agent's jar.
        let keeps_cookies = is_own && size_of_val(&agent.cookie_jar_lock()) > 0;
        Self {
            agent,
            idle: keeps_cookies.then(Mutex::default),
        }
    }

    pub(super) fn run<B: AsSendBody>(
        &self,
        request: Request<B>,
    ) -> Result<Response<Body>, ureq::Error> {
        let Some(idle) = &self.idle else {
            return self.agent.run(request);
        };
        let free = idle.lock().pop();
        let agent = free.unwrap_or_else(|| self.agent.config().clone().new_agent());
        agent.cookie_jar_lock().clear();
        let response = agent.run(request);
        idle.lock().push(agent);
        response
    }
}

/// Stands in for the cookie jar if ureq is built without its feature `cookies`. With the feature, ureq's own
/// method takes precedence.
#[allow(dead_code, reason = "unused with the feature `cookies`")]
trait WithoutJar {
    fn cookie_jar_lock(&self) -> NoJar {
        NoJar
    }
}

impl WithoutJar for Agent {}

#[allow(dead_code, reason = "unused with the feature `cookies`")]
struct NoJar;

#[allow(dead_code, reason = "unused with the feature `cookies`")]
impl NoJar {
    #[expect(clippy::unused_self, reason = "a jar has the same method")]
    fn clear(self) {}
}
