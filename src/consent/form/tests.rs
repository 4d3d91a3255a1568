use serde_json::{Value, json};

use super::*;

/// The status, and the HTML without the templates and the script at its end.
fn shown(form: &Form, attempt: Option<&Attempt<'_>>) -> (u16, String) {
    let check = Check {
        challenge: "c-1".into(),
        proof: "p-1".into(),
    };
    let response = form.page(attempt, &check);
    let status = response.message.status().as_u16();
    let html = String::from_utf8(response.message.into_body()).unwrap();
    (status, html.split_once("<template").unwrap().0.to_owned())
}

fn form(schema: &Value) -> Form {
    let [asks, provider, gateway] =
        ["tool", "weather", "https://nexus.example.com"].map(str::to_owned);
    Form::new(asks, provider, gateway, schema.as_object().unwrap()).unwrap()
}

fn entered(pairs: &[(&str, &str)]) -> Entered {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

#[test]
fn the_fields_stand_in_a_sensible_order() {
    let table = [
        (json!([{"a": {}, "b": {}, "c": {}}, ["c", "b"]]), "c b a"),
        (
            json!([{"password": {}, "username": {}}, ["password", "username"]]),
            "username password",
        ),
        (
            json!([{"a": true, "region": {}, "c": {}}, ["c", 1]]),
            "c region a",
        ),
    ];
    for (schema, expected) in table {
        let form = form(&json!({"properties": schema[0], "required": schema[1]}));
        let names: Vec<&str> = form.fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names.join(" "), expected, "{schema}");
    }
}

#[test]
fn a_schema_that_asks_for_nothing_has_no_form() {
    for schema in [json!({"properties": {}}), json!({"properties": []})] {
        let [asks, provider, gateway] = [(); 3].map(|()| String::new());
        let made = Form::new(asks, provider, gateway, schema.as_object().unwrap());
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
    let texts = ["no: <b>", "Details: <b> (rejected)"].map(str::to_owned);
    let attempt = Attempt {
        entered: &entered,
        problem: Problem {
            texts: texts.to_vec(),
            is_final: true,
            ..Problem::default()
        },
    };
    let (status, html) = shown(&form, Some(&attempt));
    assert_eq!(status, 422);
    for part in ["canary", "\"><script", "<b>"] {
        assert!(!html.contains(part), "{part} in {html}");
    }
    for part in [
        "<option value=\"us\" selected>us</option>",
        "value=\"&#34;&gt;&lt;script&gt;\"",
        "<p>no: &lt;b&gt;</p>\n<p>Details: &lt;b&gt; (rejected)</p>",
        "id=\"f1\" name=\"api_key\" autocomplete=\"off\" required value=\"\"",
        "</textarea>\n<button type=\"button\" class=\"show\" id=\"f4-show\" aria-controls=\"f4\" \
         aria-labelledby=\"f4-show f4-name\">Show</button>",
        "<span id=\"f4-name\">Private key</span>",
        "role=\"alert\" tabindex=\"-1\" autofocus",
        "<textarea rows=\"5\" class=\"hidden\"",
        "<p>Enter hidden fields again",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!(html.matches("autofocus").count(), 1);
    assert_eq!(html.matches("class=\"show\"").count(), 2, "{html}");
    // An unchecked box stays unchecked after a refusal, even if its default is checked.
    assert!(!html.contains(" checked"), "{html}");
    let (_, fresh) = shown(&form, None);
    assert!(fresh.contains(" checked") && !fresh.contains("role=\"alert\""));
    assert!(fresh.contains("<option value=\"\">Choose"), "{fresh}");
}

#[test]
fn the_page_tells_who_asks_and_where_it_goes() {
    let form = form(
        &json!({"description": "Get a key at <weather>", "properties": {"key": {"description": "32 letters"}}}),
    );
    let (status, html) = shown(&form, None);
    for part in [
        "<title>Connect weather</title>",
        "tool asks for your credentials",
        "<h1>Connect weather</h1>",
        "Get a key at &lt;weather&gt;",
        "<label for=\"f0\"><span id=\"f0-name\">Key</span> <span class=\"optional\">(optional)</span></label>",
        "<p class=\"hint\" id=\"f0-hint\">32 letters</p>",
        "type=\"password\" id=\"f0\" name=\"key\" autocomplete=\"off\" aria-describedby=\"f0-hint\" autofocus",
        "<strong>https://nexus.example.com</strong>",
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
    let good = [
        ("api_key", "k"),
        ("port", "8080"),
        ("note", ""),
        ("other", "x"),
    ];
    let credential = form.read(&entered(&good)).ok().unwrap();
    let expected = json!({"api_key": "k", "port": 8080});
    assert_eq!(Value::from(credential), expected);
}

#[test]
fn a_problem_is_linked_to_its_field() {
    let form = form(&json!({
        "properties": {
            "port": {"type": "integer", "description": "Its port"},
            "region": {},
            "api_key": {},
            "limits": {"type": "object"},
        },
        "required": ["port", "api_key"],
    }));
    let entered = entered(&[("port", "<x>"), ("region", "eu"), ("limits", "{")]);
    let Err(problem) = form.read(&entered) else {
        panic!("three fields have to be corrected")
    };
    let entered = &entered;
    let (status, html) = shown(&form, Some(&Attempt { entered, problem }));
    assert_eq!(status, 422);
    let port = "Port has to be a number, such as 10.";
    let limits = "Limits has to be JSON, such as [&#34;a&#34;, &#34;b&#34;].";
    let links = format!(
        "<ul>\n<li><a href=\"#f0\">{port}</a></li>\n<li><a href=\"#f1\">API key is missing.</a></li>\n\
         <li><a href=\"#f3\">{limits}</a></li>\n</ul>"
    );
    for part in [
        &*links,
        &format!("<p class=\"problem\" id=\"f0-problem\">{port}</p>"),
        "id=\"f0\" name=\"port\" autocomplete=\"off\" inputmode=\"decimal\" \
         aria-describedby=\"f0-hint f0-problem\" aria-invalid=\"true\" required value=\"&lt;x&gt;\"",
        "id=\"f1\" name=\"api_key\" autocomplete=\"off\" aria-describedby=\"f1-problem\" aria-invalid=\"true\"",
        "id=\"f2\" name=\"region\" autocomplete=\"off\" value=\"eu\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!(html.matches("aria-invalid=").count(), 3, "{html}");
}

#[test]
fn a_page_keeps_secrets_unless_they_would_be_refused_again() {
    let form = form(&json!({"properties": {"api_key": {}}, "required": ["api_key"]}));
    let plain = self::form(&json!({"properties": {"region": {}}}));
    let entered = entered(&[]);
    let refused = |is_final| Problem {
        texts: vec!["no".to_owned()],
        is_final,
        ..Problem::default()
    };
    let local = || Problem {
        fields: [(0, "no".to_owned())].into(),
        ..Problem::default()
    };
    let (kept, gone) = ("<p class=\"unscripted\">Enter hidden", "<p>Enter hidden");
    let table = [
        (&form, local(), true, kept),
        (&form, refused(false), true, kept),
        (&form, refused(true), false, gone),
        (&plain, refused(true), false, ""),
    ];
    for (form, problem, keeps, hint) in table {
        let entered = &entered;
        let (_, html) = shown(form, Some(&Attempt { entered, problem }));
        assert_eq!(html.contains(" data-keeps-secrets>"), keeps, "{html}");
        assert!(html.contains(hint), "{hint} in {html}");
        assert_eq!(html.contains("Enter hidden"), !hint.is_empty(), "{html}");
    }
}
