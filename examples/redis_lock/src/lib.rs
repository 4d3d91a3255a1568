//! A `RefreshLock` on Redis. Processes on any number of hosts refresh a token one at a time.
//!
//! The lock is a Redis key with a random value. The key expires 10 s after the end of the lease, the longest time for
//! which a client usually holds the lock. Until then, a process that was killed blocks the others. Only the process that
//! knows the value deletes the key earlier.
//!
//! Without Redis, nobody has the lock, so nobody refreshes a token until Redis is back. `README.md` has the other choice.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nexus_sdk::RefreshLock;
use redis::{Client, Connection, RedisError, RedisResult};

/// The time for which the key outlasts the lease. On a slow network, an attempt can take a little longer than its time
/// limit.
const MARGIN: Duration = Duration::from_secs(10);
/// The time limit for connecting, and for each read and write.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Deletes a key if it still has this process's value. Otherwise the key has expired, and may belong to another
/// process.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// A `RefreshLock` that opens a new connection to Redis each time it is asked, because refreshes are rare and
/// an idle connection can break unnoticed.
#[derive(Debug)]
pub struct RedisLock {
    client: Client,
    goes_on_without_redis: bool,
    /// True if the last request failed, so that each outage is reported once.
    has_failed: AtomicBool,
}

impl RedisLock {
    /// Creates a lock on the Redis server at this URL, such as `redis://127.0.0.1:6379/`. Does not connect.
    ///
    /// # Errors
    ///
    /// Returns the Redis client's error if the URL is not a Redis URL.
    pub fn new(url: &str) -> io::Result<Self> {
        Ok(Self {
            client: Client::open(url).map_err(io::Error::other)?,
            goes_on_without_redis: false,
            has_failed: AtomicBool::new(false),
        })
    }

    /// Sets what happens while Redis cannot be reached. By default, no process refreshes a token: callers that have no
    /// token wait for Redis, and get the error `timeout` in the end. With `true`, the SDK logs a warning and goes on without
    /// the lock, so two processes can refresh a token at the same time. If its provider rotates refresh tokens, this costs the
    /// user's consent.
    #[must_use]
    pub fn go_on_without_redis(mut self, goes_on: bool) -> Self {
        self.goes_on_without_redis = goes_on;
        self
    }

    /// Says on stderr why no process gets the lock, once in each outage, because the error `timeout` cannot say it.
    fn report(&self, error: &RedisError) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            let line = format!("redis_lock: no token is refreshed until Redis is back: {error}\n");
            // One write keeps the line in one piece. A closed stderr is not an error.
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        Ok(connection)
    }

    /// Creates the key, or returns `None` if it exists.
    fn start_turn(&self, key: &str, lease: Duration) -> RedisResult<Option<Turn>> {
        let mut connection = self.connect()?;
        let key = format!("nexus:refresh:{key}");
        let token = format!("{:016x}{:016x}", random(), random());
        let lease = u64::try_from((lease + MARGIN).as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&token).arg("NX").arg("PX").arg(lease);
        let set: Option<String> = command.query(&mut connection)?;
        Ok(set.map(|_| Turn {
            connection,
            key,
            token,
        }))
    }
}

impl RefreshLock for RedisLock {
    fn try_lock(&self, key: &str, lease: Duration) -> io::Result<Option<Box<dyn Send>>> {
        match self.start_turn(key, lease) {
            Ok(turn) => {
                self.has_failed.store(false, Ordering::Relaxed);
                Ok(turn.map(|turn| Box::new(turn) as Box<dyn Send>))
            }
            // The SDK goes on without the lock.
            Err(error) if self.goes_on_without_redis => Err(io::Error::other(error)),
            // For the SDK, another process holds the lock. It asks again until the caller's time is up.
            Err(error) => {
                self.report(&error);
                Ok(None)
            }
        }
    }
}

struct Turn {
    connection: Connection,
    key: String,
    token: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut command = redis::cmd("EVAL");
        command.arg(RELEASE).arg(1).arg(&self.key).arg(&self.token);
        // If this fails, the key blocks others until it expires.
        let _ = command.exec(&mut self.connection);
    }
}

/// Returns a number that other processes cannot guess, because the standard library takes the keys of its hashers from
/// the system's random source.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
