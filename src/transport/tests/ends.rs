//! The ends of pooled connections, and requests that time out. `tests/faults` has bodies that never end.

use std::time::Instant;

use super::*;

/// Sends a request that must time out before `LONG`.
fn times_out(asked: Asked, transport: &Transport) -> NexusError {
    let start = Instant::now();
    let timeout = asked.timeout;
    let error = asked.sent(transport).err().unwrap();
    assert_eq!(error.code(), "timeout", "{error}");
    let took = start.elapsed();
    assert!((timeout..LONG).contains(&took), "{took:?}");
    error
}

/// The deadline may equal the agent's timeout, or be earlier or later.
#[test]
fn the_deadline_decides_whatever_the_agents_timeout() {
    let brief = Duration::from_millis(300);
    for agents in [brief, LONG] {
        let silent = serve(|mut socket| socket.read_to_end(&mut Vec::new()).map(drop));
        let transport = own(agents);
        let url = format!("http://127.0.0.1:{silent}/");
        times_out(get(url).within(brief), &transport);
    }
    let slow = serve(move |mut socket| {
        head(&mut socket)?;
        thread::sleep(brief * 2);
        socket.write_all(&ok("late"))
    });
    let transport = own(brief);
    let late = get(format!("http://127.0.0.1:{slow}/"));
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
    let url = format!("http://127.0.0.1:{port}/");
    let asked = post(url, vec![0; 64 << 20]).within(Duration::from_millis(500));
    times_out(asked, &unchanged());
}

/// A `close_notify` reaches the client as the end of a stream, not as an error of the connection.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_pooled_connection_that_tls_closes_as_it_is_used_again_is_replaced() {
    use super::tls;
    for provider in tls::providers() {
        let (port, connections) = counted(|earlier, socket| {
            let mut stream = tls::accept(socket);
            head(&mut stream)?;
            stream.write_all(&ok("whole"))?;
            if earlier == 0 {
                head(&mut stream)?;
                stream.conn.send_close_notify();
            }
            stream.flush()
        });
        let transport = transport(tls::trusting(provider));
        for _ in 0..2 {
            let url = format!("https://127.0.0.1:{port}/");
            assert_eq!(get(url).body_of(&transport), "whole", "{provider:?}");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{provider:?}");
    }
}

/// ureq reads a head only if it fits into its input buffer, and accepts heads of up to 64 KiB.
#[test]
fn a_head_of_64_kib_is_read() {
    let port = serve(|mut socket| {
        head(&mut socket)?;
        let lines = format!("X: {}\r\n", "x".repeat(1_000)).repeat(60);
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{lines}Y: ");
        let rest = 64 * 1024 - response.len() - "\r\n\r\n".len();
        response += &"y".repeat(rest);
        response += "\r\n\r\nok";
        socket.write_all(response.as_bytes())
    });
    let url = format!("http://127.0.0.1:{port}/");
    let response = get(url).sent(&unchanged()).unwrap();
    assert_eq!(response.headers().get_all("X").iter().count(), 60);
    assert_eq!(response.body(), b"ok");
}
