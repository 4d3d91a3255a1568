//! The ends of bodies without a length and of pooled connections, and requests that time out.

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
        get(url).body_of(&transport(Hosts::local(), |config| config)),
        "half a bo"
    );
}

/// Closing a socket that holds unread bytes resets the connection.
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
        let transport = transport(Hosts::local(), |config| {
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
fn a_body_over_tls_ends_with_close_notify() {
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
            let transport = transport(Hosts::local(), tls::trusting(provider));
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

/// Sends a request that must time out before `LONG`.
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

/// The deadline may equal the agent's timeout, or be earlier or later.
#[test]
fn the_deadline_decides_whatever_the_agents_timeout() {
    let brief = Duration::from_millis(300);
    for agents in [brief, LONG] {
        let silent = serve(|mut socket| socket.read_to_end(&mut Vec::new()).map(drop));
        let transport = transport(Hosts::local(), |config| config.timeout_global(Some(agents)));
        let url = format!("http://example.test:{silent}/");
        times_out(get(url).within(brief), &transport);
    }
    let slow = serve(move |mut socket| {
        head(&mut socket)?;
        thread::sleep(brief * 2);
        socket.write_all(&ok("late"))
    });
    let transport = transport(Hosts::local(), |config| config.timeout_global(Some(brief)));
    let late = get(format!("http://example.test:{slow}/"));
    assert_eq!(late.body_of(&transport), "late");
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
    times_out(asked, &transport(Hosts::local(), |config| config));
}

/// A `close_notify` reaches the client as the end of a stream, not as an error of the connection.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_pooled_connection_that_tls_closes_as_it_is_used_again_is_replaced() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::tls;
    for provider in tls::providers() {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let port = serve(move |socket| {
            let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
            let mut stream = tls::accept(socket);
            head(&mut stream)?;
            stream.write_all(&ok("whole"))?;
            if is_first {
                head(&mut stream)?;
                stream.conn.send_close_notify();
            }
            stream.flush()
        });
        let transport = transport(Hosts::local(), tls::trusting(provider));
        for _ in 0..2 {
            let url = format!("https://example.test:{port}/");
            assert_eq!(get(url).body_of(&transport), "whole", "{provider:?}");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{provider:?}");
    }
}
