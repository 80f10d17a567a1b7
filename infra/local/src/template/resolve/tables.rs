//! The names of a template's tables.

use serde_json::Value;

use super::Resolver;
use crate::template::{Error, tables};

impl Resolver<'_> {
    /// The name of the table that a resource is; `None` if it is not one.
    pub(super) fn table(&self, id: &str) -> Result<Option<String>, Error> {
        let found = self.template.get("Resources").and_then(|all| all.get(id));
        let kind = found.and_then(|found| found.get("Type")).and_then(Value::as_str);
        let Some(found) = found.filter(|_| kind.is_some_and(tables::is_table)) else {
            return Ok(None);
        };
        let own = found.pointer("/Properties/TableName");
        let own = own.map(|own| self.bounds.deeper(|| self.text(own))).transpose()?;
        Ok(Some(tables::name(id, own.flatten())))
    }
}
