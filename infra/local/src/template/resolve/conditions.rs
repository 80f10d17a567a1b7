//! The conditions of a template.

use serde_json::Value;

use super::Resolver;
use crate::template::Error;

impl Resolver<'_> {
    /// Returns true if a resource is made: it has no condition, or one that holds.
    pub(in crate::template) fn is_made(&self, resource: &Value) -> Result<bool, Error> {
        match resource.get("Condition").and_then(Value::as_str) {
            Some(name) => self.strictly(|| self.condition(name)),
            None => Ok(true),
        }
    }

    pub(super) fn condition(&self, name: &str) -> Result<bool, Error> {
        if self.open.borrow().iter().any(|open| open == name) {
            let place = format!("Conditions.{name}");
            return Err(Error::Bound { place, reason: "is defined by itself" });
        }
        let all = self.template.get("Conditions");
        let condition = all.and_then(|all| all.get(name));
        let condition = condition.ok_or_else(|| Error::Reference(name.to_owned()))?;
        self.open.borrow_mut().push(name.to_owned());
        let holds = self.holds(condition);
        self.open.borrow_mut().pop();
        holds
    }

    fn holds(&self, condition: &Value) -> Result<bool, Error> {
        self.bounds.step()?;
        self.bounds.deeper(|| self.holds_here(condition))
    }

    fn holds_here(&self, condition: &Value) -> Result<bool, Error> {
        let (name, argument) = condition
            .as_object()
            .and_then(|map| map.iter().next())
            .ok_or_else(|| Error::Function("Conditions".to_owned()))?;
        let wrong = || Error::Function(name.clone());
        if name == "Condition" {
            return self.condition(argument.as_str().ok_or_else(wrong)?);
        }
        let entries = argument.as_array().ok_or_else(wrong)?;
        let holds = |one| self.holds(one);
        match (name.as_str(), &entries[..]) {
            // Lists and what is nothing cannot be compared: they have no text.
            ("Fn::Equals", [one, other]) => {
                let text = |value| self.text(value)?.ok_or_else(wrong);
                Ok(text(one)? == text(other)?)
            }
            ("Fn::Not", [one]) => holds(one).map(|holds| !holds),
            ("Fn::And", all) => all.iter().try_fold(true, |so, one| Ok(so && holds(one)?)),
            ("Fn::Or", all) => all.iter().try_fold(false, |so, one| Ok(so || holds(one)?)),
            _ => Err(wrong()),
        }
    }
}
