//! Which tenants the gateway has no token for at the moment, so that calls with a usable one need not
//! wait to find that out; and which errors are an outage, which are a definite no.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::{Duration, Instant};

use crate::error::{ErrorKind, NexusError};
use crate::log::Log;
use crate::sync::Mutex;
use crate::tenant::OwnedTenant;

/// How long after a failure the gateway is asked again.
pub(super) const PAUSE: Duration = Duration::from_secs(5);
const MAX_OUTAGES: usize = 1000;
/// The gateway's code for a refresh that has failed, for a moment or for good.
pub(super) const TOKEN_EXPIRED: &str = "token_expired";

/// By tenant. `None` is the gateway itself, which cannot be reached for anybody.
pub(super) struct Outages(Mutex<HashMap<Option<OwnedTenant>, Outage>>);

struct Outage {
    failed: Instant,
    why: NexusError,
    /// Whether the log knows that calls go on with an old token.
    warned: bool,
}

impl Outages {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// How long ago the gateway has failed, if it has since it last had a token.
    pub(super) fn since(&self, tenant: &OwnedTenant, now: Instant) -> Option<Duration> {
        let outages = self.0.lock();
        let keys = [None, Some(tenant.clone())];
        let failed = keys.iter().filter_map(|key| Some(outages.get(key)?.failed));
        failed.max().map(|last| now.saturating_duration_since(last))
    }

    /// The gateway has failed to bring this tenant's token, or not brought it in time.
    pub(super) fn begin(&self, tenant: &OwnedTenant, why: &NexusError, now: Instant) {
        let whose = (!is_network(why)).then(|| tenant.clone());
        let mut outages = self.0.lock();
        if outages.len() >= MAX_OUTAGES {
            // Whoever is forgotten waits once more to find out.
            outages.clear();
        }
        let warned = outages.get(&whose).is_some_and(|outage| outage.warned);
        let outage = Outage {
            failed: now,
            why: why.clone(),
            warned,
        };
        outages.insert(whose, outage);
    }

    /// A call goes on with an old token: a warning, once for each outage.
    pub(super) fn warn(&self, tenant: &OwnedTenant, log: Log) {
        let mut outages = self.0.lock();
        let unwarned = [None, Some(tenant.clone())].iter().find_map(|key| {
            let outage = outages.get_mut(key).filter(|outage| !outage.warned)?;
            outage.warned = true;
            Some(outage.why.clone())
        });
        drop(outages);
        if let Some(why) = unwarned {
            let provider = tenant.as_tenant().provider;
            log.warn(|| {
                format!(
                    "no new token for {provider:?}; the old one is used until it expires: {why}"
                )
            });
        }
    }

    /// The gateway has said what there is for this tenant; whether that ends what was warned of.
    pub(super) fn end(&self, tenant: &OwnedTenant) -> bool {
        let mut outages = self.0.lock();
        let ended = [outages.remove(&None), outages.remove(&Some(tenant.clone()))];
        ended.iter().flatten().any(|outage| outage.warned)
    }
}

/// Whether the gateway has said that there is no token, not only that it has none now.
pub(super) fn is_definite(error: &NexusError) -> bool {
    match error.kind() {
        ErrorKind::Gateway => {
            let status = error.status_code().unwrap_or_default();
            (400..500).contains(&status) && status != 429 && error.code() != TOKEN_EXPIRED
        }
        ErrorKind::InvalidInput
        | ErrorKind::InvalidCredentials
        | ErrorKind::UnsupportedStrategy => true,
        _ => false,
    }
}

/// Whether the gateway could not be reached at all, whatever was asked of it.
fn is_network(why: &NexusError) -> bool {
    let last = why.source().and_then(|source| source.downcast_ref());
    last.unwrap_or(why).kind() == ErrorKind::RequestFailed
}
