//! CloudFormation's intrinsic functions, as far as an API's definition needs them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Error;
use crate::lambda::{ACCOUNT, REGION};

/// Returns true for a function's call, such as `{"Ref": "Name"}`.
pub(super) fn is_call(map: &Map<String, Value>) -> bool {
    let name = map.keys().next().filter(|_| map.len() == 1);
    name.is_some_and(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// A template, with values for its parameters.
pub(super) struct Resolver<'a> {
    pub(super) template: &'a Value,
    pub(super) parameters: &'a BTreeMap<String, String>,
}

impl Resolver<'_> {
    /// Evaluates every function in a value. `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value) -> Result<Option<Value>, Error> {
        match value {
            Value::Array(entries) => {
                let mut resolved = Vec::new();
                for entry in entries {
                    resolved.extend(self.resolve(entry)?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(map) => {
                if is_call(map)
                    && let Some((name, argument)) = map.iter().next()
                {
                    return self.call(name, argument);
                }
                let mut resolved = Map::new();
                for (name, entry) in map {
                    if let Some(entry) = self.resolve(entry)? {
                        resolved.insert(name.clone(), entry);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            other => Ok(Some(other.clone())),
        }
    }

    /// Returns true if a resource is made: it has no condition, or one that holds.
    pub(super) fn is_made(&self, resource: &Value) -> Result<bool, Error> {
        match resource.get("Condition").and_then(Value::as_str) {
            Some(name) => self.condition(name),
            None => Ok(true),
        }
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>, Error> {
        let wrong = || Error::Function(name.to_owned());
        let entries = || argument.as_array().ok_or_else(wrong);
        match name {
            "Ref" => self.reference(argument.as_str().ok_or_else(wrong)?),
            "Fn::GetAtt" => {
                let path: Option<Vec<&str>> = entries()?.iter().map(Value::as_str).collect();
                match path.as_deref() {
                    Some([resource, "Arn"]) => Ok(Some(self.arn(resource).into())),
                    Some([resource, ..]) => Ok(Some((*resource).into())),
                    _ => Err(wrong()),
                }
            }
            "Fn::Sub" => self.substitute(argument).map(Some),
            "Fn::If" => match &entries()?[..] {
                [condition, then, other] => {
                    let holds = self.condition(condition.as_str().ok_or_else(wrong)?)?;
                    self.resolve(if holds { then } else { other })
                }
                _ => Err(wrong()),
            },
            "Fn::Join" => match &entries()?[..] {
                [Value::String(between), list] => {
                    let list = self.list(list)?.ok_or_else(wrong)?;
                    Ok(Some(list.join(between.as_str()).into()))
                }
                _ => Err(wrong()),
            },
            "Fn::Split" => match &entries()?[..] {
                [Value::String(at), text] => {
                    let text = self.text(text)?.ok_or_else(wrong)?;
                    Ok(Some(text.split(at.as_str()).map(Value::from).collect()))
                }
                _ => Err(wrong()),
            },
            "Fn::Select" => match &entries()?[..] {
                [at, list] => {
                    let at = self.text(at)?.and_then(|at| at.parse::<usize>().ok());
                    let list = self.resolve(list)?;
                    let list = list.as_ref().and_then(Value::as_array).ok_or_else(wrong)?;
                    Ok(Some(list.get(at.ok_or_else(wrong)?).ok_or_else(wrong)?.clone()))
                }
                _ => Err(wrong()),
            },
            "Fn::FindInMap" => {
                let path = self.list(argument)?.ok_or_else(wrong)?;
                let mut found = self.template.get("Mappings");
                for name in &path {
                    found = found.and_then(|found| found.get(name));
                }
                Ok(Some(found.ok_or_else(wrong)?.clone()))
            }
            _ => Err(wrong()),
        }
    }

    fn reference(&self, name: &str) -> Result<Option<Value>, Error> {
        Ok(Some(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => "local".into(),
            "AWS::StackId" => json!(format!(
                "arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/\
                 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
            )),
            _ => return self.parameter(name).map(Some),
        }))
    }

    /// A parameter's value, or a resource's name.
    fn parameter(&self, name: &str) -> Result<Value, Error> {
        let declared = self.template.get("Parameters").and_then(|all| all.get(name));
        let Some(declared) = declared else {
            let (resource, _) = name.split_once('.').unwrap_or((name, ""));
            return match self.template.get("Resources").and_then(|all| all.get(resource)) {
                Some(_) => Ok(resource.into()),
                None => Err(Error::Reference(name.to_owned())),
            };
        };
        let text = match (self.parameters.get(name), declared.get("Default")) {
            (Some(given), _) => given.clone(),
            (None, Some(default)) => text_of(default).unwrap_or_default(),
            (None, None) => return Err(Error::Parameter(name.to_owned())),
        };
        let allowed = declared.get("AllowedValues").and_then(Value::as_array);
        let is_allowed =
            |all: &Vec<Value>| all.iter().any(|it| text_of(it).as_ref() == Some(&text));
        if let Some(allowed) = allowed.filter(|all| !is_allowed(all)) {
            let allowed: Vec<String> = allowed.iter().filter_map(text_of).collect();
            return Err(Error::Value(name.to_owned(), allowed.join("`, `")));
        }
        let kind = declared.get("Type").and_then(Value::as_str).unwrap_or_default();
        if kind.starts_with("List<") || kind == "CommaDelimitedList" {
            return Ok(text.split(',').map(|entry| Value::from(entry.trim())).collect());
        }
        Ok(text.into())
    }

    /// The ARN of a resource, which is a function in all that is looked at.
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{resource}")
    }

    fn substitute(&self, argument: &Value) -> Result<Value, Error> {
        let wrong = || Error::Function("Fn::Sub".to_owned());
        let (text, own) = match argument {
            Value::String(text) => (text, None),
            Value::Array(both) => match &both[..] {
                [Value::String(text), Value::Object(own)] => (text, Some(own)),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            filled.push_str(before);
            let (name, after) = after.split_once('}').ok_or_else(wrong)?;
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                filled.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let value = match (own.and_then(|own| own.get(name)), name.split_once('.')) {
                (Some(value), _) => self.text(value)?,
                (None, Some((resource, "Arn"))) => Some(self.arn(resource)),
                (None, _) => self.reference(name)?.as_ref().and_then(text_of),
            };
            filled.push_str(&value.ok_or_else(wrong)?);
        }
        filled.push_str(rest);
        Ok(filled.into())
    }

    fn text(&self, value: &Value) -> Result<Option<String>, Error> {
        Ok(self.resolve(value)?.as_ref().and_then(text_of))
    }

    fn list(&self, value: &Value) -> Result<Option<Vec<String>>, Error> {
        let Some(Value::Array(entries)) = self.resolve(value)? else { return Ok(None) };
        Ok(entries.iter().map(text_of).collect())
    }

    fn condition(&self, name: &str) -> Result<bool, Error> {
        let all = self.template.get("Conditions");
        let condition = all.and_then(|all| all.get(name));
        self.holds(condition.ok_or_else(|| Error::Reference(name.to_owned()))?)
    }

    fn holds(&self, condition: &Value) -> Result<bool, Error> {
        let (name, argument) = condition
            .as_object()
            .and_then(|map| map.iter().next())
            .ok_or_else(|| Error::Function("Conditions".to_owned()))?;
        let wrong = || Error::Function(name.clone());
        if name == "Condition" {
            return self.condition(argument.as_str().ok_or_else(wrong)?);
        }
        let entries = argument.as_array().ok_or_else(wrong)?;
        match (name.as_str(), &entries[..]) {
            ("Fn::Equals", [one, other]) => Ok(self.text(one)? == self.text(other)?),
            ("Fn::Not", [one]) => self.holds(one).map(|holds| !holds),
            ("Fn::And", all) => all.iter().try_fold(true, |so, one| Ok(so && self.holds(one)?)),
            ("Fn::Or", all) => all.iter().try_fold(false, |so, one| Ok(so || self.holds(one)?)),
            _ => Err(wrong()),
        }
    }
}

/// A scalar as text, as CloudFormation writes it.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}
