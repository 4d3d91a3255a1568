//! Servers that respond and close before they have read the request.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// More bytes than the buffers of two sockets hold.
const UPLOAD: usize = 16 << 20;

/// The route from the client to its server.
#[derive(Clone, Copy, Debug)]
struct Way {
    tunneled: bool,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    tls: Option<ureq::tls::TlsProvider>,
}

fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for tunneled in [false, true] {
        ways.push(Way {
            tunneled,
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            tls: None,
        });
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        ways.extend(tls::providers().map(|provider| Way {
            tunneled,
            tls: Some(provider),
        }));
    }
    ways
}

impl Way {
    /// Starts a server that reads a head, responds with `said`, and closes before it reads the body. That resets
    /// the connection.
    fn refuses(self, said: &'static [u8]) -> (Transport, String, Arc<AtomicUsize>) {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let port = serve(move |mut socket| {
            count.fetch_add(1, Ordering::Relaxed);
            if self.tunneled {
                tunnel(&mut socket)?;
            }
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            if self.tls.is_some() {
                let mut stream = tls::accept(socket);
                head(&mut stream)?;
                stream.write_all(said)?;
                return stream.flush();
            }
            head(&mut socket)?;
            socket.write_all(said)
        });
        let transport = transport(Hosts::local(), |mut config| {
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            if let Some(provider) = self.tls {
                config = tls::trusting(provider)(config);
            }
            if self.tunneled {
                config = through(port)(config);
            }
            config
        });
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
        let scheme = "http";
        (
            transport,
            format!("{scheme}://example.test:{port}/"),
            connections,
        )
    }
}

#[test]
fn a_response_before_the_request_was_read_is_the_response() {
    let table: [&[u8]; 3] = [
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\nrevoked",
        b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 7\r\n\r\nrevoked",
        b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nrevoked\r\n0\r\n\r\n",
    ];
    for way in ways() {
        for said in table {
            let (transport, url, connections) = way.refuses(said);
            for turn in 1..=2 {
                let got = post(&url, vec![0; UPLOAD]).of(&transport);
                let got = got.unwrap_or_else(|error| panic!("{way:?}: {error}"));
                assert_eq!((got.status, &*got.body), (401, &b"revoked"[..]), "{way:?}");
                let opened = connections.load(Ordering::Relaxed);
                assert_eq!(opened, turn, "no connection is reused: {way:?}");
            }
        }
    }
}

#[test]
fn less_than_a_response_before_the_request_was_read_is_an_error() {
    let table: [&[u8]; 5] = [
        b"",
        b"HTTP/1.1 401 Unauth",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nrevoked",
        b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nrevoked\r\n",
        // This body ends with the connection, and the connection ends with a reset.
        b"HTTP/1.1 401 Unauthorized\r\n\r\nrevoked",
    ];
    for way in ways() {
        for said in table {
            let (transport, url, connections) = way.refuses(said);
            let error = post(&url, vec![0; UPLOAD]).of(&transport).err();
            let error = error.unwrap_or_else(|| panic!("{way:?}: {said:?}"));
            assert_eq!(error.code(), "request_failed", "{way:?}: {error}");
            assert_eq!(connections.load(Ordering::Relaxed), 1, "{way:?}");
        }
    }
}

#[test]
fn an_upload_goes_out_anew_where_its_pooled_connection_was_closed_without_a_response() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let port = serve(move |mut socket| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
        head(&mut socket)?;
        if is_first {
            socket.write_all(&ok("first"))?;
            return head(&mut socket).map(drop);
        }
        io::copy(
            &mut Read::by_ref(&mut socket).take(UPLOAD as u64),
            &mut io::sink(),
        )?;
        socket.write_all(&ok("stored"))
    });
    let transport = transport(Hosts::local(), |config| config);
    let url = format!("http://example.test:{port}/");
    assert_eq!(get(&url).body_of(&transport), "first");
    let put = Asked {
        method: Method::PUT,
        ..post(&url, vec![0; UPLOAD])
    };
    assert_eq!(put.body_of(&transport), "stored");
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[test]
fn an_upload_without_an_end_ends_a_while_after_it_was_refused() {
    let port = serve(|mut socket| {
        head(&mut socket)?;
        socket.write_all(&ok("enough"))
    });
    let brief = Duration::from_millis(300);
    let transport = transport(Hosts::local(), |config| {
        config.timeout_per_write(Some(brief))
    });
    let endless = ureq::SendBody::from_owned_reader(io::repeat(0));
    let request = Request::post(format!("http://example.test:{port}/")).body(endless);
    let sent = transport.run_alone(request.unwrap());
    assert!(matches!(sent, Err(ureq::Error::Timeout(_))), "{sent:?}");
}
