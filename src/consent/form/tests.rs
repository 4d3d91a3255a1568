use serde_json::{Value, json};

use super::*;

/// The status and the HTML.
fn shown(form: &Form, entered: Option<&Entered>, problems: &Problems) -> (u16, String) {
    let check = Check {
        challenge: "c-1".into(),
        proof: "p-1".into(),
        seconds: 295,
    };
    let response = form.page(entered, problems, &check);
    let status = response.message.status().as_u16();
    (
        status,
        String::from_utf8(response.message.into_body()).unwrap(),
    )
}

fn form(schema: &Value) -> Form {
    let name = |name: &str| name.to_owned();
    let schema = schema.as_object().unwrap();
    Form::new(
        name("tool"),
        name("weather"),
        name("https://nexus.example.com"),
        schema,
    )
    .unwrap()
}

fn entered(pairs: &[(&str, &str)]) -> Entered {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

#[test]
fn the_fields_stand_in_a_sensible_order() {
    let table = [
        (
            json!({"properties": {"a": {}, "b": {}, "c": {}}, "required": ["c", "b"]}),
            vec!["c", "b", "a"],
        ),
        (
            json!({"properties": {"password": {}, "username": {}}, "required": ["password", "username"]}),
            vec!["username", "password"],
        ),
        (
            json!({"properties": {"a": {"x-order": 2}, "b": {"order": 1}, "c": {}}, "required": ["c"]}),
            vec!["b", "a", "c"],
        ),
        (
            json!({
                "properties": {"a": {}},
                "allOf": [{"properties": {"b": {}}, "required": ["b"]}],
                "oneOf": [{"properties": {"c": {}}, "required": ["c"]}, {"$ref": "#/$defs/d"}],
                "$defs": {"d": {"properties": {"d": {"$ref": "#/$defs/e"}}}, "e": {"title": "E"}},
            }),
            vec!["b", "a", "c", "d"],
        ),
        (
            json!({"properties": {"a": true, "b": {"readOnly": true}}}),
            vec!["a"],
        ),
    ];
    for (schema, expected) in table {
        let form = form(&schema);
        let names: Vec<&str> = form.fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names, expected, "{schema}");
    }
}

/// Without a limit, each of these schemas would take minutes to years.
#[test]
fn a_schema_that_refers_to_itself_many_times_is_read_in_no_time() {
    let names: Vec<String> = (0..5_000).map(|number| format!("n{number:04}")).collect();
    let own = json!({"$ref": "#/$defs/a"});
    let part = |part: Value| json!({"allOf": vec![&own; 1_000], "$defs": {"a": part}, "properties": {"own": {}}});
    let wide: Object = names.iter().map(|name| (name.clone(), json!({}))).collect();
    let table = [
        (part(json!({"allOf": vec![&own; 1_000]})), 1),
        (part(json!({"required": names})), 1),
        (part(json!({"properties": wide})), 100),
        (json!({"properties": wide}), 100),
    ];
    for (schema, fields) in table {
        assert_eq!(form(&schema).fields.len(), fields);
    }
}

#[test]
fn a_schema_that_asks_for_nothing_has_no_form() {
    let round = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a", "allOf": [{"$ref": "#/$defs/a"}]}}});
    for schema in [
        json!({}),
        json!({"properties": {}}),
        json!({"type": "string"}),
        round,
    ] {
        let made = Form::new(
            String::new(),
            String::new(),
            String::new(),
            schema.as_object().unwrap(),
        );
        assert!(made.is_none(), "{schema}");
    }
}

#[test]
fn what_was_entered_is_shown_again_unless_it_is_secret() {
    let form = form(&json!({
        "properties": {
            "region": {"enum": ["eu", "us"], "title": "Region"},
            "user": {},
            "api_key": {},
            "private_key": {},
            "verify": {"type": "boolean", "default": true},
        },
        "required": ["region", "api_key"],
    }));
    let entered = entered(&[
        ("region", "us"),
        ("user", "\"><script>"),
        ("api_key", "canary-1"),
        ("private_key", "canary-2"),
    ]);
    let problems = form.refused(Refusal {
        advice: "no: <b>".into(),
        code: "rejected".into(),
        message: "bad api_key, <b>, region-name".into(),
    });
    let (status, html) = shown(&form, Some(&entered), &problems);
    assert_eq!(status, 422);
    assert!(
        !html.contains("canary") && !html.contains("\"><script") && !html.contains("<b>"),
        "{html}"
    );
    for part in [
        "<option value=\"us\" selected>us</option>",
        "value=\"&#34;&gt;&lt;script&gt;\"",
        "<p>no: &lt;b&gt;</p>",
        "Details: bad api_key, &lt;b&gt;, region-name (rejected)",
        "<a href=\"#f1\">Check API key.</a>",
        "id=\"f1\" name=\"api_key\" aria-describedby=\"f1-problem\" required aria-invalid=\"true\"",
        "role=\"alert\" tabindex=\"-1\" autofocus",
        "<textarea rows=\"5\" class=\"hidden\"",
        "Enter hidden fields again",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!(html.matches("autofocus").count(), 1);
    // An unchecked box stays unchecked after a refusal, even if its default is checked.
    assert!(!html.contains(" checked"), "{html}");
    let (_, fresh) = shown(&form, None, &Problems::default());
    assert!(
        fresh.contains(" checked") && fresh.contains("<option value=\"\">Choose"),
        "{fresh}"
    );
    assert!(!fresh.contains("role=\"alert\""));
}

#[test]
fn the_page_tells_who_asks_and_where_it_goes() {
    let form = form(
        &json!({"description": "Get a key at <weather>", "properties": {"key": {"description": "32 letters"}}}),
    );
    let (status, html) = shown(&form, None, &Problems::default());
    for part in [
        "<title>Connect weather</title>",
        "tool asks for your credentials",
        "<h1>Connect weather</h1>",
        "Get a key at &lt;weather&gt;",
        "<label for=\"f0\">Key <span class=\"optional\">(optional)</span></label>",
        "<p class=\"hint\" id=\"f0-hint\">32 letters</p>",
        "type=\"password\" id=\"f0\" name=\"key\" aria-describedby=\"f0-hint\" autofocus",
        "<strong>https://nexus.example.com</strong>",
        "<noscript><meta http-equiv=\"refresh\" content=\"295;url=about:blank\"></noscript>",
        "data-challenge=\"c-1\" data-proof=\"p-1\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!(status, 200);
}

#[test]
fn a_credential_has_what_was_entered_and_nothing_else() {
    let form = form(&json!({
        "properties": {"api_key": {}, "port": {"type": "integer"}, "note": {}},
        "required": ["api_key", "port"],
    }));
    let good = entered(&[
        ("api_key", "k"),
        ("port", "8080"),
        ("note", ""),
        ("other", "x"),
    ]);
    let credential = form.read(&good).ok().unwrap();
    assert_eq!(
        Value::from(credential),
        json!({"api_key": "k", "port": 8080})
    );
    let problems = form.read(&entered(&[("port", "x")])).err().unwrap();
    let texts: Vec<_> = problems.fields.iter().map(|(_, text)| &**text).collect();
    assert_eq!(
        texts,
        [
            "Port has to be a whole number, such as 10.",
            "API key is missing."
        ]
    );
    assert_eq!(problems.refusal, None);
}
