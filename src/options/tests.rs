use super::*;
use std::os::unix::ffi::OsStringExt as _;

#[test]
fn a_variable_is_trimmed_and_has_to_be_utf_8() {
    let odd = Err("invalid_input: NAME: is not UTF-8; set it again");
    let table = [
        (None, Ok("")),
        (Some(&b" k-1\n"[..]), Ok("k-1")),
        (Some(b"caf\xe9"), odd),
    ];
    for (value, expected) in table {
        let value = value.map(|bytes| OsString::from_vec(bytes.to_vec()));
        let got = variable("NAME", value).map_err(|error| error.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expected);
    }
}
