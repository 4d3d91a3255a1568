//! Names that mark a secret.

/// A name that contains one of these is the name of a secret.
const PARTS: [&str; 14] = [
    "auth",
    "bearer",
    "cookie",
    "credential",
    "dpop",
    "jwt",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "signature",
    "token",
];

/// Returns whether a name, in lower case, is the name of a secret. `otp` counts only at the end, because
/// `footprint` and `rootpath` contain it.
fn says_secret(name: &str) -> bool {
    name.ends_with("otp") || PARTS.iter().any(|part| name.contains(part))
}

/// Returns whether a field of a credential form has the name of a secret. A name that contains `key` counts, and
/// `session_id` does not.
#[cfg(any(test, feature = "consent"))]
pub(crate) fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("key") || says_secret(&name)
}

/// Returns whether a header must not be sent to another origin after a redirect. The name is in lower case. True
/// for the headers that carry credentials (RFC 9110) or cookies (RFC 6265), and for all headers whose name suggests a
/// secret, a session or a key, except `idempotency-key`.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let is_key = name.contains("key") && name != "idempotency-key";
    is_key || says_secret(name) || name.contains("session")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_marks_a_secret_in_a_body_and_in_a_header() {
        let table = [
            // The name, whether such a field is secret, and whether such a header is secret.
            ("authorization", true, true),
            ("set-cookie", true, true),
            ("x-jwt-assertion", true, true),
            ("x-signature", true, true),
            ("user_context_token", true, true),
            ("x-github-otp", true, true),
            ("otp", true, true),
            ("dpop", true, true),
            ("x-bearer", true, true),
            ("x-passcode", true, true),
            ("db_pwd", true, true),
            ("rootpath", false, false),
            ("x-carbon-footprint", false, false),
            ("client_secret", true, true),
            ("db_password", true, true),
            ("credentials", true, true),
            ("x-api-key-id", true, true),
            ("ocp-apim-subscription-key", true, true),
            ("session_id", false, true),
            ("idempotency-key", true, false),
            ("key_id", true, true),
            ("message", false, false),
            ("content-type", false, false),
        ];
        for (name, field, header) in table {
            assert_eq!(
                (is_secret_field(name), is_secret_header(name)),
                (field, header),
                "{name}"
            );
        }
        assert!(is_secret_field("ApiKey") && is_secret_field("ACCESS_TOKEN"));
    }
}
