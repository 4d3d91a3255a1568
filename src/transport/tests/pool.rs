//! The requests that use a pooled connection, and those that connect anew.

use std::sync::atomic::Ordering;

use super::*;

/// Answers the first request of each connection, and counts connections. A second request gets no response, as if the
/// connection had died unnoticed, or ends the connection.
fn dying(ends: bool) -> (String, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let port = serve(move |mut socket| {
        count.fetch_add(1, Ordering::SeqCst);
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

#[test]
fn after_a_suspension_one_request_leaves_the_pool_alone() {
    let (url, connections) = dying(false);
    let transport = unchanged();
    assert_eq!(get(url.as_str()).body_of(&transport), "whole");
    // As if the wall clock had gained a minute since then.
    transport.ahead.fetch_sub(60, Ordering::SeqCst);
    assert_eq!(post(url.as_str(), "x").body_of(&transport), "whole");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    // The next request uses the pool again, here to its disadvantage.
    let brief = Duration::from_millis(200);
    let error = get(url.as_str()).within(brief).of(&transport).err();
    assert_eq!(error.unwrap().code(), "timeout");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn a_machine_was_suspended_if_the_wall_clock_has_gained_more_than_five_seconds() {
    let transport = unchanged();
    let at = |wall: u64, mono: u64| Now {
        wall: transport.start.wall + Duration::from_secs(wall),
        mono: transport.start.mono + Duration::from_secs(mono),
    };
    // A suspension of an hour, ten minutes after the first response.
    let table = [
        (600, 600, false),
        (605, 600, false),
        (606, 600, true),
        (4200, 600, true),
    ];
    for (wall, mono, was_suspended) in table {
        let now = at(wall, mono);
        assert_eq!(transport.was_suspended(now), was_suspended, "{wall} {mono}");
    }
    transport.note_response(at(4200, 600));
    assert!(!transport.was_suspended(at(4300, 700)), "it was noted");
    assert!(transport.was_suspended(at(4400, 700)), "a second one");
}
