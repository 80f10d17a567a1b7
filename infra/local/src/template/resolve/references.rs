//! The values of names: parameters, resources with their attributes, and CloudFormation's own.

use serde_json::{Value, json};

use super::{Mark, Resolver, allowed, stored};
use crate::lambda::{ACCOUNT, REGION};
use crate::template::Error;
use crate::template::text::text_of;

impl<'a> Resolver<'a> {
    pub(super) fn reference(&self, name: &str) -> Result<Option<Value>, Error> {
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
    pub(super) fn parameter(&self, name: &str) -> Result<Value, Error> {
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

    /// A resource of the template.
    pub(super) fn found(&self, name: &str) -> Option<&'a Value> {
        self.template.get("Resources")?.get(name)
    }

    /// The value of a resource's `Ref`: its name, or the ARN of the function that it stands for.
    fn resource(&self, name: &str) -> Result<Value, Error> {
        let (resource, attribute) = name.split_once('.').unwrap_or((name, ""));
        if let Some(table) = self.table(name)? {
            return Ok(table.into());
        }
        if let Some(seen) = self.seen(resource, attribute)? {
            return Ok(seen.into());
        }
        let Some(found) = self.found(resource) else {
            let made = self.generated(resource, attribute)?;
            return made.ok_or_else(|| Error::Reference(name.to_owned()));
        };
        match (found.get("Type").and_then(Value::as_str).unwrap_or_default(), attribute) {
            ("AWS::Serverless::Api" | "AWS::Serverless::HttpApi", "Stage") => {
                Ok(self.stage(resource)?.into())
            }
            // What SAM makes for an API: `!Ref Api.UsagePlan`.
            ("AWS::Serverless::Api", "UsagePlan" | "UsagePlanKey" | "ApiKey") => {
                Ok(self.of_plan(resource, attribute).into())
            }
            ("AWS::Lambda::Alias", _) => Ok(self.alias(resource, "Name")?.into()),
            // What SAM makes for a function: `!Ref Function.Alias`.
            ("AWS::Serverless::Function", "Alias") => {
                Ok(self.alias(resource, "AutoPublishAlias")?.into())
            }
            // The number of a version is not known.
            ("AWS::Lambda::Version", _) | ("AWS::Serverless::Function", "Version") => {
                Ok(self.arn(resource)?.into())
            }
            // The outputs of one stack stay apart.
            ("AWS::CloudFormation::Stack" | "AWS::Serverless::Application", _)
                if !attribute.is_empty() =>
            {
                self.lack(Error::Physical(name.to_owned()));
                Ok(name.into())
            }
            _ => Ok(resource.into()),
        }
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
        if let Some(seen) = self.seen(resource, attribute)? {
            return Ok(seen.into());
        }
        match attribute {
            "Arn" if self.stands_for_function(resource) => Ok(self.arn(resource)?.into()),
            _ => self.parameter(&format!("{resource}.{attribute}")),
        }
    }

    /// Returns true for a function, and for what stands for one.
    fn stands_for_function(&self, resource: &str) -> bool {
        let kind = self.found(resource).and_then(|found| found.get("Type")?.as_str());
        kind.is_some_and(|kind| {
            kind.ends_with("::Function")
                || ["AWS::Lambda::Alias", "AWS::Lambda::Version"].contains(&kind)
        })
    }

    /// The ARN of a function's alias, whose name is in the member.
    pub(super) fn alias(&self, resource: &str, member: &str) -> Result<String, Error> {
        let name = self.found(resource).and_then(|found| found.get("Properties")?.get(member));
        let name = name.map(|name| self.bounds.deeper(|| self.text(name))).transpose()?.flatten();
        let arn = self.arn(resource)?;
        Ok(match name {
            Some(name) => format!("{arn}:{name}"),
            None => arn,
        })
    }

    /// The ARN of a function, or of what stands for one.
    pub(super) fn arn(&self, resource: &str) -> Result<String, Error> {
        let found = self.found(resource);
        let kind = found.and_then(|found| found.get("Type")).and_then(Value::as_str);
        let of = found.and_then(|found| found.pointer("/Properties/FunctionName"));
        let stands_for =
            of.filter(|_| matches!(kind, Some("AWS::Lambda::Alias" | "AWS::Lambda::Version")));
        let name = match stands_for {
            Some(of) => self.bounds.deeper(|| self.text(of))?.unwrap_or_default(),
            None => self.seen(resource, "Arn")?.unwrap_or_else(|| resource.to_owned()),
        };
        if name.contains(":function:") {
            return Ok(name);
        }
        Ok(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"))
    }
}
