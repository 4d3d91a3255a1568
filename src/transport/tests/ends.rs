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
