//! The requests that use a pooled connection, and those that connect anew.

use super::*;

/// Answers the first request of each connection, and counts connections. A second request gets no response, as if the
/// connection had died unnoticed, or ends the connection.
fn dying(ends: bool) -> (String, Arc<AtomicUsize>) {
    let (port, connections) = counted(move |_, mut socket| {
        head(&mut socket)?;
        socket.write_all(&ok("whole"))?;
        head(&mut socket)?;
        if !ends {
            socket.read_to_end(&mut Vec::new())?;
        }
        Ok(())
    });
    (format!("http://127.0.0.1:{port}/"), connections)
}

#[test]
fn a_request_that_may_refresh_never_uses_a_pooled_connection() {
    for ends in [false, true] {
        let (url, connections) = dying(ends);
        let transport = unchanged();
        for count in 1..=3 {
            let asked = get(url.as_str()).refreshing();
            assert_eq!(asked.body_of(&transport), "whole");
            assert_eq!(connections.load(Ordering::SeqCst), count);
        }
    }
}

/// Returns suspensions of which the next call notices one: the wall clock has gained a minute since their start.
fn suspended() -> Suspensions {
    let Now { wall, mono } = Now::read();
    let wall = wall - Duration::from_secs(60);
    Suspensions::after(Now { wall, mono })
}

/// The first request after a suspension is often a resolve, and it must not hide the suspension from the others.
#[test]
fn no_connection_from_before_a_suspension_is_used() {
    let (gateway, gateways) = dying(false);
    let (first, firsts) = dying(false);
    let (second, seconds) = dying(false);
    let mut transport = unchanged();
    for url in [&gateway, &first, &second] {
        assert_eq!(get(url).body_of(&transport), "whole");
    }
    transport.suspensions = suspended();
    assert_eq!(get(&gateway).refreshing().body_of(&transport), "whole");
    assert_eq!(post(&first, "x").body_of(&transport), "whole");
    assert_eq!(get(&second).body_of(&transport), "whole");
    let counts = [gateways, firsts, seconds].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(counts, [2, 2, 2]);
}

#[test]
fn a_connection_from_after_a_suspension_is_used_again() {
    let (port, connections) = counted(|_, mut socket| {
        loop {
            head(&mut socket)?;
            socket.write_all(&ok("whole"))?;
        }
    });
    let url = format!("http://127.0.0.1:{port}/");
    let mut transport = unchanged();
    transport.suspensions = suspended();
    for _ in 0..3 {
        assert_eq!(get(&url).body_of(&transport), "whole");
        // The age of a connection has to be less than the time since the suspension.
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
