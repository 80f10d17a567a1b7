//! The names and ARNs of a template's tables.

use serde_json::Value;

use super::{Mark, Resolver};
use crate::lambda::{ACCOUNT, REGION};
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

    /// The value of an attribute of a resource.
    pub(super) fn attribute(&self, resource: &str, attribute: &str) -> Result<Value, Error> {
        if let Some(name) = self.table(resource)? {
            let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}");
            return match attribute {
                "Arn" => Ok(table.into()),
                "StreamArn" => Ok(format!("{table}/stream/{}", Mark::Label.of(&name)).into()),
                _ => Err(Error::Reference(format!("{resource}.{attribute}"))),
            };
        }
        if self.is_seen.get()
            && let Some(seen) = self.seen(resource, attribute)?
        {
            return Ok(seen.into());
        }
        match attribute {
            "Arn" => Ok(self.arn(resource)?.into()),
            _ => self.parameter(&format!("{resource}.{attribute}")),
        }
    }
}
