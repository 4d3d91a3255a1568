//! Ends: of bodies that have no length, and of the time for a request.

use std::time::Instant;

use super::*;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf a bo";

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let port = serve(|mut socket| {
        head(&mut socket)?;
        socket.write_all(HEAD)
    });
    let url = format!("http://example.test:{port}/");
    assert_eq!(
        get(url).body_of(&transport(&local(), |config| config)),
        "half a bo"
    );
}

/// A socket that is closed with something unread in it resets its connection.
#[test]
fn a_body_without_a_length_does_not_end_with_a_reset() {
    for tunneled in [false, true] {
        let port = serve(move |mut socket| {
            if tunneled {
                tunnel(&mut socket)?;
            }
            socket.read_exact(&mut [0])?;
            socket.write_all(HEAD)
        });
        let transport = transport(&local(), |config| {
            if tunneled {
                through(port)(config)
            } else {
                config
            }
        });
        let url = format!("http://example.test:{port}/");
        let error = get(url).of(&transport).err().unwrap();
        assert_eq!(error.code(), "request_failed", "{error}");
        assert!(
            error.message().contains("closed the connection early"),
            "{error}"
        );
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_body_over_tls_ends_with_a_word_of_its_server() {
    use super::tls;
    for provider in tls::providers() {
        for said in [true, false] {
            let port = serve(move |socket| {
                let mut stream = tls::accept(socket);
                head(&mut stream)?;
                stream.write_all(HEAD)?;
                if said {
                    stream.conn.send_close_notify();
                }
                stream.flush()
            });
            let transport = transport(&local(), tls::trusting(provider));
            let got = get(format!("https://example.test:{port}/")).of(&transport);
            match got {
                Ok(response) if said => assert_eq!(response.body, b"half a bo"),
                Err(error) if !said => assert!(
                    error.message().contains("closed the connection early"),
                    "{provider:?}: {error}"
                ),
                got => panic!(
                    "{provider:?}, {said}: {:?}",
                    got.map(|response| response.body)
                ),
            }
        }
    }
}

/// A gzip header is ten bytes, and its decoder says the same of none and of nine.
#[cfg(all(feature = "gzip", any(feature = "rustls", feature = "native-tls")))]
#[test]
fn only_a_body_of_no_bytes_is_an_empty_gzip() {
    use super::tls;
    let table: [(&'static [u8], bool); 8] = [
        (b"Content-Length: 0\r\n\r\n", true),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
        (b"\r\n", true),
        (b"Content-Length: 2\r\n\r\nok", false),
        (b"Content-Length: 9\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0", false),
        (
            b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            false,
        ),
        (
            b"Transfer-Encoding: chunked\r\n\r\n1\r\n0\r\n0\r\n\r\n",
            false,
        ),
        (b"\r\nok", false),
    ];
    for provider in [None].into_iter().chain(tls::providers().map(Some)) {
        for ((rest, is_empty), step) in table.into_iter().flat_map(|row| [(row, 1), (row, 99)]) {
            let port = serve(move |mut socket| {
                let said = [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", rest].concat();
                if provider.is_none() {
                    head(&mut socket)?;
                    return said
                        .chunks(step)
                        .try_for_each(|part| socket.write_all(part));
                }
                let mut stream = tls::accept(socket);
                head(&mut stream)?;
                said.chunks(step)
                    .try_for_each(|part| stream.write_all(part))?;
                thread::sleep(Duration::from_millis(2));
                stream.conn.send_close_notify();
                stream.flush()
            });
            let scheme = if provider.is_some() { "https" } else { "http" };
            let transport = transport(&local(), |config| match provider {
                Some(provider) => tls::trusting(provider)(config),
                None => config,
            });
            let got = get(format!("{scheme}://example.test:{port}/")).of(&transport);
            let got = got
                .map(|response| response.body)
                .map_err(|error| error.code().to_owned());
            let wanted = if is_empty {
                Ok(vec![])
            } else {
                Err("request_failed".to_owned())
            };
            assert_eq!(
                got,
                wanted,
                "{provider:?}, {:?}, {step}",
                rest.escape_ascii().to_string()
            );
        }
    }
}

/// Runs out of time, and not much later.
fn times_out(asked: Asked, transport: &Transport) -> NexusError {
    let start = Instant::now();
    let timeout = asked.timeout;
    let error = asked.of(transport).err().unwrap();
    assert_eq!(error.code(), "timeout", "{error}");
    assert!(
        (timeout..LONG).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
    error
}

#[test]
fn a_proxy_that_drips_does_not_stretch_the_deadline() {
    let port = serve(|mut socket| {
        head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
        for _ in 0..3_000 {
            socket.write_all(b"x")?;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    });
    let transport = transport(&local(), through(port));
    let brief = Duration::from_millis(300);
    times_out(get("http://example.test/").within(brief), &transport);
}

#[test]
fn a_reader_that_is_slow_does_not_stretch_the_deadline() {
    let port = serve(|mut socket| {
        let mut some = [0; 4_096];
        while socket.read(&mut some)? > 0 {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    });
    let url = format!("http://example.test:{port}/");
    let asked = post(url, vec![0; 64 << 20]).within(Duration::from_millis(500));
    times_out(asked, &transport(&local(), |config| config));
}
