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
        assert_eq!(NexusError::with_code(text, "").code(), expected);
        let given_up = NexusError::exhausted(NexusError::invalid_input("url", text), 2);
        assert!(given_up.to_string().ends_with(expected), "{given_up}");
    }
}

#[test]
fn a_subject_is_named_once_in_quotes_and_cut() {
    let long = "x".repeat(101);
    let cut = format!("\"{}...\"", "x".repeat(100));
    let table = [
        (
            Subject::tenant("acme", "git\"hub"),
            r#"workspace "acme", provider "git\"hub""#,
        ),
        (Subject::connection("c\r\n1"), r#"connection "c\r\n1""#),
        (
            Subject::connection("\u{202E}\u{200B}\u{1B}[2J"),
            r#"connection "\u{202e}\u{200b}\u{1b}[2J""#,
        ),
        (
            Subject::connection("\u{E9}\u{1F600}"),
            "connection \"\u{E9}\u{1F600}\"",
        ),
        (Subject::connection(&long), &["connection ", &cut].concat()),
    ];
    for (subject, named) in table {
        let error = NexusError::with_code("timeout", "too slow").about(&subject);
        assert_eq!(error.to_string(), format!("timeout: {named}: too slow"));
        let again = error.of_connection("other");
        assert_eq!(again.message(), format!("{named}: too slow"));
    }
    let unnamed = NexusError::with_code("timeout", "too slow").about(&Subject::default());
    assert_eq!(unnamed.message(), "too slow");
}

#[test]
fn a_status_of_an_api() {
    for status in 400..600 {
        let error = NexusError::api(status, "no", Some(Duration::from_secs(1)));
        assert_eq!(error.code(), format!("http_{status}"));
        assert_eq!(
            (error.kind(), error.origin()),
            (ErrorKind::Api, Origin::Api)
        );
        assert_eq!(error.status_code(), Some(status));
        let retryable = matches!(status, 408 | 425 | 429 | 500..);
        let flags = (
            error.is_retryable(),
            error.needs_reconnect(),
            error.may_have_been_sent(),
        );
        assert_eq!(flags, (retryable, false, true), "{status}");
    }
    let refused = NexusError::credential_refused("no");
    assert_eq!(
        (refused.kind(), refused.status_code()),
        (ErrorKind::Api, Some(401))
    );
    assert!(refused.needs_reconnect() && !refused.is_retryable());
}
