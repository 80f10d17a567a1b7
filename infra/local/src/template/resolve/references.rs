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

    /// The ARN of a resource, which is a function in all that is looked at, or stands for one.
    pub(super) fn arn(&self, resource: &str) -> Result<String, Error> {
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
}
