//! Static credentials: the form in which a user enters a credential, and the gateway's response to the credential.

use serde_json::Value;

use crate::error::Result;
use crate::json::{self, Object};
use crate::log::debug_only;

/// The names of fields that hold no secret, in lower case and without separators.
const PLAIN_FIELDS: &str = "\
    account accountid accountname address apibaseurl apiversion baseurl clientid cluster company customerid \
    databasename dbname domain email emailaddress endpoint environment firstname host hostname instance instanceurl \
    issuer issuerurl label language lastname locale login name namespace org organization organizationid orgid port \
    profile project projectid projectname protocol realm region scheme scope scopes server serverurl shop site siteid \
    siteurl subdomain team teamid tenant tenantid timezone tokenuri tokenurl type uri url user userid username version \
    workspace workspaceid zone";

/// The form in which a user enters a provider's credential.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let input = RequestConnectionInput::new("acme", "weather", nexus_sdk::NO_SCOPES, "http://localhost:3000/");
/// let connection = client.request_connection(&input)?;
/// let form = client.capture_schema(connection.state.as_deref().unwrap())?;
/// assert_eq!(form.fields(), ["api_key"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CaptureSchema {
    /// The provider that the form is for.
    pub provider_name: Option<String>,
    /// The JSON Schema of the credentials object.
    pub schema: Object,
}

impl CaptureSchema {
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CaptureSchema, serde_json::json};
    ///
    /// let response = json!({"properties": {"api_key": {}}});
    /// assert_eq!(CaptureSchema::from_json(response)?.fields(), ["api_key"]);
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let mut fields = json::into_object(response)?;
        let provider_name = json::filled(&fields, "provider_name");
        let schema = match fields.remove("schema") {
            Some(Value::Object(wrapped)) => wrapped,
            _ => fields,
        };
        Ok(Self {
            provider_name,
            schema,
        })
    }

    /// Returns the names of the credential's fields.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let input = RequestConnectionInput::new("acme", "registry", ["pull"], "http://localhost:3000/");
    /// # let state = client.request_connection(&input)?.state.unwrap();
    /// assert_eq!(client.capture_schema(&state)?.fields(), ["password", "username"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let properties = json::object(&self.schema, "properties");
        let names = properties.into_iter().flat_map(Object::keys);
        names.map(|name| &**name).collect()
    }

    /// Returns whether a program should hide this field while the user types. All fields are hidden except choices
    /// (`enum`), booleans, and fields with a name that is known to be harmless, such as `username`, `region` or
    /// `base_url`. A field with a harmless name is hidden as well if its schema has `format: password` or
    /// `writeOnly: true`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CaptureSchema, serde_json::json};
    ///
    /// let schema = CaptureSchema::from_json(json!({"properties": {"baseUrl": {}, "webhook_url": {}}}))?;
    /// assert!(!schema.is_secret("baseUrl") && schema.is_secret("webhook_url"));
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[must_use]
    pub fn is_secret(&self, field: &str) -> bool {
        let properties = json::object(&self.schema, "properties");
        let property = properties.and_then(|fields| json::object(fields, field));
        is_secret(field, property.unwrap_or(&Object::new()))
    }
}

/// Returns whether to hide a field, as [`CaptureSchema::is_secret`] does.
pub(crate) fn is_secret(name: &str, property: &Object) -> bool {
    let is_flag = property.get("type").is_some_and(|kind| kind == "boolean");
    if is_flag || property.get("enum").is_some_and(Value::is_array) {
        return false;
    }
    is_marked(property) || !is_plain(name)
}

/// Returns whether the schema of a field says that the field is secret.
pub(crate) fn is_marked(property: &Object) -> bool {
    json::text(property, "format").is_some_and(|format| format == "password")
        || json::flag(property, "writeOnly")
}

/// Compares the whole name, because parts mislead: `webhook_url` is a secret, and `url` is not.
fn is_plain(name: &str) -> bool {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' '));
    let name = letters.collect::<String>().to_ascii_lowercase();
    PLAIN_FIELDS.split(' ').any(|plain| plain == name)
}

/// The gateway's response to a credential that it has accepted. Does not contain the credential.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
/// use nexus_sdk::serde_json::Map;
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let input = RequestConnectionInput::new("acme", "weather", nexus_sdk::NO_SCOPES, "http://localhost:3000/");
/// let connection = client.request_connection(&input)?;
/// let credentials = Map::from_iter([("api_key".to_string(), "k-1".into())]);
/// let captured = client.capture_credential(connection.state.as_deref().unwrap(), &credentials)?;
/// assert_eq!(captured.connection_id, connection.connection_id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapturedCredential {
    /// The id of the credential's connection.
    pub connection_id: String,
    /// The outcome in the gateway's words, normally `success`. For the connection's status, call
    /// [`check_connection`](crate::NexusClient::check_connection).
    pub status: String,
    /// The URL to which the gateway would send a browser next. `Debug` does not show the URL.
    pub redirect_url: Option<String>,
}

impl CapturedCredential {
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CapturedCredential, serde_json::json};
    ///
    /// let response = json!({"connection_id": "c-1", "status": "success"});
    /// assert_eq!(CapturedCredential::from_json(response)?.connection_id, "c-1");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let fields = json::into_object(response)?;
        Ok(Self {
            connection_id: json::required(&fields, &["connection_id"])?,
            redirect_url: json::filled(&fields, "redirect_url"),
            status: json::required(&fields, &["status"])?,
        })
    }
}

debug_only!(CapturedCredential: connection_id, status);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_comes_wrapped_or_bare() {
        let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}});
        let wrapped = json!({"provider_name": "p", "schema": schema});
        let odd = json!({"properties": ["a"]});
        let table = [
            (wrapped, Some("p"), schema.clone(), vec!["a", "b"]),
            (schema.clone(), None, schema, vec!["a", "b"]),
            (json!({ "schema": odd }), None, odd, vec![]),
            (json!({"schema": null}), None, json!({}), vec![]),
        ];
        for (response, provider, schema, fields) in table {
            let form = CaptureSchema::from_json(response).unwrap();
            assert_eq!(form.provider_name.as_deref(), provider);
            assert_eq!(form.fields(), fields);
            assert_eq!(Value::from(form.schema), schema);
        }
    }

    #[test]
    fn a_field_is_hidden_unless_its_name_is_known() {
        let hidden = "api_key password pat pem dsn connection_string service_account database_url webhook_url \
                      webhookUrl seed pin kubeconfig mnemonic url_signature username_token x ";
        let plain = "username user email host hostname port region base_url baseUrl Base-URL url account_id tenant \
                     subdomain token_url instance.url";
        let table = [(hidden, json!({}), true), (plain, json!({}), false)];
        let properties = [
            (json!({"type": "integer"}), "pin", true),
            (json!({"type": "integer"}), "port", false),
            (json!({"format": "uri"}), "webhook_url", true),
            (json!({"format": "password"}), "username", true),
            (json!({"writeOnly": true}), "username", true),
            (json!({"writeOnly": false}), "password", true),
            (json!({"type": "boolean"}), "verify", false),
            (json!({"enum": ["a", "b"]}), "plan", false),
            (json!(true), "username", false),
            (json!(true), "password", true),
        ];
        let properties = properties.map(|(property, names, expected)| (names, property, expected));
        for (names, property, expected) in table.into_iter().chain(properties) {
            for name in names.split(' ') {
                let schema = json!({"properties": {name: property}});
                let schema = CaptureSchema::from_json(schema).unwrap();
                assert_eq!(schema.is_secret(name), expected, "{name:?} {property}");
            }
        }
        let empty = CaptureSchema::from_json(json!({})).unwrap();
        assert!(empty.is_secret("password") && !empty.is_secret("username"));
    }

    #[test]
    fn a_captured_credential_has_an_id_and_a_status() {
        let response = json!({"connection_id": "c", "status": "new", "redirect_url": "http://h/?state=canary"});
        let captured = CapturedCredential::from_json(response).unwrap();
        let url = captured.redirect_url.as_deref();
        assert_eq!(url, Some("http://h/?state=canary"));
        assert!(!format!("{captured:?}").contains("canary"));
        for lacking in [json!({"connection_id": "c"}), json!({"status": "new"})] {
            let error = CapturedCredential::from_json(lacking).unwrap_err();
            assert_eq!(error.code(), "invalid_response");
        }
    }
}
