use super::*;
use serde_json::json;

fn field(name: &str, property: &Value) -> Field {
    Field::new(name, property.as_object().unwrap(), true)
}

#[test]
fn what_a_property_becomes() {
    let two = || Kind::Choice(vec![json!("a"), json!(2)]);
    let table = [
        ("region", json!({}), Kind::Line, false),
        ("api_key", json!({"type": "string"}), Kind::Line, true),
        ("region", json!({"writeOnly": true}), Kind::Line, true),
        ("port", json!({"type": "integer"}), Kind::Number, false),
        ("pin", json!({"type": "number"}), Kind::Number, true),
        ("use_token", json!({"type": "boolean"}), Kind::Flag, false),
        ("key_type", json!({"enum": ["a", 2]}), two(), false),
        ("x", json!({"oneOf": [{}]}), Kind::Line, true),
        ("scopes", json!({"type": "array"}), Kind::Json, false),
        ("x", json!({"type": "object"}), Kind::Json, true),
        ("private_key", json!({"type": "string"}), Kind::Lines, true),
        ("privateKey", json!({}), Kind::Lines, true),
        ("kubeconfig", json!({}), Kind::Lines, true),
        ("label", json!({"format": "textarea"}), Kind::Lines, false),
    ];
    for (name, property, kind, secret) in table {
        let field = field(name, &property);
        let found = (field.kind, field.secret);
        assert_eq!(found, (kind, secret), "{name} {property}");
    }
}

#[test]
fn a_touch_screen_shows_the_keyboard_for_numbers_and_addresses() {
    let table = [
        ("port", json!({"type": "integer"}), Some("decimal")),
        ("pin", json!({"type": "number"}), Some("decimal")),
        ("baseUrl", json!({}), Some("url")),
        ("server", json!({"format": "uri"}), Some("url")),
        ("EMAIL", json!({}), Some("email")),
        ("user", json!({"format": "email"}), Some("email")),
        ("api_key", json!({}), None),
        ("url_count", json!({}), None),
        ("url", json!({"enum": ["a"]}), None),
        ("email", json!({"type": "array"}), None),
    ];
    for (name, property, expected) in table {
        let field = field(name, &property);
        assert_eq!(field.input_mode, expected, "{name} {property}");
    }
}

#[test]
fn a_default_is_kept_unless_the_field_is_marked_as_secret() {
    let table = [
        ("tier", json!({"default": "free"}), Some("free")),
        ("tier", json!({"default": "x", "format": "password"}), None),
        ("tier", json!({"default": "x", "writeOnly": true}), None),
    ];
    for (name, property, expected) in table {
        let field = field(name, &property);
        assert_eq!(field.default.as_deref(), expected, "{name} {property}");
    }
}

#[test]
fn what_is_entered_becomes_a_value_or_says_what_is_wrong() {
    let missing = Err("X is missing.");
    let number = Err("X has to be a number, such as 10.");
    let choice = || json!({"enum": ["a", 2]});
    let table = [
        (json!({}), Some(" a "), Ok(json!(" a "))),
        (json!({}), Some(" \r\n"), missing.clone()),
        (json!({}), None, missing.clone()),
        (json!({"type": "integer"}), Some(" -12 "), Ok(json!(-12))),
        (json!({"type": "number"}), Some("1.5"), Ok(json!(1.5))),
        (json!({"type": "number"}), Some("\"1\""), number.clone()),
        (json!({"type": "integer"}), Some("ten"), number),
        (json!({"type": "boolean"}), Some("true"), Ok(json!(true))),
        (json!({"type": "boolean"}), None, Ok(json!(false))),
        (choice(), Some("2"), Ok(json!(2))),
        (choice(), Some("b"), Err("Choose one of the options for X.")),
        (choice(), Some(""), missing),
        (json!({"type": "array"}), Some("[1]"), Ok(json!([1]))),
        (
            json!({"type": "object"}),
            Some("{"),
            Err("X has to be JSON, such as [\"a\", \"b\"]."),
        ),
        (json!({"format": "pem"}), Some("a\r\nb"), Ok(json!("a\nb"))),
    ];
    for (property, entered, expected) in table {
        let found = field("x", &property).read(entered);
        let expected = expected.map(Some).map_err(str::to_owned);
        assert_eq!(found, expected, "{property} {entered:?}");
    }
    let optional = Field::new("x", &Object::new(), false);
    assert_eq!(optional.read(Some("")), Ok(None));
}

#[test]
fn a_field_is_named_in_words() {
    let table = [
        ("api_key", json!({}), "API key"),
        ("api_key", json!({"title": "api_key"}), "API key"),
        ("base-url", json!({}), "Base URL"),
        ("username", json!({"title": "User name"}), "User name"),
        ("", json!({}), ""),
    ];
    for (name, property, label) in table {
        assert_eq!(field(name, &property).label, label);
    }
}
