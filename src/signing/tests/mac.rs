//! The HMACs of RFC 2202 and RFC 4231.

use sha2::Digest as _;

use super::*;

fn hex_hmac(sha1: bool, secret: &[u8], payload: &[u8]) -> String {
    hmac(sha1, false, secret, payload)
}

/// RFC 2202 section 3.
#[test]
fn hmac_sha1_vectors() {
    let counted: Vec<u8> = (1..=25).collect();
    let vectors: [(&[u8], &[u8], &str); 7] = [
        (&[0x0B; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
        (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (&[0xAA; 20], &[0xDD; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
        (&counted, &[0xCD; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
        (&[0x0C; 20], b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
        (
            &[0xAA; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
        (
            &[0xAA; 80],
            b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
            "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
        ),
    ];
    for (secret, payload, expected) in vectors {
        assert_eq!(hex_hmac(true, secret, payload), expected);
    }
}

/// RFC 4231 section 4, without its fifth case, whose output is truncated.
#[test]
fn hmac_sha256_vectors() {
    let counted: Vec<u8> = (1..=25).collect();
    let vectors: [(&[u8], &[u8], &str); 6] = [
        (&[0x0B; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xAA; 20], &[0xDD; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (&counted, &[0xCD; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (
            &[0xAA; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xAA; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (secret, payload, expected) in vectors {
        assert_eq!(hex_hmac(false, secret, payload), expected);
    }
}

#[test]
fn hmac_in_base64() {
    let text = hmac(false, true, b"", b"");
    assert_eq!(text, "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=");
}

/// A key of exactly one block is used unchanged. A longer key is hashed first.
#[test]
fn hmac_keys_around_a_block() {
    let hashed = Sha256::digest([7; 65]);
    let of = |key: &[u8]| hex_hmac(false, key, b"payload");
    assert_eq!(of(&[7; 65]), of(&hashed));
    assert_ne!(of(&[7; 64]), of(&Sha256::digest([7; 64])));
}
