//! Many threads, one gateway. The gateway holds its answer back until every thread is on board, so
//! that nothing here depends on timing.

use super::*;
use crate::options::NexusClientOptions;
use crate::retry::RetryPolicy;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const TOKEN: &str = r#"{"access_token": "t-1", "expires_in": 3600}"#;

/// What a gateway answers: status and body, or `None` for never.
type Answer = Option<(u16, &'static str)>;

/// A gateway that answers the nth request as a closure says.
struct Scripted {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Scripted {
    fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (counted, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (counted, answer) = (Arc::clone(&counted), Arc::clone(&answer));
                thread::spawn(move || serve(stream.unwrap(), &counted, &*answer));
            }
        });
        Self { url, requests }
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn gateway(&self) -> Gateway {
        Gateway::new(NexusClientOptions::new(&self.url)).unwrap()
    }
}

fn serve(mut stream: TcpStream, counted: &AtomicUsize, answer: &dyn Fn(usize, &str) -> Answer) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
    let Some((status, body)) = answer(number, std::str::from_utf8(&request).unwrap()) else {
        // Says nothing until the client has hung up.
        let _ = stream.read(&mut byte);
        return;
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
}

fn tenant(provider: &str) -> Tenant<'_> {
    Tenant {
        workspace_id: "ws",
        provider,
    }
}

fn far() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

#[test]
fn threads_that_miss_together_cost_one_resolve_and_all_get_what_comes_of_it() {
    let table = [
        (200, TOKEN, Ok("t-1")),
        (
            503,
            r#"{"error": "broker_unavailable"}"#,
            Err(("broker_unavailable", Some(503))),
        ),
    ];
    for (status, body, expected) in table {
        const THREADS: usize = 64;
        let cache = TokenCache::new();
        let watched = cache.clone();
        let server = Scripted::start(move |_, _| {
            while watched.on_board("ws", "p") < THREADS {
                thread::yield_now();
            }
            Some((status, body))
        });
        let gateway = server.gateway();
        thread::scope(|scope| {
            let call = || cached(&gateway, &cache, tenant("p"), far());
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(call)).collect();
            for thread in threads {
                let result = thread
                    .join()
                    .unwrap()
                    .map(|(token, _)| token.access_token.clone());
                let result = result.as_ref().map(String::as_str);
                assert_eq!(
                    result.map_err(|error| (error.code(), error.status_code())),
                    expected
                );
            }
        });
        assert_eq!(server.count(), 1, "for a {status}");
    }
}

#[test]
fn another_key_is_not_held_up() {
    let (answered, wait) = mpsc::channel::<()>();
    let wait = parking_lot::Mutex::new(wait);
    let server = Scripted::start(move |_, request| {
        if request.contains("provider_name=slow") {
            // Answers only once the other key has its token.
            wait.lock().recv().unwrap();
        }
        Some((200, TOKEN))
    });
    let (gateway, cache) = (server.gateway(), TokenCache::new());
    thread::scope(|scope| {
        let slow = scope.spawn(|| cached(&gateway, &cache, tenant("slow"), far()));
        while cache.on_board("ws", "slow") == 0 {
            thread::yield_now();
        }
        assert!(cached(&gateway, &cache, tenant("quick"), far()).is_ok());
        answered.send(()).unwrap();
        assert!(slow.join().unwrap().is_ok());
    });
}

#[test]
fn a_leader_whose_own_time_is_up_hands_over() {
    let server = Scripted::start(|_, _| Some((200, TOKEN)));
    let (gateway, cache) = (server.gateway(), TokenCache::new());
    let Lookup::Lead(leader) = cache.look_up("ws", "p", Now::read()) else {
        panic!("nobody else is asking");
    };
    thread::scope(|scope| {
        let patient = scope.spawn(|| cached(&gateway, &cache, tenant("p"), far()));
        while cache.on_board("ws", "p") < 2 {
            thread::yield_now();
        }
        let at_once = Deadline::after(Duration::ZERO);
        let hasty = lead(leader, at_once, || resolve(&gateway, tenant("p"), at_once));
        assert_eq!(hasty.unwrap_err().code(), "timeout");
        assert!(patient.join().unwrap().is_ok());
    });
    assert_eq!(server.count(), 1);
}

#[test]
fn a_leader_without_the_time_to_try_again_takes_nobody_along_who_has_it() {
    // Whether it is tried again by the patient thread, for which there is time, or by nobody.
    for (left, expected, requests) in [(400, Ok(()), 2), (35, Err("max_retries_exceeded"), 1)] {
        let (cache, policy) = (TokenCache::new(), RetryPolicy::default().retries(1));
        let watched = cache.clone();
        let server = Scripted::start(move |number, _| {
            while number == 1 && watched.on_board("ws", "p") < 2 {
                thread::yield_now();
            }
            Some(if number == 1 {
                (503, "{}")
            } else {
                (200, TOKEN)
            })
        });
        // A wait of 40 to 160 s, which nobody waits for here.
        let wait = Duration::from_secs(200);
        let options = NexusClientOptions::new(&server.url)
            .retry_policy(policy.min_delay(wait).max_delay(wait));
        let gateway = Gateway::new(options).unwrap();
        let call = |seconds| {
            cached(
                &gateway,
                &cache,
                tenant("p"),
                Deadline::after(Duration::from_secs(seconds)),
            )
        };
        thread::scope(|scope| {
            let hasty = scope.spawn(|| call(30));
            while cache.on_board("ws", "p") == 0 {
                thread::yield_now();
            }
            let patient = call(left);
            let patient = patient.as_ref().map(|_| ()).map_err(NexusError::code);
            assert_eq!(patient, expected, "{left} s");
            let hasty = hasty.join().unwrap();
            assert_eq!(hasty.unwrap_err().code(), "max_retries_exceeded");
        });
        assert_eq!(server.count(), requests, "{left} s");
    }
}

#[test]
fn a_follower_waits_no_longer_than_its_own_deadline() {
    let server = Scripted::start(|_, _| None);
    let (gateway, cache) = (server.gateway(), TokenCache::new());
    let Lookup::Lead(_leader) = cache.look_up("ws", "p", Now::read()) else {
        panic!("nobody else is asking");
    };
    let deadline = Deadline::after(Duration::from_millis(20));
    let error = cached(&gateway, &cache, tenant("p"), deadline).unwrap_err();
    assert_eq!((error.code(), server.count()), ("timeout", 0));
}

#[test]
fn a_panicking_leader_hands_over() {
    let server = Scripted::start(|_, _| Some((200, TOKEN)));
    let (gateway, cache) = (server.gateway(), TokenCache::new());
    let Lookup::Lead(leader) = cache.look_up("ws", "p", Now::read()) else {
        panic!("nobody else is asking");
    };
    thread::scope(|scope| {
        let follower = scope.spawn(|| cached(&gateway, &cache, tenant("p"), far()));
        while cache.on_board("ws", "p") < 2 {
            thread::yield_now();
        }
        let fly = std::panic::AssertUnwindSafe(|| {
            let _leader = leader;
            std::panic::resume_unwind(Box::new("a bug"));
        });
        std::panic::catch_unwind(fly).unwrap_err();
        assert!(follower.join().unwrap().is_ok());
    });
    assert_eq!(server.count(), 1);
}
