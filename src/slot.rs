//! One tenant's place in a cache, and the only code that decides whether a token is used, asked about, kept or dropped.
//!
//! Pure: no threads, no I/O, and the time is an argument. A caller says why it wants a token ([`Reason`]), and gets a token
//! or a [`Question`]. Whoever gets a question asks the gateway, and hands the outcome in ([`Slot::done`]):
//!
//! | the slot's token | needed | refused by an API |
//! |---|---|---|
//! | none, expired, or from another gateway | ask | ask |
//! | another one than the token that was refused | | use |
//! | fresh | use | ask at first, then at intervals; keep in between |
//! | stale: within its buffer, or past an assumed expiry | ask, and use it for 5 s | as if it were fresh |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{NexusError, Result};
use crate::time::Now;
use crate::token::CachedToken;

/// The time for which a token without a known expiry may be used in an outage, counted from the request for it.
const MAX_ASSUMED_USE: Duration = Duration::from_secs(3600);
/// The time for which a stale token is used without asking the gateway again: after the gateway has returned it, and after
/// a caller has begun to ask for a newer token.
const SHORT_USE: Duration = Duration::from_secs(5);
/// A refused token that the gateway has returned again is asked about again after this time, because some providers end the
/// old token before the gateway has stored the new one, and then after four times the last interval, up to the maximum,
/// because some endpoints refuse every token. If the gateway has not answered, it is asked this long after the question.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// A tenant's token, and what is known about it.
pub(crate) struct Slot {
    /// The last time at which a program set or removed the token, as opposed to the gateway's answers. Each change allocates
    /// it anew, and a question of an older generation changes nothing.
    generation: Arc<Option<Instant>>,
    held: Option<Held>,
}

struct Held {
    token: Arc<CachedToken>,
    /// The address of the gateway that returned the token. `None` for a token that the program has set.
    gateway: Option<Arc<str>>,
    /// The time until which the token is used without asking the gateway.
    fresh_until: Now,
    /// The time until which the token may be used if the gateway returns no newer token.
    usable_until: Now,
    /// The answered questions about the token, by the status with which an API had refused it. Those after a 403 are counted
    /// apart, because an API may refuse some requests with 403 whatever the token is, and must not delay the question after
    /// a 401.
    inquiries: BTreeMap<u16, Inquiry>,
}

#[derive(Default)]
struct Inquiry {
    /// The time until which nobody asks again.
    quiet_until: Option<Instant>,
    /// The last interval, if the gateway has returned the refused token again.
    interval: Duration,
    /// The gateway's error, if the last question was not answered.
    failure: Option<NexusError>,
}

/// The client that wants a token.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// The address of its gateway.
    pub(crate) gateway: Arc<str>,
    /// False if a stale token counts as missing.
    pub(crate) uses_stale: bool,
}

/// The reason for which a caller wants a token.
#[derive(Clone)]
pub(crate) enum Reason {
    /// The caller is about to send a request.
    Needed,
    /// An API has refused this token with this status.
    Refused(Arc<CachedToken>, u16),
}

/// The way in which a caller gets a token.
pub(crate) enum Want {
    /// Uses this token.
    Use(Arc<CachedToken>),
    /// Asks the gateway.
    Ask(Question),
    /// Keeps the refused token, because the gateway was asked about it a short time ago. It has confirmed the token, or has
    /// failed with this error.
    Keep(Arc<CachedToken>, Option<NexusError>),
}

/// A question for the gateway about a slot.
pub(crate) struct Question {
    generation: Arc<Option<Instant>>,
    gateway: Arc<str>,
    reason: Reason,
    asked: Now,
    /// True if the slot has a stale token, which can be used if the gateway does not answer.
    pub(crate) has_stale: bool,
}

/// The outcome of a question: the token that the gateway has returned and the time of the request, or an error. After a final
/// error, the gateway has refused for good, and after any other, it has not answered.
pub(crate) type Outcome = Result<(Arc<CachedToken>, Now)>;

/// Returns whether a status may mean that an API refuses the token.
pub(crate) fn is_refusal(status: u16) -> bool {
    matches!(status, 401 | 403)
}

impl Slot {
    /// Returns a slot without a token. `changed` is the last time at which a program may have removed the tenant's token.
    pub(crate) fn empty(changed: Option<Instant>) -> Self {
        Self {
            generation: Arc::new(changed),
            held: None,
        }
    }

    /// Returns a slot with a token that the program has set. The slot is empty if the token has expired.
    pub(crate) fn set(
        token: Arc<CachedToken>,
        buffer: Duration,
        now: Now,
        changed: Instant,
    ) -> Self {
        Self {
            held: Held::new(token, None, now, now, buffer),
            ..Self::empty(Some(changed))
        }
    }

    /// Returns the token if it can be used without asking the gateway. With a `gateway`, a token from another gateway is
    /// missing.
    pub(crate) fn fresh(&self, gateway: Option<&Arc<str>>, now: Now) -> Option<&Arc<CachedToken>> {
        let held = self.held.as_ref()?;
        let is_known = gateway.is_none_or(|gateway| held.is_of(gateway));
        (is_known && held.is_fresh(now)).then_some(&held.token)
    }

    /// Decides what a caller does to get a token. A caller that is to ask must report the outcome with `done`.
    pub(crate) fn want(&mut self, reason: &Reason, asker: &Asker, now: Now) -> Want {
        let usable = self
            .held
            .as_mut()
            .filter(|held| held.is_of(&asker.gateway) && held.is_usable(now));
        let mut has_stale = false;
        if let Some(held) = usable {
            match reason {
                Reason::Needed if held.is_fresh(now) => return Want::Use(Arc::clone(&held.token)),
                Reason::Needed if asker.uses_stale => {
                    held.fresh_until = now.after(SHORT_USE);
                    has_stale = true;
                }
                Reason::Needed => {}
                Reason::Refused(refused, _) if !held.token.same_credential(refused) => {
                    return Want::Use(Arc::clone(&held.token));
                }
                Reason::Refused(_, status) => {
                    let inquiry = held.inquiries.get(status);
                    if let Some(inquiry) = inquiry.filter(|inquiry| inquiry.is_quiet(now)) {
                        return Want::Keep(Arc::clone(&held.token), inquiry.failure.clone());
                    }
                }
            }
        }
        Want::Ask(Question {
            generation: Arc::clone(&self.generation),
            gateway: Arc::clone(&asker.gateway),
            reason: reason.clone(),
            asked: now,
            has_stale,
        })
    }

    /// Takes the outcome of a question. Does nothing if the slot has changed since the question, or if a caller without a
    /// token got no answer: another client that shares the cache may still get one.
    pub(crate) fn done(
        &mut self,
        question: &Question,
        outcome: Outcome,
        buffer: Duration,
        now: Now,
    ) {
        let is_unanswered = outcome.as_ref().is_err_and(|error| !error.is_final());
        if !self.is_open(question) || question.refused().is_none() && is_unanswered {
            return;
        }
        self.generation = Arc::new(*self.generation);
        match outcome {
            Ok((token, requested)) => {
                let old = self.held.take();
                let same = old.filter(|held| held.token.same_credential(&token));
                let mut inquiries = same.map(|held| held.inquiries).unwrap_or_default();
                if let Reason::Refused(refused, status) = &question.reason
                    && refused.same_credential(&token)
                {
                    inquiries.entry(*status).or_default().confirm(now);
                }
                let gateway = Some(Arc::clone(&question.gateway));
                let held = Held::new(token, gateway, requested, now, buffer);
                self.held = held.map(|held| Held { inquiries, ..held });
            }
            Err(error) if error.is_final() => {
                let others = |held: &Held| !held.is_of(&question.gateway);
                self.held = self.held.take().filter(others);
            }
            Err(error) => {
                let own = self.held.as_mut();
                let asked = own.filter(|held| held.is_of(&question.gateway));
                if let (Some(held), Reason::Refused(_, status)) = (asked, &question.reason) {
                    let inquiry = held.inquiries.entry(*status).or_default();
                    inquiry.fail(error, question.asked);
                }
            }
        }
    }

    /// Returns the last time at which a program may have removed the tenant's token.
    pub(crate) fn changed(&self) -> Option<Instant> {
        *self.generation
    }

    /// Returns whether the slot is as it was when it handed out the question.
    pub(crate) fn is_open(&self, question: &Question) -> bool {
        Arc::ptr_eq(&self.generation, &question.generation)
    }

    /// Returns whether the slot has a token that may still be used, or a question without an outcome.
    pub(crate) fn is_in_use(&self, now: Now) -> bool {
        let is_asked = Arc::strong_count(&self.generation) > 1;
        is_asked || self.held.as_ref().is_some_and(|held| held.is_usable(now))
    }
}

impl Question {
    /// Returns whether the answer to a request that began at this time may be the answer to this question. `first` is the
    /// question that the request was sent for, if any. An earlier request may return a token that has been removed or
    /// refused since.
    pub(crate) fn is_answered_by(&self, began: Instant, first: Option<&Self>) -> bool {
        let is_later = |changed| changed < began;
        let about = first.and_then(Self::refused);
        let is_about =
            |refused: &Arc<CachedToken>| about.is_some_and(|about| about.same_credential(refused));
        self.generation.is_none_or(is_later) && self.refused().is_none_or(is_about)
    }

    /// Returns the refused token that the question is about.
    fn refused(&self) -> Option<&Arc<CachedToken>> {
        match &self.reason {
            Reason::Refused(token, _) => Some(token),
            Reason::Needed => None,
        }
    }
}

impl Held {
    /// Returns `None` if the token has expired. Its life counts from the time at which it was requested. A gateway's token
    /// is fresh for a short time even within the buffer.
    fn new(
        token: Arc<CachedToken>,
        gateway: Option<Arc<str>>,
        requested: Now,
        now: Now,
        buffer: Duration,
    ) -> Option<Self> {
        let left = token.expires_at.duration_since(requested.wall).ok()?;
        if !now.is_before(requested.after(left)) {
            return None;
        }
        let is_assumed = token.stated_expiry().is_none();
        let usable_until = requested.after(if is_assumed { MAX_ASSUMED_USE } else { left });
        let before_buffer = requested.after(left.saturating_sub(buffer));
        let short_use = now.after(SHORT_USE);
        let is_short = gateway.is_some() && !short_use.is_before(before_buffer);
        Some(Self {
            token,
            gateway,
            fresh_until: if is_short { short_use } else { before_buffer },
            usable_until,
            inquiries: BTreeMap::new(),
        })
    }

    fn is_of(&self, gateway: &Arc<str>) -> bool {
        self.gateway.as_ref().is_none_or(|own| own == gateway)
    }

    fn is_usable(&self, now: Now) -> bool {
        now.is_before(self.usable_until)
    }

    fn is_fresh(&self, now: Now) -> bool {
        now.is_before(self.fresh_until) && self.is_usable(now)
    }
}

impl Inquiry {
    fn is_quiet(&self, now: Now) -> bool {
        self.quiet_until.is_some_and(|end| now.mono < end)
    }

    fn confirm(&mut self, now: Now) {
        let next = self.interval.saturating_mul(4);
        self.interval = next.clamp(MIN_INTERVAL, MAX_INTERVAL);
        self.quiet_until = Some(now.after(self.interval).mono);
        self.failure = None;
    }

    fn fail(&mut self, error: NexusError, asked: Now) {
        self.quiet_until = Some(asked.after(MIN_INTERVAL).mono);
        self.failure = Some(error);
    }
}

#[cfg(test)]
mod tests;
