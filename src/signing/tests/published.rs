//! AWS's own vectors: the Signature Version 4 test suite, and the examples in S3's documentation.

use super::*;

/// The test suite, with a block for each case. The first line has the case's name and the request line. The
/// headers follow, except `Host` and `X-Amz-Date`, which are the same in all cases. The body, if any, follows `>`.
/// The last line, after `=`, has the names of the signed headers and the signature.
///
/// Cases that sign headers which this crate does not sign are left out. `get-space` is left out because its path
/// has a space, which a URL cannot have. In `post-sts-header-after`, the token is added after the request is signed.
const SUITE: &str = include_str!("aws-sig-v4-test-suite.txt");

/// A request of the suite, and its expected signature.
#[derive(Default)]
struct Vector<'a> {
    name: &'a str,
    method: Method,
    target: &'a str,
    headers: HeaderMap,
    token: Option<String>,
    body: &'a [u8],
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Vector<'a> {
    fn read(block: &'a str) -> Self {
        let mut vector = Self::default();
        let (head, lines) = block.split_once('\n').unwrap();
        let (name, request) = head.split_once(": ").unwrap();
        let (method, target) = request.split_once(' ').unwrap();
        (vector.name, vector.target) = (name, target);
        vector.method = method.parse().unwrap();
        for line in lines.lines() {
            vector.read_line(line);
        }
        vector
    }

    fn read_line(&mut self, line: &'a str) {
        if let Some(body) = line.strip_prefix("> ") {
            self.body = body.as_bytes();
        } else if let Some(expected) = line.strip_prefix("= ") {
            (self.signed_headers, self.signature) = expected.split_once(' ').unwrap();
        } else {
            let (name, value) = line.split_once(':').unwrap();
            let name: HeaderName = name.parse().unwrap();
            match name.as_str() {
                "x-amz-security-token" => self.token = Some(value.to_owned()),
                _ => drop(self.headers.append(name, value.parse().unwrap())),
            }
        }
    }

    fn expected(&self, credential: &str) -> String {
        let (headers, signature) = (self.signed_headers, self.signature);
        format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={headers}, \
             Signature={signature}"
        )
    }
}

/// The key and the time of the published signatures.
struct Signer {
    host: &'static str,
    service: &'static str,
    access_key: &'static str,
    secret: &'static str,
    day: &'static str,
    seconds: u64,
}

const OF_THE_SUITE: Signer = Signer {
    host: "example",
    service: "service",
    access_key: "AKIDEXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    day: "20150830",
    seconds: 1_440_938_160,
};

const OF_S3: Signer = Signer {
    host: "examplebucket.s3",
    service: "s3",
    access_key: "AKIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    day: "20130524",
    seconds: 1_369_353_600,
};

/// Asserts that a request has the published signature.
fn check(signer: &Signer, block: &str) {
    let Signer {
        host,
        service,
        access_key,
        secret,
        day,
        seconds,
    } = *signer;
    let mut vector = Vector::read(block);
    let url: Uri = format!("https://{host}.amazonaws.com{}", vector.target)
        .parse()
        .unwrap();
    let key = AwsKey {
        access_key: access_key.to_owned(),
        session_token: vector.token.take(),
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
    };
    let request = (&vector.method, &url, vector.body);
    sign_aws(&key, secret, request, &mut vector.headers, at(seconds)).unwrap();
    let credential = format!("{access_key}/{day}/us-east-1/{service}/aws4_request");
    let found = &vector.headers["authorization"];
    assert_eq!(found, &vector.expected(&credential), "{}", vector.name);
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
