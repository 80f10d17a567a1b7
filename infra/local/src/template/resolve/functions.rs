//! The values of functions, such as `Fn::Join`.

use serde_json::Value;

use super::bounds::MAX_TEXT;
use super::{Resolver, TRANSFORM};
use crate::template::text::text_of;
use crate::template::{Error, document};

impl Resolver<'_> {
    pub(super) fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>, Error> {
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
        let included = document(&self.folder.join(location))?.value;
        self.bounds.made(included.to_string())?;
        self.resolve(&included)
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
}
