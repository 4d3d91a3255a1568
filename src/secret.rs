//! Names of secret headers, and `Debug` output without secrets.

/// A header is secret if its name contains one of these.
const PARTS: [&str; 15] = [
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
    "session",
    "signature",
    "token",
];

/// Returns whether a header must not be sent to another origin after a redirect. The name is in lower case. True
/// for the headers that carry credentials (RFC 9110) or cookies (RFC 6265), and for all headers whose name suggests a
/// secret, a session or a key, except `idempotency-key`. `otp` counts only at the end, because `footprint` contains it.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let is_key = name.contains("key") && name != "idempotency-key";
    is_key || name.ends_with("otp") || PARTS.iter().any(|part| name.contains(part))
}

/// Implements `Debug` with these fields only, because the others may be secret.
macro_rules! debug_only {
    ($type:ident$(<$lifetime:lifetime>)?: $($field:ident),+) => {
        impl std::fmt::Debug for $type$(<$lifetime>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))+
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use debug_only;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_secret_headers() {
        let table = [
            ("authorization", true),
            ("set-cookie", true),
            ("x-jwt-assertion", true),
            ("x-signature", true),
            ("user_context_token", true),
            ("x-github-otp", true),
            ("otp", true),
            ("dpop", true),
            ("x-bearer", true),
            ("x-passcode", true),
            ("db_pwd", true),
            ("rootpath", false),
            ("x-carbon-footprint", false),
            ("client_secret", true),
            ("db_password", true),
            ("credentials", true),
            ("x-api-key-id", true),
            ("ocp-apim-subscription-key", true),
            ("session_id", true),
            ("idempotency-key", false),
            ("key_id", true),
            ("message", false),
            ("content-type", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_secret_header(name), expected, "{name}");
        }
    }
}
