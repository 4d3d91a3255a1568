//! A `RefreshLock` on Redis. Processes on any number of hosts refresh a token one at a time.
//!
//! The lock is a Redis key with a random value. The key expires 10 s after the end of the lease, the longest time for
//! which a client usually holds the lock. Until then, a process that was killed blocks the others. Only the process that
//! knows the value deletes the key earlier.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::time::Duration;

use nexus_sdk::RefreshLock;
use redis::{Client, Connection, RedisResult};

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
        let turn = self.start_turn(key, lease).map_err(io::Error::other)?;
        Ok(turn.map(|turn| Box::new(turn) as Box<dyn Send>))
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
