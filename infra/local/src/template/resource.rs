//! A resource of a template.

use serde_json::Value;

use super::text::text_of;

/// A resource with its properties resolved.
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) properties: Value,
    pub(super) metadata: Value,
}

impl Resource {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.properties.get(name).and_then(text_of)
    }

    /// Returns true unless it is `false` or not there: a value that is not known counts as true.
    pub(super) fn needs(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| !text.eq_ignore_ascii_case("false"))
    }

    pub(super) fn is_function(&self) -> bool {
        self.kind.ends_with("::Function")
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("true")
    }
}
