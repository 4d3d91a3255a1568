//! No cookies, whatever features other crates switch on in ureq.
//!
//! With ureq's feature `cookies` every agent has a jar, and no setting to do without: what one
//! tenant's response sets goes out with the next one's request. A jar is read and written while a
//! request runs, so each runs alone on its agent, whose jar is emptied before.
#![allow(
    dead_code,
    reason = "all but the two functions, where that feature is on"
)]

/// ureq's method of this name, which comes before a trait's, is there only with the feature.
trait WithoutJar {
    fn cookie_jar_lock(&self) -> NoJar {
        NoJar
    }
}

impl WithoutJar for ureq::Agent {}

struct NoJar;

impl NoJar {
    #[allow(clippy::unused_self, reason = "as that of a jar")]
    fn clear(self) {}
}

pub(super) fn is_kept(agent: &ureq::Agent) -> bool {
    size_of_val(&agent.cookie_jar_lock()) > 0
}

pub(super) fn empty(agent: &ureq::Agent) {
    agent.cookie_jar_lock().clear();
}
