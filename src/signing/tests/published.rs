//! AWS's own vectors: the Signature Version 4 test suite, and the examples in S3's documentation.

use super::*;

/// The test suite, with a block for each case. The first line has the case's name and the request line. The
/// headers follow, except `Host` and `X-Amz-Date`, which are the same in all cases. The body, if any, follows `>`.
/// The last line, after `=`, has the names of the signed headers and the signature.
///
/// Cases that sign headers which this crate does not sign are left out. `get-space` is left out because its path
/// has a space, which a URL cannot have. In `post-sts-header-after`, the token is added after the request is signed.
const SUITE: &str = include_str!("aws-sig-v4-test-suite.txt");

/// The key and the time of the published signatures.
struct Signer {
    host: &'static str,
    service: &'static str,
    access_key: &'static str,
    secret: &'static str,
    seconds: u64,
}

const OF_THE_SUITE: Signer = Signer {
    host: "example",
    service: "service",
    access_key: "AKIDEXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    seconds: 1_440_938_160,
};

const OF_S3: Signer = Signer {
    host: "examplebucket.s3",
    service: "s3",
    access_key: "AKIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    seconds: 1_369_353_600,
};

/// Asserts that a request has the published signature.
fn check(signer: &Signer, block: &str) {
    let (head, lines) = block.split_once('\n').unwrap();
    let (name, request) = head.split_once(": ").unwrap();
    let (method, target) = request.split_once(' ').unwrap();
    let (mut headers, mut token, mut body, mut expected) = (HeaderMap::new(), None, "", "");
    for line in lines.lines() {
        match line.split_at(2) {
            ("> ", text) => body = text,
            ("= ", text) => expected = text,
            _ => match line.split_once(':').unwrap() {
                ("x-amz-security-token", value) => token = Some(value),
                (name, value) => {
                    let name: HeaderName = name.parse().unwrap();
                    headers.append(name, value.parse().unwrap());
                }
            },
        }
    }
    let url: Uri = format!("https://{}.amazonaws.com{target}", signer.host)
        .parse()
        .unwrap();
    let (method, now) = (method.parse().unwrap(), at(signer.seconds));
    let key = key(signer.access_key, signer.service, token);
    let request = (&method, &url, body.as_bytes());
    sign_aws(&key, signer.secret, request, &mut headers, now).unwrap();
    let date = basic_date(now).unwrap();
    let (day, _) = date.split_once('T').unwrap();
    let (names, signature) = expected.split_once(' ').unwrap();
    let scope = format!("{day}/us-east-1/{}/aws4_request", key.service);
    let expected = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        key.access_key
    );
    assert_eq!(headers["authorization"], expected, "{name}");
}

#[test]
fn the_test_suite_of_aws() {
    let blocks: Vec<&str> = SUITE.trim_end().split("\n\n").collect();
    assert_eq!(blocks.len(), 27);
    for block in blocks {
        check(&OF_THE_SUITE, block);
    }
}

/// "Signature Calculations for the Authorization Header" in the Amazon S3 API Reference.
#[test]
fn the_examples_of_s3() {
    for block in [
        "get-bucket-lifecycle: GET /?lifecycle\n\
         = host;x-amz-content-sha256;x-amz-date \
         fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        "list-objects: GET /?max-keys=2&prefix=J\n\
         = host;x-amz-content-sha256;x-amz-date \
         34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ] {
        check(&OF_S3, block);
    }
}
