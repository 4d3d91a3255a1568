//! A `RefreshLock` on Redis. Processes on any number of hosts refresh a token one at a time.
//!
//! The lock is a Redis key with a random value. The key expires 10 s after the longest time for which a process
//! usually holds the lock, so a killed process blocks the others no longer than that. Only the process that knows the value deletes the
//! key earlier.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};
use std::{io, thread};

use nexus_sdk::{LockRequest, RefreshLock};
use redis::{Client, Connection, RedisResult};

/// How much longer than a turn the key lasts. An attempt with a slow network takes a little longer than its time limit.
const MARGIN: Duration = Duration::from_secs(10);
/// The time limit for connecting, and for each read and write.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The shortest and the longest pause between two attempts to acquire the lock, in milliseconds. Pauses are random, so
/// that waiting processes do not ask Redis at the same moment.
const MIN_PAUSE: u64 = 10;
const MAX_PAUSE: u64 = 50;

/// Deletes a key if it still has this process's value. Otherwise the key has expired, and may belong to another
/// process.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// A `RefreshLock` that opens a new connection to Redis each time it acquires the lock, because refreshes are rare
/// and an idle connection can break unnoticed.
#[derive(Debug)]
pub struct RedisLock(Client);

impl RedisLock {
    /// Creates a lock on the Redis server at this URL, such as `redis://127.0.0.1:6379/`. Does not connect.
    ///
    /// # Errors
    ///
    /// Returns the Redis client's error if the URL is not a Redis URL.
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
    fn acquire(&self, turn: &LockRequest<'_>) -> io::Result<Option<Box<dyn Send>>> {
        let key = format!("nexus:refresh:{}", turn.key);
        let token = format!("{:016x}{:016x}", random(), random());
        let mut connection = self.connect().map_err(io::Error::other)?;
        while !set(&mut connection, &key, &token, turn.longest + MARGIN)
            .map_err(io::Error::other)?
        {
            let left = turn.deadline.saturating_duration_since(Instant::now());
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

/// Creates the key unless it exists, and returns whether it was created.
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
        // If this fails, the key blocks others until it expires.
        let _ = command.exec(&mut self.connection);
    }
}

/// Returns a number that other processes cannot guess, because the standard library takes the keys of its hashers from
/// the system's random source.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
