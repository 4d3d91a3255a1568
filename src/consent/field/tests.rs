use super::*;
use serde_json::json;

fn field(name: &str, property: &Value) -> Field {
    Field::new(name, property.as_object().unwrap(), true)
}

#[test]
fn what_a_property_becomes() {
    let plain = || Kind::Line("text");
    let two = || Kind::Choice(vec![("a".into(), json!("a")), ("2".into(), json!(2))]);
    let table = [
        ("region", json!({}), plain(), false),
        ("api_key", json!({"type": "string"}), plain(), true),
        ("x", json!({"format": "password"}), plain(), true),
        ("x", json!({"writeOnly": true}), plain(), true),
        ("token_url", json!({}), plain(), false),
        ("auth", json!({"format": "uri"}), Kind::Line("url"), false),
        ("passphrase", json!({}), plain(), true),
        (
            "mail",
            json!({"format": "email"}),
            Kind::Line("email"),
            false,
        ),
        (
            "x",
            json!({"type": ["null", "integer"]}),
            Kind::Integer,
            false,
        ),
        ("x", json!({"type": "number"}), Kind::Number, false),
        ("x", json!({"type": "boolean"}), Kind::Flag, false),
        ("x", json!({"enum": ["a", 2, null]}), two(), false),
        (
            "x",
            json!({"oneOf": [{"const": "a"}, {"const": 2}]}),
            two(),
            false,
        ),
        ("x", json!({"oneOf": [{"type": "string"}]}), plain(), false),
        ("x", json!({"type": "array"}), Kind::List, false),
        (
            "x",
            json!({"type": "array", "items": {"type": "object"}}),
            Kind::Json,
            false,
        ),
        ("x", json!({"properties": {}}), Kind::Json, false),
        ("private_key", json!({"type": "string"}), Kind::Lines, true),
        ("x", json!({"format": "textarea"}), Kind::Lines, false),
    ];
    for (name, property, kind, secret) in table {
        let field = field(name, &property);
        assert_eq!(
            (field.kind, field.secret),
            (kind, secret),
            "{name} {property}"
        );
    }
}

#[test]
fn what_is_entered_becomes_a_value_or_says_what_is_wrong() {
    type Read = Result<Option<Value>, &'static str>;
    let missing = "X is missing.";
    let table: [(Value, Option<&str>, Read); 20] = [
        (json!({}), Some(" a "), Ok(Some(json!(" a ")))),
        (json!({}), Some(""), Err(missing)),
        (json!({}), Some(" \r\n"), Err(missing)),
        (json!({}), None, Err(missing)),
        (json!({"minLength": 0}), Some(""), Ok(Some(json!("")))),
        (
            json!({"type": "integer"}),
            Some(" 12 "),
            Ok(Some(json!(12))),
        ),
        (
            json!({"type": "integer"}),
            Some("-12"),
            Ok(Some(json!(-12))),
        ),
        (
            json!({"type": "integer"}),
            Some("1.5"),
            Err("X has to be a whole number, such as 10."),
        ),
        (json!({"type": "number"}), Some("1.5"), Ok(Some(json!(1.5)))),
        (
            json!({"type": "number"}),
            Some("\"1\""),
            Err("X has to be a number, such as 0.5."),
        ),
        (
            json!({"type": "boolean"}),
            Some("on"),
            Ok(Some(json!(true))),
        ),
        (json!({"type": "boolean"}), None, Ok(Some(json!(false)))),
        (json!({"enum": ["a", 2]}), Some("2"), Ok(Some(json!(2)))),
        (
            json!({"enum": ["a", 2]}),
            Some("b"),
            Err("Choose one of the options for X."),
        ),
        (json!({"enum": ["a", 2]}), Some(""), Err(missing)),
        (
            json!({"type": "array"}),
            Some("a\r\n b \r\n\r\n"),
            Ok(Some(json!(["a", "b"]))),
        ),
        (
            json!({"type": "object"}),
            Some("{\"a\": 1}"),
            Ok(Some(json!({"a": 1}))),
        ),
        (
            json!({"type": "object"}),
            Some("{"),
            Err("X has to be JSON."),
        ),
        (
            json!({"format": "pem"}),
            Some("a\r\nb"),
            Ok(Some(json!("a\nb"))),
        ),
        (json!({"const": "v1"}), Some("v1"), Ok(Some(json!("v1")))),
    ];
    for (property, entered, expected) in table {
        let found = field("x", &property).read(entered);
        assert_eq!(
            found,
            expected.map_err(str::to_owned),
            "{property} {entered:?}"
        );
    }
    let optional = Field::new("x", &Object::new(), false);
    assert_eq!(optional.read(Some("")), Ok(None));
}

#[test]
fn a_field_is_named_in_words() {
    let table = [
        ("api_key", json!({}), "API key"),
        ("apiKey", json!({"title": "apiKey"}), "API key"),
        ("base-url", json!({}), "Base URL"),
        ("username", json!({"title": "User name"}), "User name"),
        ("_", json!({}), "_"),
    ];
    for (name, property, label) in table {
        assert_eq!(field(name, &property).label, label);
    }
}
