//! A resource of a template.

use serde_json::Value;

use super::text::text_of;

/// A resource with its properties resolved.
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) properties: Value,
    pub(super) metadata: Value,
    /// True if `AWS::Include` brings its definition.
    pub(super) includes: bool,
}

impl Resource {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.properties.get(name).and_then(text_of)
    }

    pub(super) fn is_function(&self) -> bool {
        self.kind.ends_with("::Function")
    }

    pub(super) fn has_layers(&self) -> bool {
        let layers = self.properties.get("Layers");
        layers.is_some_and(|layers| layers.as_array().is_none_or(|list| !list.is_empty()))
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("true")
    }
}
