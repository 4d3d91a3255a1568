//! Keeps the cookies of one tenant out of another tenant's requests.
//!
//! If any crate in the program enables ureq's feature `cookies`, every agent has a cookie jar, and no setting
//! turns the jar off. One tenant's session cookie would be sent with the next tenant's request. ureq reads and
//! writes the jar while a request runs. Unless the caller brings an agent, each request therefore runs alone on
//! an agent whose jar has just been emptied. Without the feature, this module does nothing.
#![allow(
    dead_code,
    reason = "with the feature `cookies`, only the two functions are used"
)]

/// With the feature, ureq's own method takes precedence over the method of this trait.
trait WithoutJar {
    fn cookie_jar_lock(&self) -> NoJar {
        NoJar
    }
}

impl WithoutJar for ureq::Agent {}

struct NoJar;

impl NoJar {
    #[allow(clippy::unused_self, reason = "the jar has the same method")]
    fn clear(self) {}
}

pub(super) fn is_present(agent: &ureq::Agent) -> bool {
    size_of_val(&agent.cookie_jar_lock()) > 0
}

pub(super) fn empty(agent: &ureq::Agent) {
    agent.cookie_jar_lock().clear();
}
