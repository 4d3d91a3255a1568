//! Names whose lookup hangs, whose addresses have moved, and whose first address is dead.

use std::net::Ipv6Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use super::*;

type Answers = Mutex<Vec<Vec<SocketAddr>>>;

/// A name service that says these things one after the other, the last of them for ever.
fn service(answers: Vec<Vec<SocketAddr>>) -> impl Fn(&str) -> io::Result<Vec<SocketAddr>> {
    let answers: Answers = Mutex::new(answers.into_iter().rev().collect());
    move |_| {
        let mut answers = answers.lock().unwrap();
        let last = answers.last().unwrap().clone();
        if answers.len() > 1 {
            answers.pop();
        }
        Ok(last)
    }
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 0))
}

/// An address and port that swallow: nobody accepts, and there is no room to wait.
#[cfg(target_os = "linux")]
struct Hole {
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

#[cfg(target_os = "linux")]
fn hole(address: SocketAddr) -> Hole {
    let listener = TcpListener::bind(address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let brief = Duration::from_millis(300);
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, brief) {
        waiting.push(stream);
    }
    Hole {
        _listener: listener,
        _waiting: waiting,
    }
}

fn answering() -> u16 {
    serve(|mut socket| {
        loop {
            if head(&mut socket)?.starts_with("CONNECT ") {
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            } else {
                socket.write_all(&ok("here"))?;
            }
        }
    })
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_swallows_leaves_time_for_the_next() {
    let port = answering();
    let _hole = hole(SocketAddr::from(([127, 0, 0, 2], port)));
    // All at once, or only the dead one, which has been remembered; directly and through a proxy.
    let cases = [vec![vec![at(2), at(1)]], vec![vec![at(2)], vec![at(1)]]];
    let cases = cases.map(|answers| [(answers.clone(), false), (answers, true)]);
    thread::scope(|threads| {
        for (answers, proxied) in cases.into_iter().flatten() {
            threads.spawn(move || {
                let names = Names::new(service(answers.clone()), STEADY);
                let transport = transport(&names, |config| {
                    if proxied {
                        through(port)(config)
                    } else {
                        config
                    }
                });
                let url = format!("http://example.test:{port}/");
                let body = get(url).body_of(&transport);
                assert_eq!(body, "here", "{answers:?}, {proxied}");
            });
        }
    });
}

#[test]
fn a_host_that_has_moved_is_found_again() {
    let port = answering();
    let names = Names::new(service(vec![vec![at(1)], vec![at(3)], vec![at(1)]]), STEADY);
    let transport = transport(&names, |config| config);
    let url = format!("http://example.test:{port}/");
    assert_eq!(get(&url).body_of(&transport), "here");
    names.forget("example.test");
    // Now it is 127.0.0.3, where nobody listens, and then 127.0.0.1 again.
    let asked = post(&url, "x");
    let age = Some(Duration::ZERO);
    let outgoing = Outgoing {
        method: &asked.method,
        url: &asked.url.parse().unwrap(),
        headers: &HeaderMap::new(),
        body: asked.body.as_deref(),
        patient: false,
    };
    let sent = transport.exchange(&outgoing, Deadline::after(LONG), 99, age);
    assert_eq!(sent.ok().unwrap().body, b"here");
}

#[test]
fn an_address_that_cannot_be_used_is_not_the_last_tried() {
    let port = answering();
    // A link-local address of an interface that is not there: EINVAL or ENODEV.
    let local = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 0, 0, u32::MAX);
    let names = Names::new(service(vec![vec![local.into(), at(1)]]), STEADY);
    let url = format!("http://example.test:{port}/");
    assert_eq!(
        get(url).body_of(&transport(&names, |config| config)),
        "here"
    );
}

fn resolve(names: &Names, url: &str, timeout: Duration) -> Result<Vec<SocketAddr>, ureq::Error> {
    let deadline = Deadline::after(timeout);
    let found = names.addresses(&url.parse().unwrap(), &Config::default(), deadline)?;
    Ok(found.to_vec())
}

#[test]
fn a_pooled_connection_needs_no_lookup() {
    let url = format!("http://example.test:{}/", answering());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let names = Names::new(
        move |_| match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec![at(1)]),
            _ => Err(io::Error::other("the name service is down")),
        },
        STEADY,
    );
    let transport = transport(&names, |config| config);
    for _ in 0..3 {
        assert_eq!(get(&url).body_of(&transport), "here");
        names.forget("example.test");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn an_address_keeps_its_scope_and_gets_its_port() {
    let scoped = std::net::SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 7);
    let names = Names::new(service(vec![vec![scoped.into()]]), STEADY);
    let table = [
        ("http://a.test", 80),
        ("https://a.test", 443),
        ("socks4://a.test", 1080),
        ("socks5://a.test", 1080),
        ("socks5h://a.test:9", 9),
    ];
    for (url, port) in table {
        let wanted = std::net::SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 7);
        assert_eq!(
            resolve(&names, url, LONG).unwrap(),
            [wanted.into()],
            "{url}"
        );
    }
}

/// Lookups that end when they are told to, in the order in which they began.
fn hanging() -> (Names, Receiver<Sender<SocketAddr>>) {
    let (starts, begun) = mpsc::channel();
    let starts = Mutex::new(starts);
    let ask = move |_: &str| {
        let (end, ended) = mpsc::channel();
        starts.lock().unwrap().send(end).unwrap();
        ended
            .recv()
            .map(|found| vec![found])
            .map_err(io::Error::other)
    };
    let times = Times {
        patience: Duration::from_millis(50),
        ..STEADY
    };
    (Names::new(ask, times), begun)
}

#[test]
fn a_lookup_that_hangs_holds_up_no_later_one() {
    let (names, begun) = hanging();
    let own = names.clone();
    let waiting = thread::spawn(move || resolve(&own, "http://a.test", LONG));
    let first = begun.recv().unwrap();
    end_all(&begun, &waiting, at(2));
    assert_eq!(waiting.join().unwrap().unwrap()[0].ip(), at(2).ip());
    // The late response is of no use to anybody.
    first.send(at(1)).unwrap();
    wait_for_lookups(&names);
    let known = resolve(&names, "http://a.test", LONG).unwrap();
    assert_eq!(known[0].ip(), at(2).ip());
}

#[test]
fn lookups_that_hang_are_bounded() {
    let (names, begun) = hanging();
    let ask = |millis| resolve(&names, "http://a.test", Duration::from_millis(millis));
    let mut hanging = Vec::new();
    while hanging.len() < 4 {
        let error = ask(100).unwrap_err();
        assert!(matches!(
            error,
            ureq::Error::Timeout(ureq::Timeout::Resolve)
        ));
        hanging.extend(begun.try_iter());
    }
    assert!(ask(200).is_err());
    assert!(begun.try_recv().is_err(), "a fifth one");
    // Once they have ended, there is room again.
    drop(hanging);
    wait_for_lookups(&names);
    let own = names.clone();
    let waiting = thread::spawn(move || resolve(&own, "http://a.test", LONG));
    end_all(&begun, &waiting, at(1));
    assert_eq!(waiting.join().unwrap().unwrap()[0].ip(), at(1).ip());
}

/// Ends whatever lookup begins: on a busy machine a second one may before the first is noticed.
fn end_all<T>(
    begun: &Receiver<Sender<SocketAddr>>,
    waiting: &thread::JoinHandle<T>,
    found: SocketAddr,
) {
    while !waiting.is_finished() {
        if let Ok(lookup) = begun.recv_timeout(Duration::from_millis(10)) {
            let _ = lookup.send(found);
        }
    }
}

/// Each has a handle of its own.
fn wait_for_lookups(names: &Names) {
    while names.handles() > 1 {
        thread::sleep(Duration::from_millis(1));
    }
}
