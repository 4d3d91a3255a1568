//! What a server sends unasked is nobody's response.

use std::sync::Mutex;
use std::sync::mpsc;

use super::*;

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod over_tls {
    use super::super::tls::{self, Stream, accept, sealed};
    use super::*;

    /// A response, and another one in the same burst, cut somewhere. The rest comes with the next
    /// request; any other request than for `/burst` is answered as it should be.
    #[derive(Clone)]
    struct Burst {
        first: Vec<u8>,
        second: Vec<u8>,
        cut: Arc<Mutex<usize>>,
        /// How long the second one is when it has been sealed.
        length: Arc<Mutex<usize>>,
    }

    impl Burst {
        fn new(first: &[u8], second: usize) -> Self {
            Self {
                first: first.to_vec(),
                second: ok(&"forged".repeat(second)),
                cut: Arc::default(),
                length: Arc::default(),
            }
        }

        fn play(&self, mut stream: Stream) -> io::Result<()> {
            while !head(&mut stream)?.contains("/burst") {
                stream.write_all(&ok("honest"))?;
            }
            let mut sent = sealed(&mut stream.conn, &self.first);
            let mut rest = sealed(&mut stream.conn, &self.second);
            *self.length.lock().unwrap() = rest.len();
            let cut = *self.cut.lock().unwrap();
            let late = rest.split_off(cut.min(rest.len()));
            sent.extend(rest);
            stream.sock.write_all(&sent)?;
            stream.sock.read_exact(&mut [0])?;
            stream.sock.write_all(&late)?;
            stream.sock.read_to_end(&mut Vec::new()).map(drop)
        }

        /// Cuts the second response after each of these many bytes.
        fn check(&self, transport: &Transport, origin: &str, method: &Method, step: usize) {
            let mut cut = 1;
            loop {
                *self.cut.lock().unwrap() = cut;
                let first = Asked {
                    method: method.clone(),
                    ..get(format!("{origin}/burst"))
                };
                assert_eq!(first.of(transport).unwrap().status, 200);
                let next = get(format!("{origin}/next")).body_of(transport);
                assert_eq!(next, "honest", "cut after {cut} bytes");
                if cut > *self.length.lock().unwrap() {
                    return;
                }
                cut += step;
            }
        }
    }

    fn bodies() -> [(Method, Vec<u8>, usize, usize); 4] {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        [
            (Method::GET, ok("0123456789"), 1, 1),
            (Method::GET, ok(&"x".repeat(4_000)), 1_500, 499),
            (Method::GET, ok(&"x".repeat(12_000)), 1_500, 499),
            (Method::HEAD, head.to_vec(), 1, 7),
        ]
    }

    #[test]
    fn a_second_response_is_dropped_wherever_it_is_cut() {
        for provider in tls::providers() {
            for (method, first, second, step) in bodies() {
                let burst = Burst::new(&first, second);
                let own = burst.clone();
                let port = serve(move |socket| own.play(accept(socket)));
                let transport = transport(&local(), tls::trusting(provider));
                let origin = format!("https://example.test:{port}");
                burst.check(&transport, &origin, &method, step);
            }
        }
    }

    #[test]
    fn a_second_response_through_a_proxy_is_dropped_wherever_it_is_cut() {
        for provider in tls::providers() {
            for (method, first, second, step) in bodies() {
                let burst = Burst::new(&first, second);
                let own = burst.clone();
                let port = serve(move |mut socket| {
                    tunnel(&mut socket)?;
                    own.play(accept(socket))
                });
                let trusting = tls::trusting(provider);
                let transport = transport(&local(), |config| trusting(through(port)(config)));
                burst.check(&transport, "https://example.test", &method, step);
            }
        }
    }

    #[test]
    fn a_connection_with_nothing_left_on_it_is_used_again() {
        for provider in tls::providers() {
            let connections = Arc::new(Mutex::new(0));
            let count = Arc::clone(&connections);
            let port = serve(move |socket| {
                *count.lock().unwrap() += 1;
                let mut stream = accept(socket);
                loop {
                    let body = "x".repeat(head(&mut stream)?.len() * 1_000);
                    stream.write_all(&ok(&body))?;
                }
            });
            let transport = transport(&local(), tls::trusting(provider));
            for _ in 0..10 {
                let url = format!("https://example.test:{port}/");
                assert_eq!(get(url).of(&transport).unwrap().status, 200);
            }
            assert_eq!(*connections.lock().unwrap(), 1, "{provider:?}");
        }
    }
}

/// One connection through a proxy, and what its server does to it once it is idle.
fn idle(
    then: impl Fn(TcpStream) + Clone + Send + 'static,
) -> (Transport, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (go, gone) = mpsc::channel::<()>();
    let (did, done) = mpsc::channel();
    let first = Arc::new(Mutex::new(Some((gone, did))));
    let port = serve(move |mut socket| {
        tunnel(&mut socket)?;
        head(&mut socket)?;
        let first = first.lock().unwrap().take();
        socket.write_all(&ok(if first.is_some() { "first" } else { "honest" }))?;
        if let Some((gone, did)) = first {
            gone.recv().unwrap();
            then(socket);
            did.send(()).unwrap();
        }
        Ok(())
    });
    (transport(&local(), through(port)), go, done)
}

#[test]
fn a_post_goes_out_anew_where_the_tunnel_was_closed_while_idle() {
    let (transport, go, done) = idle(drop);
    assert_eq!(get("http://example.test/").body_of(&transport), "first");
    go.send(()).unwrap();
    done.recv().unwrap();
    let posted = post("http://example.test/", "x");
    assert_eq!(posted.body_of(&transport), "honest");
}

#[test]
fn bytes_that_come_late_through_a_tunnel_are_not_the_next_response() {
    let (transport, go, done) = idle(|mut socket| {
        socket.write_all(&ok("forged")).unwrap();
        thread::spawn(move || socket.read_to_end(&mut Vec::new()));
    });
    assert_eq!(get("http://example.test/").body_of(&transport), "first");
    go.send(()).unwrap();
    done.recv().unwrap();
    let next = get("http://example.test/");
    assert_eq!(next.body_of(&transport), "honest");
}
