//! How the pages look: one style, in light and dark, and nothing that is loaded.

use std::fmt::Write as _;

use super::http::Response;
use super::random::random;

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #f4f5f7; --card: #fff; --text: #1b1f27; --soft: #565e6c; --line: #8a93a3;
  --accent: #1f5fbf; --on-accent: #fff; --good: #1a7f45; --bad: #b3261e; --bad-ground: #fdf0ef; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15181d; --card: #1f242c; --text: #e8ebf0; --soft: #a9b2c0; --line: #77808f;
    --accent: #8ab4f8; --on-accent: #10203a; --good: #6fd08c; --bad: #f6a29b; --bad-ground: #36201f; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 6vh 1rem 2rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
main { max-width: 30rem; margin: 0 auto; padding: 2rem; background: var(--card); border-radius: 12px;
  box-shadow: 0 1px 3px rgb(0 0 0 / .2); overflow-wrap: break-word; }
main.notice { text-align: center; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 0; font-size: 1rem; }
p { margin: 0 0 1rem; }
main > p:last-child { margin: 0; }
svg { width: 3.25rem; height: 3.25rem; margin-bottom: .5rem; fill: none; stroke: currentColor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.soft, .hint { color: var(--soft); }
.who { margin: 0 0 .25rem; font-size: .875rem; color: var(--soft); }
.described { white-space: pre-line; }
.field { margin: 0 0 1.25rem; }
label, legend { display: block; font-weight: 600; }
.hint, .problem { margin: .125rem 0 .25rem; font-size: .875rem; white-space: pre-line; }
.optional { font-weight: 400; color: var(--soft); }
.problem { color: var(--bad); font-weight: 600; }
input, select, textarea, button { font: inherit; }
input:not([type=checkbox]), select, textarea { display: block; width: 100%; margin-top: .25rem; padding: .55rem .7rem;
  color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
textarea { min-height: 6rem; font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: .875rem; resize: vertical; }
textarea.hidden { -webkit-text-security: disc; }
[aria-invalid=true] { border: 2px solid var(--bad) !important; }
.check { display: flex; gap: .6rem; align-items: baseline; }
input[type=checkbox] { accent-color: var(--accent); }
.check input { width: 1.1rem; height: 1.1rem; flex: none; transform: translateY(.15rem); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
button { width: 100%; padding: .7rem 1rem; font-weight: 600; color: var(--on-accent); background: var(--accent);
  border: 0; border-radius: 6px; cursor: pointer; }
.summary { margin: 0 0 1.25rem; padding: .9rem 1rem; background: var(--bad-ground); border-left: 4px solid var(--bad);
  border-radius: 4px; }
.summary p, .summary ul { margin: .25rem 0 0; }
.summary ul { padding-left: 1.1rem; }
.summary a { color: inherit; }
footer { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid color-mix(in srgb, var(--line) 40%, transparent);
  font-size: .875rem; color: var(--soft); }
footer p:last-child { margin: 0; }
footer strong { color: var(--text); }
";

const TICK: &str = r#"<svg class="good" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/><path d="m7.5 12.5 3 3 6-6.5"/></svg>"#;
const CROSS: &str = r#"<svg class="bad" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/><path d="M12 7v6m0 3.5v.01"/></svg>"#;

/// What the pages may be styled with is named by a nonce; without a source of randomness they are plain.
pub(super) fn response(status: u16, title: &str, main: &str) -> Response {
    let nonce = random().unwrap_or_default();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n\
         <body>\n{main}\n</body>\n</html>\n",
        escape(title)
    );
    Response {
        status,
        html,
        nonce,
    }
}

/// The browser is back, or the credential is taken.
pub(super) fn connected() -> Response {
    notice(200, TICK, "Connected", "You can close this window.")
}

pub(super) fn not_connected() -> Response {
    let text = "The gateway says that the connection was not made. Go back to the program that sent you \
                here: it knows more, and you can try again there. You can close this window.";
    notice(200, CROSS, "Not connected", text)
}

/// The same for all that is not served here, so that nobody learns what is.
pub(super) fn not_found() -> Response {
    let text = "This address is not in use, or it has been used already: each works once. If you are still \
                waiting for something, go back to the program that sent you here.";
    notice(404, CROSS, "Nothing here", text)
}

/// A request that is not what this page's form, or a browser that was sent here, would send.
pub(super) fn refused(status: u16) -> Response {
    let text = match status {
        403 => {
            "This form can only be sent from its own page. Open that page again, in the browser \
                and at the address that the program gave you."
        }
        413 => "What was sent is too long: a form can hold 64 KiB.",
        _ => "This is not a request that can be understood here.",
    };
    notice(status, CROSS, "Not accepted", text)
}

fn notice(status: u16, icon: &str, title: &str, text: &str) -> Response {
    let main = format!(
        "<main class=\"notice\">\n{icon}\n<h1>{}</h1>\n<p>{}</p>\n</main>",
        escape(title),
        escape(text)
    );
    response(status, title, &main)
}

/// Text for between tags and for quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' | '\'' => drop(write!(escaped, "&#{};", u32::from(c))),
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_becomes_markup() {
        let table = [
            ("plain é", "plain é"),
            (
                "</script><b a='1' b=\"2\">",
                "&lt;/script&gt;&lt;b a=&#39;1&#39; b=&#34;2&#34;&gt;",
            ),
            (
                "a&amp;\n\tb\r\0\u{85}",
                "a&amp;amp;\n\tb\u{FFFD}\u{FFFD}\u{FFFD}",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(escape(text), expected);
        }
    }
}
