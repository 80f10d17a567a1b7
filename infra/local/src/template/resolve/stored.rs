//! Values that are stored outside of a template: parameters of Systems Manager and secrets.
//!
//! A template names them by a parameter of the type `AWS::SSM::Parameter::Value<…>`, or by a dynamic
//! reference such as `{{resolve:ssm:/orders/key}}`. Here they have the values that are given.

use super::Resolver;
use crate::template::Error;

/// The beginning of a dynamic reference, and of the name that its value is given by.
const OPEN: &str = "{{resolve:";
const NAME: &str = "resolve:";
const CLOSE: &str = "}}";

/// Returns true for a parameter whose value is the name of a stored one.
pub(super) fn is_stored(kind: &str) -> bool {
    kind.starts_with("AWS::SSM::Parameter::Value<")
}

/// Returns true for the name that a dynamic reference's value is given by.
pub(in crate::template) fn is_reference(name: &str) -> bool {
    name.starts_with(NAME)
}

/// Returns true for a text with a dynamic reference in it.
pub(super) fn has_reference(text: &str) -> bool {
    text.split_once(OPEN).is_some_and(|(_, rest)| rest.contains(CLOSE))
}

impl Resolver<'_> {
    /// A text with values in the place of its dynamic references.
    pub(super) fn dereferenced(&self, text: &str) -> Result<String, Error> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN)
            && let Some((reference, after)) = after.split_once(CLOSE)
        {
            self.bounds.step()?;
            let name = format!("{NAME}{reference}");
            let value = self.parameters.get(&name).ok_or(Error::Stored(name))?;
            self.bounds.makes(filled.len())?;
            filled.extend([before, value]);
            rest = after;
        }
        filled.push_str(rest);
        self.bounds.made(filled)
    }
}
