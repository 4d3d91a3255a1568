//! The decision to retry a request, and the delay before the retry.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::error::meaning;
use crate::error::{NexusError, Result};

const SECOND: Duration = Duration::from_secs(1);

/// The number of retries of a request, and the pauses between the attempts.
///
/// The policy in [`NexusClientOptions`](crate::NexusClientOptions::retry_policy) applies to requests to the
/// gateway, and the policy in [`FetchOptions`](crate::FetchOptions::retry_policy) to the request of a fetch.
///
/// # Example
///
/// ```
/// use nexus_sdk::RetryPolicy;
/// use std::time::Duration;
///
/// let defaults = RetryPolicy::default()
///     .retries(0)
///     .min_delay(Duration::from_millis(200))
///     .max_delay(Duration::from_secs(2))
///     .retry_on_429(false);
/// assert_eq!(RetryPolicy::default(), defaults);
/// ```
///
/// # Details
///
/// Statuses 408, 425, 502, 503 and 504 are retried, Cloudflare's 520 to 527 and 530, and 429 if
/// [`retry_on_429`](Self::retry_on_429) is set. In a fetch, they are retried only for idempotent methods (RFC 9110
/// section 9.2.2). Network failures are retried if they may be temporary and either the method is idempotent or the error
/// shows that the request was not sent. There are two exceptions for requests to the gateway:
///
/// - An error is not retried if it is `upstream_error` from a refresh, or if it shows that the broker, the service behind
///   the gateway, has refused the request with a 4xx status other than 429.
/// - A request that may [refresh](crate::refreshes) a token is not retried while the gateway may still be working on it:
///   after a 504 or 524, or after a network failure unless the error shows that the request was not sent. A call to
///   `refresh_connection` or `request_agent_session` is retried after a 502 or 520 only if the code begins with `broker_`.
///
/// The pause before retry `n` (from 0) is `min(min_delay * 2^n, max_delay)` times a random factor between
/// 0.2 and 0.8. A longer `Retry-After` is honoured. If it is longer than `max_delay`, the request is not retried, and the
/// caller gets the response or its error, whose [`retry_after`](NexusError::retry_after) is the time to wait. A 429 with
/// `Retry-After: 0` is retried after a second, or after `max_delay` if that is shorter, because a gateway rounds down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct RetryPolicy {
    /// The maximum number of retries: see [`retries`](Self::retries()).
    pub retries: u32,
    /// The pause before the first retry: see [`min_delay`](Self::min_delay()).
    pub min_delay: Duration,
    /// The longest pause before a retry: see [`max_delay`](Self::max_delay()).
    pub max_delay: Duration,
    /// True if status 429 is also retried: see [`retry_on_429`](Self::retry_on_429()).
    pub retry_on_429: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 0,
            min_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(2),
            retry_on_429: false,
        }
    }
}

impl RetryPolicy {
    /// Sets the maximum number of retries after the first attempt. Default 0.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RetryPolicy, testing::{DevGateway, Fault}};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(2, Fault::Status(503));
    /// let policy = RetryPolicy::default().retries(2);
    /// let options = NexusClientOptions::new(gateway.url()).retry_policy(policy);
    /// assert!(NexusClient::new(options)?.providers().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the pause before the first retry, to which the random factor is then applied. Default 200 ms.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RetryPolicy, testing::{DevGateway, Fault}};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(3, Fault::Status(503));
    /// let policy = RetryPolicy::default().retries(3).min_delay(Duration::ZERO);
    /// let options = NexusClientOptions::new(gateway.url()).retry_policy(policy);
    /// // Retries three times, without a pause.
    /// assert!(NexusClient::new(options)?.providers().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn min_delay(mut self, delay: Duration) -> Self {
        self.min_delay = delay;
        self
    }

    /// Sets the longest pause before a retry. Default 2 s. A request is not retried if its response asks for a longer pause.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RetryPolicy, testing::{DevGateway, Fault}};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// let retry_after = Fault::RetryAfter { status: 503, value: "3600".to_owned() };
    /// gateway.fail_next(1, retry_after);
    /// let policy = RetryPolicy::default().retries(1).max_delay(Duration::from_millis(10));
    /// let options = NexusClientOptions::new(gateway.url()).retry_policy(policy);
    /// // The gateway asks for an hour.
    /// let error = NexusClient::new(options)?.providers().unwrap_err();
    /// assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets whether status 429 (`Too Many Requests`) is also retried, even if the broker sent it and the gateway passes
    /// it on with another status. Default `false`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RetryPolicy, testing::{DevGateway, Fault}};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::Status(429));
    /// let policy = RetryPolicy::default().retries(1).retry_on_429(true);
    /// let options = NexusClientOptions::new(gateway.url()).retry_policy(policy);
    /// assert!(NexusClient::new(options)?.providers().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_on_429(mut self, retry: bool) -> Self {
        self.retry_on_429 = retry;
        self
    }

    /// Returns whether a response with this status is retried.
    pub(crate) fn retries_status(&self, status: u16) -> bool {
        meaning::is_temporary(status) || (status == 429 && self.retry_on_429)
    }

    /// Returns the pause after an attempt, or `None` if the response asks for one that is longer than the policy allows.
    /// Attempts are numbered from 0. `chance` is in `0.0..1.0`.
    fn delay(&self, attempt: u32, chance: f64, failure: &NexusError) -> Option<Duration> {
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        let backoff = self.min_delay.saturating_mul(factor).min(self.max_delay);
        let jittered = backoff.mul_f64(0.2 + 0.6 * chance.clamp(0.0, 1.0));
        let asked = match (failure.status_code(), failure.retry_after()) {
            // A gateway says so for a wait of less than a second.
            (Some(429), Some(Duration::ZERO)) => SECOND.min(self.max_delay),
            (_, retry_after) => retry_after.unwrap_or_default(),
        };
        (asked <= self.max_delay).then_some(jittered.max(asked))
    }

    /// Returns the maximum number of attempts.
    pub(crate) fn attempts(&self) -> u32 {
        self.retries.saturating_add(1)
    }

    /// Returns the longest duration of a call in which each attempt has this timeout.
    pub(crate) fn longest_call(&self, timeout: Duration) -> Duration {
        let each = timeout.saturating_add(self.max_delay);
        each.saturating_mul(self.retries).saturating_add(timeout)
    }

    /// Makes attempts until one succeeds or fails for good, at most as many as the policy allows. `refused` returns the error
    /// of a response that is retried. `go_on` logs a line and blocks for the pause before an attempt, or returns false if
    /// none may begin. The error states that a request may have been sent if that is so for any of the attempts.
    pub(crate) fn run<T>(
        &self,
        go_on: impl Fn(Duration, fmt::Arguments<'_>) -> bool,
        mut attempt: impl FnMut() -> Result<T>,
        refused: impl Fn(&T) -> Option<NexusError>,
    ) -> Result<T> {
        let mut failed = 0;
        let mut was_sent = false;
        loop {
            let keep = |error: NexusError| error.with(|inner| inner.may_have_been_sent |= was_sent);
            let outcome = attempt().map_err(keep);
            let error = outcome.as_ref().err();
            was_sent = error.is_none_or(NexusError::may_have_been_sent);
            let repeatable = match &outcome {
                Ok(response) => refused(response),
                Err(error) => Some(error.clone()).filter(NexusError::may_repeat),
            };
            let Some(failure) = repeatable else {
                return outcome;
            };
            let delay = self.delay(failed, chance(), &failure);
            failed = failed.saturating_add(1);
            if failed > self.retries {
                return outcome.map_err(|last| NexusError::exhausted(last, failed));
            }
            let Some(wait) = delay else { return outcome };
            let ms = wait.as_millis();
            let attempts = self.attempts();
            let goes_on = go_on(
                wait,
                format_args!(
                    "attempt {failed} of {attempts} failed, retrying in {ms} ms: {failure}"
                ),
            );
            if !goes_on {
                return outcome;
            }
        }
    }
}

/// Returns a number in `0.0..1.0`. It is random enough to spread retries, because the standard library seeds
/// each `RandomState` differently.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(std::thread::current().id());
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn asking(status: u16, retry_after: Option<Duration>) -> NexusError {
        NexusError::api(status, "", retry_after)
    }

    #[test]
    fn the_delay_doubles_up_to_its_bound_with_a_jitter_of_a_fifth_to_four_fifths() {
        let policy = RetryPolicy::default();
        for (attempt, whole) in [(0, 200), (3, 1600), (4, 2000), (40, 2000)] {
            let failure = asking(503, None);
            let delay = |chance| policy.delay(attempt, chance, &failure).unwrap();
            assert_eq!(delay(0.0), ms(whole) / 5, "attempt {attempt}");
            assert_eq!(delay(0.5), ms(whole) / 2, "attempt {attempt}");
            assert!(delay(0.999) < ms(whole) * 4 / 5, "attempt {attempt}");
        }
    }

    #[test]
    fn retry_after_lengthens_the_delay_up_to_its_bound_and_then_ends_the_retries() {
        let policy = RetryPolicy::default();
        let brief = RetryPolicy::default().max_delay(ms(300));
        // A policy, a status, its `Retry-After` and the delay, in milliseconds. Without a `Retry-After`, it were 40.
        let table = [
            (&policy, 503, 10, Some(40)),
            (&policy, 503, 1500, Some(1500)),
            (&policy, 429, 2000, Some(2000)),
            (&policy, 503, 2001, None),
            (&policy, 429, 3_600_000, None),
            (&policy, 503, 0, Some(40)),
            (&policy, 429, 0, Some(1000)),
            (&brief, 429, 0, Some(300)),
            (&brief, 429, 1000, None),
        ];
        for (policy, status, asked, waited) in table {
            let delay = policy.delay(0, 0.0, &asking(status, Some(ms(asked))));
            assert_eq!(delay, waited.map(ms), "{status}: asked for {asked}");
        }
    }

    #[test]
    fn no_policy_overflows() {
        let longest = Duration::from_secs(1 << 40);
        let policy = RetryPolicy::default().min_delay(Duration::MAX);
        let policy = policy.max_delay(longest).retries(u32::MAX);
        let failure = asking(503, Some(longest));
        assert_eq!(policy.delay(u32::MAX, 1.0, &failure), Some(longest));
        let endless = asking(503, Some(Duration::MAX));
        assert_eq!(policy.delay(u32::MAX, 1.0, &endless), None);
        assert_eq!(policy.longest_call(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn a_429_is_retried_only_when_asked_for() {
        let retried = |policy: RetryPolicy| -> Vec<u16> {
            let statuses = 100..600;
            statuses.filter(|it| policy.retries_status(*it)).collect()
        };
        let usual = [
            408, 425, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530,
        ];
        assert_eq!(retried(RetryPolicy::default()), usual);
        let mut with_429 = retried(RetryPolicy::default().retry_on_429(true));
        with_429.retain(|status| !usual.contains(status));
        assert_eq!(with_429, [429]);
    }

    #[test]
    fn chances_differ_and_stay_in_bounds() {
        let drawn = [(); 100].map(|()| chance());
        assert!(drawn.iter().all(|chance| (0.0..1.0).contains(chance)));
        let differs = |chance: &f64| (chance - drawn[0]).abs() > f64::EPSILON;
        assert!(drawn.iter().any(differs));
    }
}
