//! Hosts that change their address, hosts whose first address does not respond, and connections that need no
//! lookup.

use std::sync::Mutex;
use std::time::Instant;

use super::agent::look_up_within;
use super::*;

fn at(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// A port that ignores attempts to connect, because nothing accepts connections and the queue is full.
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

/// Reads the version, command, port, address and user, and the host name if the address is 0.0.0.1.
fn take_socks4(socket: &mut TcpStream) -> io::Result<()> {
    let mut asked = [0; 9];
    socket.read_exact(&mut asked)?;
    if asked[4..] == [0, 0, 0, 1, 0] {
        let mut name = [0; b"example.test\0".len()];
        socket.read_exact(&mut name)?;
    }
    socket.write_all(&[0, 90, 0, 0, 0, 0, 0, 0])
}

/// Speaks SOCKS 5 (RFC 1928) without authentication.
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

/// The ways to reach a server on this port, which is a proxy as well.
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
fn a_dead_address_leaves_time_for_the_next() {
    let port = answering();
    let _hole = hole(SocketAddr::from(([127, 0, 0, 2], port)));
    thread::scope(|threads| {
        // ureq's SOCKS connector spends most of the timeout on a first address that does not respond.
        let ways = ways(port).into_iter();
        for (way, proxy) in ways.filter(|(way, _)| !way.starts_with("socks")) {
            threads.spawn(move || {
                let start = Instant::now();
                let hosts = Hosts::new(|_| vec![at(2), at(1)]);
                let transport = transport(hosts, |config| config.proxy(proxy));
                let url = format!("http://example.test:{port}/");
                assert_eq!(get(url).body_of(&transport), "here", "{way}");
                assert!(start.elapsed() < LONG / 2, "{way}: {:?}", start.elapsed());
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
    let answers = Mutex::new(vec![at(2), at(1)]);
    let hosts = Hosts::new(move |_| answers.lock().unwrap().pop().into_iter().collect());
    let transport = transport(hosts, |config| config);
    let url = format!("http://example.test:{port}/");
    assert_eq!(post(&url, "x").body_of(&transport), "at the old place");
    assert_eq!(post(&url, "x").body_of(&transport), "at the new place");
}

#[test]
fn an_address_that_cannot_be_used_is_not_the_last_tried() {
    let port = answering();
    // Connecting to a link-local address without an interface fails with EINVAL.
    let hosts = Hosts::new(|_| vec!["fe80::1".parse().unwrap(), at(1)]);
    let url = format!("http://example.test:{port}/");
    let transport = transport(hosts, |config| config);
    assert_eq!(get(url).body_of(&transport), "here");
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
        let hosts = Hosts::new(move |host| {
            noted.lock().unwrap().push(host.to_owned());
            vec![at(1)]
        });
        let transport = transport(hosts, |config| config.proxy(proxy));
        for _ in 0..3 {
            let url = format!("http://example.test:{port}/");
            assert_eq!(get(url).body_of(&transport), "here", "{way}");
        }
        // With a proxy, ureq looks up the host for each request, unless the proxy does the lookup.
        let expected: &[&str] = match way {
            "directly" => &["example.test"],
            "past a proxy" => &["example.test"; 3],
            "http" | "socks4a" | "socks5h" => &["proxy.test"],
            _ => &["example.test", "proxy.test", "example.test", "example.test"],
        };
        assert_eq!(*asked.lock().unwrap(), expected, "{way}");
    }
}

fn resolve(host: &str) -> Result<ResolvedSocketAddrs, ureq::Error> {
    let uri = format!("http://{host}:81/").parse().unwrap();
    let timeout = NextTimeout {
        after: Duration::from_secs(20).into(),
        ..NextTimeout::default()
    };
    HostResolver.resolve(&uri, &Config::default(), timeout)
}

#[test]
fn an_address_needs_no_thread_and_a_name_without_one_is_an_error() {
    crate::sync::NO_THREADS.set(true);
    for host in ["127.0.0.1", "[::1]"] {
        assert_eq!(resolve(host).unwrap()[0].port(), 81, "{host}");
    }
    let error = resolve("localhost").unwrap_err().to_string();
    assert!(
        error.contains("cannot start a thread to look up the host"),
        "{error}"
    );
    crate::sync::NO_THREADS.set(false);
    assert!(resolve("localhost").unwrap()[0].ip().is_loopback());
}

#[test]
fn a_lookup_that_hangs_is_left_at_the_timeout() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let found = look_up_within(Duration::from_millis(20), move || {
        let _ = ended.recv();
        None
    });
    assert!(matches!(
        found,
        Err(ureq::Error::Timeout(ureq::Timeout::Resolve))
    ));
    drop(end);
    let found = look_up_within(Duration::MAX, || {
        thread::sleep(Duration::from_millis(20));
        None
    });
    assert!(matches!(found, Err(ureq::Error::HostNotFound)));
}

#[test]
fn a_name_that_is_not_found_comes_with_advice() {
    let transport = transport(Hosts::new(|_| Vec::new()), |config| config);
    let failure = post("http://example.test/", "x").sent(&transport).err();
    let failure = failure.unwrap();
    assert_eq!(
        failure.error.message(),
        "http://example.test: the host name has no address; check its spelling and the network"
    );
    assert!(failure.allows_another(&Method::POST));
}
