use super::*;

#[test]
fn debug_begins_as_display_and_adds_the_fields() {
    let after = |inner: &mut Inner| inner.retry_after = Some(Duration::from_secs(2));
    let invalid = NexusError::invalid_input("url", "bad");
    let busy = "http_429: busy (kind: Gateway, status: 429, retry after: 2s)";
    let table = [
        (invalid, "invalid_input: url: bad (kind: InvalidInput)"),
        (NexusError::with_code("http_429", "busy").with(after), busy),
    ];
    for (error, expected) in table {
        assert_eq!(format!("{error:?}"), expected);
        assert_eq!(format!("{error:#?}"), expected);
    }
}

#[test]
fn what_follows_from_a_code() {
    use ErrorKind::{Gateway, InvalidInput, RequestFailed, Timeout};
    let table = [
        // The code, its kind and status, whether it is retryable, and whether it needs a reconnect.
        ("timeout", Timeout, None, true, false),
        ("request_failed", RequestFailed, None, true, false),
        ("invalid_input", InvalidInput, None, false, false),
        ("token_expired", Gateway, None, true, false),
        ("connection_not_found", Gateway, None, false, true),
        ("http_429", Gateway, Some(429), true, false),
        ("http_404", Gateway, Some(404), false, false),
        ("http_410", Gateway, Some(410), false, true),
        ("", Gateway, None, false, false),
    ];
    for (code, kind, status, retryable, reconnect) in table {
        let error = NexusError::with_code(code, "m");
        assert_eq!(error.to_string(), format!("{code}: m"));
        let found = (error.kind(), error.status_code());
        assert_eq!(found, (kind, status), "{code}");
        let flags = (error.is_retryable(), error.needs_reconnect());
        assert_eq!(flags, (retryable, reconnect), "{code}");
    }
}

#[test]
fn a_message_is_one_line_whatever_it_repeats() {
    let table = [
        ("\u{E9} \u{1F600}", "\u{E9} \u{1F600}"),
        ("a\r\nb", "a  b"),
        ("\u{1B}[2J \0 \u{85} \u{7F}", " [2J      "),
        ("a\u{2028}b\u{2029}c", "a b c"),
        ("\u{202E}txt.exe\u{202C} \u{2066}x\u{2069}", " txt.exe   x "),
        ("pay\u{200B}pal\u{FEFF}\u{AD}", "pay pal  "),
        // Tag characters, which a terminal does not show but a model reads.
        ("no\u{E0001}\u{E0061}\u{E007F}", "no   "),
    ];
    for (text, expected) in table {
        let error = NexusError::new(ErrorKind::Timeout, text);
        assert_eq!(error.message(), expected);
        let given_up = NexusError::exhausted(NexusError::invalid_input("url", text), 2);
        assert!(given_up.to_string().ends_with(expected), "{given_up}");
    }
}
