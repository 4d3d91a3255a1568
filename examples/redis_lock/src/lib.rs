//! A `RefreshLock` on Redis: processes on any number of hosts refresh a token one at a time.
//!
//! The lock is a Redis key whose value is a random token. The key expires when the turn has to be over, so a process
//! that is killed blocks nobody for longer. Only the process that knows the token deletes the key before that.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};
use std::{io, thread};

use nexus_sdk::RefreshLock;
use redis::{Client, Connection, RedisResult};

/// For connecting, and for each command.
const TIMEOUT: Duration = Duration::from_millis(500);
const MIN_PAUSE: u64 = 10;
/// In milliseconds, like `MIN_PAUSE`. The pauses are random, so that waiting processes do not ask all at once.
const MAX_PAUSE: u64 = 50;

/// Deletes a key if it still holds the token. Otherwise the turn was over, and the key is another process's.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// Connects for each turn: turns are rare, and Redis closes idle connections.
#[derive(Debug)]
pub struct RedisLock(Client);

impl RedisLock {
    /// A lock on the Redis server at this URL, such as `redis://127.0.0.1:6379/`. Does not connect.
    ///
    /// # Errors
    ///
    /// The URL is not a Redis URL.
    pub fn new(url: &str) -> io::Result<Self> {
        Client::open(url).map(Self).map_err(io::Error::other)
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.0.get_connection_with_timeout(TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        Ok(connection)
    }
}

impl RefreshLock for RedisLock {
    fn acquire(
        &self,
        key: &str,
        longest: Duration,
        deadline: Instant,
    ) -> io::Result<Option<Box<dyn Send>>> {
        let key = format!("nexus:refresh:{key}");
        let token = format!("{:016x}{:016x}", random(), random());
        let mut connection = self.connect().map_err(io::Error::other)?;
        while !set(&mut connection, &key, &token, longest).map_err(io::Error::other)? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let pause = MIN_PAUSE + random() % (MAX_PAUSE - MIN_PAUSE);
            thread::sleep(left.min(Duration::from_millis(pause)));
        }
        Ok(Some(Box::new(Turn {
            connection,
            key,
            token,
        })))
    }
}

/// Sets the key unless it exists, and returns whether it did.
fn set(connection: &mut Connection, key: &str, token: &str, lease: Duration) -> RedisResult<bool> {
    let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
    let mut command = redis::cmd("SET");
    command.arg(key).arg(token).arg("NX").arg("PX").arg(lease);
    let set: Option<String> = command.query(connection)?;
    Ok(set.is_some())
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
        // If this fails, the key expires.
        let _ = command.exec(&mut self.connection);
    }
}

/// A number that nobody else can know: the standard library seeds its hashers from the system.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
