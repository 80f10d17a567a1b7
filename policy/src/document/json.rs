//! A document as IAM's JSON: through serde, or straight into a text.

use serde::{
    Serialize, Serializer,
    ser::{SerializeSeq, SerializeStruct},
};

use super::{Document, Statement};

pub(crate) const VERSION: &str = "2012-10-17";
pub(crate) const ACTION: &str = "execute-api:Invoke";

// The text around what varies. Nothing that varies holds a character that JSON escapes: neither an
// ARN's prefix, a route, a claim in a path, a block of addresses nor a date can.
const OPEN: &str = r#"{"Version":"2012-10-17","Statement":["#;
const ALLOW: &str = r#"{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["#;
const DENY: &str = r#"{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["#;
const DENY_REST: &str = r#"{"Action":"execute-api:Invoke","Effect":"Deny","NotResource":["#;
const CONDITION: &str = r#"],"Condition":"#;
const CLOSE: &str = "]}";

impl Document {
    /// The document as JSON without white space: what serde gives, in one allocation or two.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.json_bytes());
        json.push_str(OPEN);
        for (place, statement) in self.statements.iter().enumerate() {
            if place > 0 {
                json.push(',');
            }
            json.push_str(statement.open());
            for (place, suffix) in self.table.texts(&statement.resources).enumerate() {
                json.push_str(if place > 0 { ",\"" } else { "\"" });
                json.push_str(&self.prefix);
                json.push_str(suffix);
                json.push('"');
            }
            match &statement.condition {
                Some(condition) => {
                    json.push_str(CONDITION);
                    json.push_str(&condition.json());
                    json.push('}');
                }
                None => json.push_str(CLOSE),
            }
        }
        json.push_str(CLOSE);
        json
    }

    /// The length of the document as JSON without white space, in bytes.
    #[must_use]
    pub fn json_bytes(&self) -> usize {
        let quoted = |suffix: &str| r#""""#.len() + self.prefix.len() + suffix.len();
        let mut bytes = OPEN.len() + CLOSE.len() + commas(self.statements.len());
        for statement in &self.statements {
            let mut resources = 0;
            for suffix in self.table.texts(&statement.resources) {
                bytes += quoted(suffix);
                resources += 1;
            }
            bytes += statement.open().len() + commas(resources);
            bytes += match &statement.condition {
                Some(condition) => CONDITION.len() + condition.json().len() + "}".len(),
                None => CLOSE.len(),
            };
        }
        bytes
    }
}

impl Statement {
    fn open(&self) -> &'static str {
        match (self.allow, self.rest) {
            (true, _) => ALLOW,
            (false, false) => DENY,
            (false, true) => DENY_REST,
        }
    }
}

/// The commas between so many items.
fn commas(items: usize) -> usize {
    items.saturating_sub(1)
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut policy = serializer.serialize_struct("Policy", 2)?;
        policy.serialize_field("Version", VERSION)?;
        policy.serialize_field("Statement", &Statements(self))?;
        policy.end()
    }
}

struct Statements<'d>(&'d Document);

impl Serialize for Statements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(document) = self;
        serializer.collect_seq(document.statements.iter().map(|s| Of(document, s)))
    }
}

/// A statement of a document.
struct Of<'d>(&'d Document, &'d Statement);

impl Serialize for Of<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(document, statement) = *self;
        let fields = if statement.condition.is_some() { 4 } else { 3 };
        let mut fields = serializer.serialize_struct("Statement", fields)?;
        fields.serialize_field("Action", ACTION)?;
        fields.serialize_field("Effect", if statement.allow { "Allow" } else { "Deny" })?;
        let name = if statement.rest { "NotResource" } else { "Resource" };
        fields.serialize_field(name, &Resources(document, statement))?;
        if let Some(condition) = &statement.condition {
            fields.serialize_field("Condition", condition)?;
        }
        fields.end()
    }
}

/// The resources of a statement, each put together in the same text.
struct Resources<'d>(&'d Document, &'d Statement);

impl Serialize for Resources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(document, statement) = *self;
        let mut resources = serializer.serialize_seq(None)?;
        let mut resource = String::with_capacity(super::MAX_RESOURCE_BYTES);
        resource.push_str(&document.prefix);
        for suffix in document.table.texts(&statement.resources) {
            resource.truncate(document.prefix.len());
            resource.push_str(suffix);
            resources.serialize_element(&resource)?;
        }
        resources.end()
    }
}
