//! Unsolicited bytes from a server never become part of a response.

use std::sync::Mutex;
use std::sync::mpsc;

use super::*;

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod over_tls {
    use super::super::tls::{self, Stream, accept, sealed};
    use super::*;

    /// Sends two responses at once to a request for `/burst`, and one response to any other request.
    fn play(mut stream: Stream, first: &[u8], second: usize) -> io::Result<()> {
        while !head(&mut stream)?.contains("/burst") {
            stream.write_all(&ok("honest"))?;
        }
        let mut sent = sealed(&mut stream.conn, first);
        sent.extend(sealed(&mut stream.conn, &ok(&"forged".repeat(second))));
        stream.sock.write_all(&sent)?;
        stream.sock.read_to_end(&mut Vec::new()).map(drop)
    }

    /// The method, the first response, and the number of times that the second response repeats `forged`.
    fn bursts() -> [(Method, Vec<u8>, usize); 5] {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        [
            (Method::GET, ok("0123456789"), 1),
            (Method::GET, ok("0123456789"), 1_500),
            (Method::GET, ok(&"x".repeat(4_000)), 1_500),
            (Method::GET, ok(&"x".repeat(12_000)), 5_000),
            (Method::HEAD, head.to_vec(), 1),
        ]
    }

    #[test]
    fn a_second_response_in_one_burst_is_dropped() {
        for (provider, tunneled) in tls::providers().flat_map(|tls| [(tls, false), (tls, true)]) {
            for (method, first, second) in bursts() {
                let port = serve(move |mut socket| {
                    if tunneled {
                        tunnel(&mut socket)?;
                    }
                    play(accept(socket), &first, second)
                });
                let trusting = tls::trusting(provider);
                let transport = transport(Hosts::local(), |config| {
                    trusting(if tunneled {
                        through(port)(config)
                    } else {
                        config
                    })
                });
                let asked = |path| get(format!("https://example.test:{port}{path}"));
                let burst = Asked {
                    method,
                    ..asked("/burst")
                };
                assert_eq!(burst.of(&transport).unwrap().status, 200);
                let next = asked("/next").body_of(&transport);
                assert_eq!(next, "honest", "{provider:?}, {tunneled}, {second}");
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
            let transport = transport(Hosts::local(), tls::trusting(provider));
            for _ in 0..10 {
                let url = format!("https://example.test:{port}/");
                assert_eq!(get(url).of(&transport).unwrap().status, 200);
            }
            assert_eq!(*connections.lock().unwrap(), 1, "{provider:?}");
        }
    }
}

/// Starts a proxy. When the test sends a message, the proxy calls `then` with its first connection, which is idle at
/// that time.
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
    (transport(Hosts::local(), through(port)), go, done)
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
