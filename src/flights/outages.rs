//! Which tenants the gateway has no token for at the moment, so that calls with a usable one need not
//! wait to find that out; and which errors are an outage, which are a definite no.

use std::error::Error as _;
use std::time::{Duration, Instant};

use crate::error::{ErrorKind, NexusError};
use crate::log::Log;
use crate::sync::Mutex;
use crate::tenant::{Named as _, OwnedTenant};

/// How long after a failure the gateway is asked again.
pub(super) const PAUSE: Duration = Duration::from_secs(5);
const MAX_OUTAGES: usize = 256;
/// The gateway's code for a refresh that has failed, for a moment or for good.
pub(super) const TOKEN_EXPIRED: &str = "token_expired";

pub(super) struct Outages(Mutex<Vec<Outage>>);

struct Outage {
    /// `None` for the gateway itself, which cannot be reached for anybody.
    tenant: Option<OwnedTenant>,
    failed: Instant,
    why: NexusError,
    /// Whether the log knows that calls go on with an old token.
    warned: bool,
}

impl Outage {
    fn concerns(&self, tenant: &OwnedTenant) -> bool {
        self.tenant.as_ref().is_none_or(|own| own == tenant)
    }
}

impl Outages {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// How long ago the gateway has failed, if it has since it last had a token.
    pub(super) fn since(&self, tenant: &OwnedTenant, now: Instant) -> Option<Duration> {
        let outages = self.0.lock();
        let known = outages.iter().filter(|outage| outage.concerns(tenant));
        let last = known.map(|outage| outage.failed).max();
        last.map(|last| now.saturating_duration_since(last))
    }

    /// The gateway has failed to bring this tenant's token, or not brought it in time.
    pub(super) fn begin(&self, tenant: &OwnedTenant, why: &NexusError, now: Instant) {
        let tenant = (!is_network(why)).then(|| tenant.clone());
        let mut outages = self.0.lock();
        let known = outages.iter().position(|outage| outage.tenant == tenant);
        let warned = known.is_some_and(|place| outages.swap_remove(place).warned);
        if outages.len() >= MAX_OUTAGES {
            // Whoever is forgotten waits once more to find out.
            outages.clear();
        }
        outages.push(Outage {
            tenant,
            failed: now,
            why: why.clone(),
            warned,
        });
    }

    /// A call goes on with an old token: a warning, once for each outage.
    pub(super) fn warn(&self, tenant: &OwnedTenant, log: Log) {
        let mut outages = self.0.lock();
        let mut unwarned = outages.iter_mut().filter(|outage| !outage.warned);
        let unwarned = unwarned
            .find(|outage| outage.concerns(tenant))
            .map(|outage| {
                outage.warned = true;
                outage.why.clone()
            });
        drop(outages);
        if let Some(why) = unwarned {
            let provider = tenant.names().provider;
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
        let mut warned = false;
        outages.retain(|outage| {
            warned |= outage.concerns(tenant) && outage.warned;
            !outage.concerns(tenant)
        });
        warned
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
