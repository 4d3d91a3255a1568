//! Names whose lookup hangs, whose addresses have moved, and whose first address is dead.

use std::net::Ipv6Addr;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use ureq::unversioned::resolver::Resolver as _;
use ureq::unversioned::transport::NextTimeout;

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
        let mut first = [0];
        socket.peek(&mut first)?;
        match first {
            [4] => take_socks4(&mut socket)?,
            [5] => take_socks5(&mut socket)?,
            _ => {}
        }
        loop {
            if head(&mut socket)?.starts_with("CONNECT ") {
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            } else {
                socket.write_all(&ok("here"))?;
            }
        }
    })
}

/// Version, command, port, address, user; for an address 0.0.0.1 a name.
fn take_socks4(socket: &mut TcpStream) -> io::Result<()> {
    let mut asked = [0; 9];
    socket.read_exact(&mut asked)?;
    if asked[4..] == [0, 0, 0, 1, 0] {
        let mut name = [0; b"example.test\0".len()];
        socket.read_exact(&mut name)?;
    }
    socket.write_all(&[0, 90, 0, 0, 0, 0, 0, 0])
}

/// RFC 1928, without a password.
fn take_socks5(socket: &mut TcpStream) -> io::Result<()> {
    socket.read_exact(&mut [0; 3])?;
    socket.write_all(&[5, 0])?;
    let mut asked = [0; 4];
    socket.read_exact(&mut asked)?;
    let address = if asked[3] == 3 {
        1 + "example.test".len()
    } else {
        4
    };
    socket.read_exact(&mut vec![0; address + 2])?;
    socket.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
}

/// The ways to a server on this port that speaks HTTP, CONNECT and, where the build does, SOCKS.
fn ways(port: u16) -> Vec<(&'static str, Option<ureq::Proxy>)> {
    let proxy = |scheme| {
        let url = format!("{scheme}://proxy.test:{port}");
        (scheme, Some(ureq::Proxy::new(&url).unwrap()))
    };
    let mut ways = vec![("directly", None), proxy("http")];
    if cfg!(feature = "socks-proxy") {
        ways.extend(["socks4", "socks4a", "socks5", "socks5h"].map(proxy));
    }
    ways
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_swallows_leaves_time_for_the_next() {
    let port = answering();
    let _hole = hole(SocketAddr::from(([127, 0, 0, 2], port)));
    thread::scope(|threads| {
        for (way, proxy) in ways(port) {
            threads.spawn(move || {
                let names = names(|_| Ok(vec![at(2), at(1)]), LONG);
                let transport = transport(&names, |config| config.proxy(proxy));
                let url = format!("http://example.test:{port}/");
                assert_eq!(get(url).body_of(&transport), "here", "{way}");
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_host_that_has_moved_is_found_at_once() {
    let says = |body: &'static str| {
        move |mut socket: TcpStream| {
            head(&mut socket)?;
            socket.read_exact(&mut [0])?;
            let length = body.len();
            let head = format!("Connection: close\r\nContent-Length: {length}\r\n\r\n");
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}{body}").as_bytes())
        }
    };
    let port = serve(says("at the old place"));
    let moved = TcpListener::bind(SocketAddr::from(([127, 0, 0, 2], port))).unwrap();
    serve_at(moved, says("at the new place"));
    let names = names(service(vec![vec![at(1)], vec![at(2)]]), LONG);
    let transport = transport(&names, |config| config);
    let url = format!("http://example.test:{port}/");
    assert_eq!(post(&url, "x").body_of(&transport), "at the old place");
    assert_eq!(post(&url, "x").body_of(&transport), "at the new place");
}

#[test]
fn an_address_that_cannot_be_used_is_not_the_last_tried() {
    let port = answering();
    // A link-local address of an interface that is not there: EINVAL or ENODEV.
    let local = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 0, 0, u32::MAX);
    let names = names(service(vec![vec![local.into(), at(1)]]), LONG);
    let url = format!("http://example.test:{port}/");
    assert_eq!(
        get(url).body_of(&transport(&names, |config| config)),
        "here"
    );
}

fn resolve(names: &Names, timeout: Duration) -> Result<Vec<SocketAddr>, ureq::Error> {
    let _exchange = Exchange::begin(Deadline::after(timeout));
    let found = names.addresses(("a.test", 80), &Config::default())?;
    Ok(found.to_vec())
}

#[test]
fn a_pooled_connection_needs_no_lookup() {
    let port = answering();
    let bypassed = ureq::Proxy::builder(ureq::ProxyProtocol::Http)
        .host("proxy.test")
        .no_proxy("example.test")
        .build();
    let mut ways = ways(port);
    ways.push(("past a proxy", Some(bypassed.unwrap())));
    for (way, proxy) in ways {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let names = names(
            move |host| {
                noted.lock().unwrap().push(host.to_owned());
                Ok(vec![at(1)])
            },
            LONG,
        );
        let transport = transport(&names, |config| config.proxy(proxy));
        for _ in 0..3 {
            let url = format!("http://example.test:{port}/");
            assert_eq!(get(url).body_of(&transport), "here", "{way}");
        }
        let expected: &[&str] = match way {
            "directly" | "past a proxy" => &["example.test"],
            "http" | "socks4a" | "socks5h" => &["proxy.test"],
            _ => &["example.test", "proxy.test"],
        };
        assert_eq!(*asked.lock().unwrap(), expected, "{way}");
    }
}

#[test]
fn an_address_keeps_its_scope_and_gets_its_port() {
    let scoped = std::net::SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 7);
    let names = names(service(vec![vec![scoped.into()]]), LONG);
    let with_port = |port| std::net::SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 7);
    assert_eq!(resolve(&names, LONG).unwrap(), [with_port(80).into()]);
    let table = [
        ("socks4://a.test", 1080),
        ("socks5://a.test", 1080),
        ("socks5h://a.test:9", 9),
    ];
    for (url, port) in table {
        let proxy = ureq::Proxy::new(url).unwrap();
        let config = agent::settings(None).proxy(Some(proxy.clone())).build();
        let found = names.resolve(proxy.uri(), &config, NextTimeout::default());
        assert_eq!(found.unwrap()[..], [with_port(port).into()], "{url}");
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
    (names(ask, Duration::from_millis(50)), begun)
}

#[test]
fn a_lookup_that_hangs_holds_up_no_later_one() {
    let (names, begun) = hanging();
    let own = names.clone();
    let waiting = thread::spawn(move || resolve(&own, LONG));
    let first = begun.recv().unwrap();
    let second = begun.recv().unwrap();
    // That the first one fails in the end is no news.
    drop(first);
    second.send(at(2)).ok();
    end_all(&begun, &waiting, at(2));
    assert_eq!(waiting.join().unwrap().unwrap()[0].ip(), at(2).ip());
}

#[test]
fn a_lookup_that_is_only_slow_is_of_use() {
    let (names, begun) = hanging();
    let own = names.clone();
    let waiting = thread::spawn(move || resolve(&own, LONG));
    let slow = begun.recv().unwrap();
    let _hangs = begun.recv().unwrap();
    slow.send(at(1)).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap()[0].ip(), at(1).ip());
}

#[test]
fn lookups_that_hang_are_bounded() {
    let (names, begun) = hanging();
    let ask = |millis| resolve(&names, Duration::from_millis(millis));
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
    // Each has a handle of its own.
    while Arc::strong_count(&names.0) > 1 {
        thread::sleep(Duration::from_millis(1));
    }
    let own = names.clone();
    let waiting = thread::spawn(move || resolve(&own, LONG));
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
