//! CloudFormation's intrinsic functions, as far as an API's definition needs them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Error;
use crate::lambda::{ACCOUNT, REGION};

mod allowed;
mod bounds;
mod loops;
mod seen;
mod stored;
mod tables;

use bounds::{Bounds, MAX_TEXT};
pub(super) use loops::written_out;
pub(crate) use seen::Mark;
pub(super) use stored::is_reference;

/// The function that brings what another file holds.
pub(super) const TRANSFORM: &str = "Fn::Transform";

/// Returns true for a function's call, such as `{"Ref": "Name"}`.
fn is_call(map: &Map<String, Value>) -> bool {
    let name = map.keys().next().filter(|_| map.len() == 1);
    name.is_some_and(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// A value that cannot be evaluated here.
#[derive(Debug)]
pub(super) struct Lack {
    /// The resource and the names of the members down to the value.
    pub(super) path: Vec<String>,
    pub(super) error: Error,
}

/// A template, with values for its parameters.
///
/// A value that cannot be evaluated is a [`Lack`], and a text that names it stands in its place: as
/// a guard's setting it is an authorizer that is not there, so that no route becomes open by it.
pub(super) struct Resolver<'a> {
    pub(super) template: &'a Value,
    parameters: &'a BTreeMap<String, String>,
    /// The template's folder, which the files that it includes are looked for in.
    folder: &'a Path,
    bounds: Bounds,
    /// The conditions that are being evaluated.
    open: RefCell<Vec<String>>,
    /// The names of the members down to the value that is evaluated.
    path: RefCell<Vec<String>>,
    /// True in the arguments of a function, whose error is that of the function.
    is_strict: Cell<bool>,
    /// True in what a function sees, where resources have the values that AWS gives them. Everywhere
    /// else they have their logical ids, by which one names another.
    is_seen: Cell<bool>,
    lacks: RefCell<Vec<Lack>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        template: &'a Value,
        parameters: &'a BTreeMap<String, String>,
        folder: &'a Path,
    ) -> Self {
        Self {
            template,
            parameters,
            folder,
            bounds: Bounds::default(),
            open: RefCell::default(),
            path: RefCell::default(),
            is_strict: Cell::new(false),
            is_seen: Cell::new(false),
            lacks: RefCell::default(),
        }
    }

    /// Names the resource or section that is evaluated from here on.
    pub(super) fn at(&self, place: &str) {
        self.bounds.at(place);
        *self.path.borrow_mut() = vec![place.trim_start_matches("Resources.").to_owned()];
    }

    /// Returns the values that could not be evaluated since the last time.
    pub(super) fn lacks(&self) -> Vec<Lack> {
        self.lacks.take()
    }

    /// Evaluates a member.
    pub(super) fn member(&self, name: &str, value: &Value) -> Result<Option<Value>, Error> {
        self.path.borrow_mut().push(name.to_owned());
        let resolved = self.resolve(value);
        self.path.borrow_mut().pop();
        resolved
    }

    fn strictly<T>(&self, run: impl FnOnce() -> T) -> T {
        let before = self.is_strict.replace(true);
        let done = run();
        self.is_strict.set(before);
        done
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
                    return self.called(name, argument);
                }
                let mut resolved = Map::new();
                for (name, entry) in map {
                    // The members that a transform brings are beside those that are there.
                    if name == TRANSFORM {
                        match self.called(name, entry)? {
                            Some(Value::Object(brought)) => resolved.extend(brought),
                            // It might bring a guard: the whole is not known.
                            other => return Ok(other),
                        }
                    } else if let Some(entry) = self.member(name, entry)? {
                        resolved.insert(name.clone(), entry);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            Value::String(text) if stored::has_reference(text) => {
                self.known(self.dereferenced(text).map(|text| Some(text.into())))
            }
            other => Ok(Some(other.clone())),
        }
    }

    /// Returns true if a resource is made: it has no condition, or one that holds.
    pub(super) fn is_made(&self, resource: &Value) -> Result<bool, Error> {
        match resource.get("Condition").and_then(Value::as_str) {
            Some(name) => self.strictly(|| self.condition(name)),
            None => Ok(true),
        }
    }

    /// A function's value, or the text that stands for a value that is not known here.
    fn called(&self, name: &str, argument: &Value) -> Result<Option<Value>, Error> {
        // A branch and what is included are evaluated as if they were there without the function.
        let is_plain = ["Fn::If", TRANSFORM].contains(&name);
        let value = match is_plain {
            true => self.call(name, argument),
            false => self.strictly(|| self.call(name, argument)),
        };
        self.known(match value {
            Ok(Some(Value::String(text))) if stored::has_reference(&text) => {
                self.dereferenced(&text).map(|text| Some(text.into()))
            }
            other => other,
        })
    }

    /// The value, or the text that stands for one that is not known here.
    fn known(&self, value: Result<Option<Value>, Error>) -> Result<Option<Value>, Error> {
        match value {
            Err(error) if !self.is_strict.get() && error.is_lack() => {
                let stand_in = format!("(not known here: {})", error.short());
                let path = self.path.borrow().clone();
                self.lacks.borrow_mut().push(Lack { path, error });
                Ok(Some(stand_in.into()))
            }
            other => other,
        }
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>, Error> {
        self.bounds.step()?;
        let wrong = || Error::Function(name.to_owned());
        let entries = || argument.as_array().ok_or_else(wrong);
        match name {
            "Ref" => self.reference(&self.text(argument)?.ok_or_else(wrong)?),
            "Fn::GetAtt" => {
                let path = match argument {
                    Value::String(path) => Some(path.splitn(2, '.').map(str::to_owned).collect()),
                    other => self.list(other)?,
                };
                match path.as_deref() {
                    Some([resource, attribute]) => self.attribute(resource, attribute).map(Some),
                    Some([resource, ..]) => self.parameter(resource).map(Some),
                    _ => Err(wrong()),
                }
            }
            "Fn::Sub" => self.substitute(argument).map(Some),
            "Fn::If" => match &entries()?[..] {
                [condition, then, other] => {
                    let name = condition.as_str().ok_or_else(wrong)?;
                    let holds = self.strictly(|| self.condition(name))?;
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
                let all = entries()?;
                let path = self.list(&all.iter().take(3).cloned().collect())?.ok_or_else(wrong)?;
                let mut found = self.template.get("Mappings");
                for name in &path {
                    found = found.and_then(|found| found.get(name));
                }
                let Some(found) = found else {
                    let default = all.get(3).and_then(|default| default.get("DefaultValue"));
                    return self.resolve(default.ok_or_else(wrong)?);
                };
                self.bounds.made(found.to_string())?;
                Ok(Some(found.clone()))
            }
            "Fn::ToJsonString" => {
                let value = self.resolve(argument)?.unwrap_or_default();
                Ok(Some(self.bounds.made(value.to_string())?.into()))
            }
            "Fn::Length" => {
                let list = self.resolve(argument)?;
                let list = list.as_ref().and_then(Value::as_array).ok_or_else(wrong)?;
                Ok(Some(list.len().into()))
            }
            "Fn::ImportValue" => {
                Err(Error::Export(self.text(argument)?.unwrap_or_else(|| name.to_owned())))
            }
            TRANSFORM => self.include(argument),
            "Fn::Base64" | "Fn::Cidr" | "Fn::GetAZs" => Err(Error::Unknown(name.to_owned())),
            _ => Err(wrong()),
        }
    }

    /// The content of a file that `AWS::Include` names.
    fn include(&self, argument: &Value) -> Result<Option<Value>, Error> {
        let is_include = argument.get("Name").and_then(Value::as_str) == Some("AWS::Include");
        let location = argument.pointer("/Parameters/Location").filter(|_| is_include);
        let location = location.ok_or_else(|| Error::Unknown(TRANSFORM.to_owned()))?;
        let location = self.strictly(|| self.text(location))?;
        let location = location.ok_or_else(|| Error::Function(TRANSFORM.to_owned()))?;
        if location.contains("://") {
            return Err(Error::Include(location));
        }
        self.bounds.file()?;
        let included = super::document(&self.folder.join(location))?.value;
        self.bounds.made(included.to_string())?;
        self.resolve(&included)
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
            return self.resource(name);
        };
        let kind = declared.get("Type").and_then(Value::as_str).unwrap_or_default();
        let is_stored = stored::is_stored(kind);
        let text = match (self.parameters.get(name), declared.get("Default")) {
            (Some(given), _) => given.clone(),
            (None, Some(_)) if is_stored => return Err(Error::Stored(name.to_owned())),
            (None, Some(default)) => text_of(default).unwrap_or_default(),
            (None, None) => return Err(Error::Parameter(vec![name.to_owned()])),
        };
        // Those of a stored value are for its name.
        if !is_stored {
            allowed::check(name, declared, &text)?;
        }
        let kind = kind.trim_start_matches("AWS::SSM::Parameter::Value<");
        if kind.starts_with("List<") || kind.starts_with("CommaDelimitedList") {
            let text = self.bounds.made(text)?;
            return Ok(text.split(',').map(|entry| Value::from(entry.trim())).collect());
        }
        Ok(self.bounds.made(text)?.into())
    }

    /// The value of a resource's `Ref`: its name, or the ARN of the function that it stands for.
    fn resource(&self, name: &str) -> Result<Value, Error> {
        let (resource, attribute) = name.split_once('.').unwrap_or((name, ""));
        let all = self.template.get("Resources").and_then(Value::as_object);
        let of = |name: &str| all.and_then(|all| all.get(name));
        let kind = |found: &'a Value| found.get("Type").and_then(Value::as_str).unwrap_or_default();
        if let Some(table) = self.table(name)? {
            return Ok(table.into());
        }
        if self.is_seen.get()
            && let Some(seen) = self.seen(resource, attribute)?
        {
            return Ok(seen.into());
        }
        if let Some(found) = of(resource) {
            return match kind(found) {
                "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" if attribute == "Stage" => {
                    let stage = found.pointer("/Properties/StageName");
                    let stage = stage.map(|stage| self.text(stage)).transpose()?.flatten();
                    Ok(stage.unwrap_or_else(|| "$default".to_owned()).into())
                }
                "AWS::Lambda::Alias" | "AWS::Lambda::Version" => Ok(self.arn(resource)?.into()),
                // What SAM makes beside a function: `!Ref Function.Alias`.
                "AWS::Serverless::Function" if ["Alias", "Version"].contains(&attribute) => {
                    Ok(self.arn(resource)?.into())
                }
                _ => Ok(resource.into()),
            };
        }
        // SAM's documentation, "Generated CloudFormation resources".
        let implicit = ["ServerlessRestApi", "ServerlessHttpApi"].map(|name| (name, None));
        let made = all
            .into_iter()
            .flatten()
            .filter(|(_, found)| kind(found).starts_with("AWS::Serverless::"));
        let made = made.map(|(name, found)| (name.as_str(), Some(found)));
        let is_sam = all
            .is_some_and(|all| all.values().any(|one| kind(one).starts_with("AWS::Serverless::")));
        let owner = implicit
            .into_iter()
            .chain(made)
            .filter(|(owner, _)| is_sam && resource.starts_with(owner));
        let owner = owner.max_by_key(|(owner, _)| owner.len());
        let Some((owner, found)) = owner else {
            let is_shared = ["ServerlessUsagePlan", "ServerlessApiKey", "ServerlessUsagePlanKey"];
            return match is_sam && is_shared.contains(&resource) {
                true => Ok(resource.into()),
                false => Err(Error::Reference(name.to_owned())),
            };
        };
        let rest = resource.strip_prefix(owner).unwrap_or_default();
        let is_function = found.is_some_and(|found| kind(found) == "AWS::Serverless::Function");
        if is_function && (rest.starts_with("Alias") || rest == "Version") {
            return Ok(self.arn(owner)?.into());
        }
        Ok(match rest.strip_suffix("Stage") {
            Some("ApiGatewayDefault") => "$default".into(),
            Some("") => {
                let stage = found.and_then(|found| found.pointer("/Properties/StageName"));
                stage
                    .map(|stage| self.text(stage))
                    .transpose()?
                    .flatten()
                    .map_or(resource.into(), Value::from)
            }
            Some(stage) if !is_function => stage.into(),
            _ => resource.into(),
        })
    }

    /// The ARN of a resource, which is a function in all that is looked at, or stands for one.
    fn arn(&self, resource: &str) -> Result<String, Error> {
        let found = self.template.get("Resources").and_then(|all| all.get(resource));
        let kind = found.and_then(|found| found.get("Type")).and_then(Value::as_str);
        let of = found.and_then(|found| found.pointer("/Properties/FunctionName"));
        let stands_for =
            of.filter(|_| matches!(kind, Some("AWS::Lambda::Alias" | "AWS::Lambda::Version")));
        let name = match stands_for {
            Some(of) => self.bounds.deeper(|| self.text(of))?.unwrap_or_default(),
            None => resource.to_owned(),
        };
        if name.contains(":function:") {
            return Ok(name);
        }
        Ok(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"))
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
                (None, Some((resource, attribute))) => {
                    text_of(&self.attribute(resource, attribute)?)
                }
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

/// A scalar as text, as CloudFormation writes it.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}
