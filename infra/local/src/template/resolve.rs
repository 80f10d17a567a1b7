//! CloudFormation's intrinsic functions, as far as an API's definition needs them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Error;
use crate::lambda::{ACCOUNT, REGION};

mod bounds;

use bounds::{Bounds, MAX_TEXT};

/// Returns true for a function's call, such as `{"Ref": "Name"}`.
pub(super) fn is_call(map: &Map<String, Value>) -> bool {
    let name = map.keys().next().filter(|_| map.len() == 1);
    name.is_some_and(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// A template, with values for its parameters.
pub(super) struct Resolver<'a> {
    pub(super) template: &'a Value,
    parameters: &'a BTreeMap<String, String>,
    bounds: Bounds,
    /// The conditions that are being evaluated.
    open: RefCell<Vec<String>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(template: &'a Value, parameters: &'a BTreeMap<String, String>) -> Self {
        Self { template, parameters, bounds: Bounds::default(), open: RefCell::default() }
    }

    /// Names the resource or section that is evaluated from here on.
    pub(super) fn at(&self, place: &str) {
        self.bounds.at(place);
    }

    /// Counts a value that is copied into a resource.
    pub(super) fn copy(&self, value: &Value) -> Result<(), Error> {
        self.bounds.made(value.to_string()).map(drop)
    }

    /// Evaluates every function in a value. `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value) -> Result<Option<Value>, Error> {
        self.bounds.deeper(|| self.resolve_here(value))
    }

    fn resolve_here(&self, value: &Value) -> Result<Option<Value>, Error> {
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
        self.bounds.step()?;
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
                    let length = list.iter().map(|entry| entry.len() + between.len()).sum();
                    self.bounds.makes(length)?;
                    Ok(Some(list.join(between.as_str()).into()))
                }
                _ => Err(wrong()),
            },
            "Fn::Split" => match &entries()?[..] {
                [Value::String(at), text] => {
                    let text = self.bounds.made(self.text(text)?.ok_or_else(wrong)?)?;
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
                let found = found.ok_or_else(wrong)?.clone();
                self.bounds.made(found.to_string())?;
                Ok(Some(found))
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
            let text = self.bounds.made(text)?;
            return Ok(text.split(',').map(|entry| Value::from(entry.trim())).collect());
        }
        Ok(self.bounds.made(text)?.into())
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
            self.bounds.step()?;
            let value = match (own.and_then(|own| own.get(name)), name.split_once('.')) {
                (Some(value), _) => self.text(value)?,
                (None, Some((resource, "Arn"))) => Some(self.arn(resource)),
                (None, _) => self.reference(name)?.as_ref().and_then(text_of),
            };
            filled.push_str(&value.ok_or_else(wrong)?);
            // Not at the end alone: the text may be of any length by then.
            if filled.len() > MAX_TEXT {
                break;
            }
        }
        filled.push_str(rest);
        Ok(self.bounds.made(filled)?.into())
    }

    fn text(&self, value: &Value) -> Result<Option<String>, Error> {
        Ok(self.resolve(value)?.as_ref().and_then(text_of))
    }

    fn list(&self, value: &Value) -> Result<Option<Vec<String>>, Error> {
        let Some(Value::Array(entries)) = self.resolve(value)? else { return Ok(None) };
        Ok(entries.iter().map(text_of).collect())
    }

    fn condition(&self, name: &str) -> Result<bool, Error> {
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
            ("Fn::Equals", [one, other]) => Ok(self.text(one)? == self.text(other)?),
            ("Fn::Not", [one]) => holds(one).map(|holds| !holds),
            ("Fn::And", all) => all.iter().try_fold(true, |so, one| Ok(so && holds(one)?)),
            ("Fn::Or", all) => all.iter().try_fold(false, |so, one| Ok(so || holds(one)?)),
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
