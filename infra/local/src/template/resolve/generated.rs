//! The names of what SAM makes: "Generated CloudFormation resources" of its developer guide.

use serde_json::Value;

use super::Resolver;
use crate::template::Error;

/// The APIs that SAM makes for events that name none.
const IMPLICIT: [(&str, &str); 2] = [
    ("ServerlessRestApi", "AWS::Serverless::Api"),
    ("ServerlessHttpApi", "AWS::Serverless::HttpApi"),
];
/// Names of the plan and key that SAM shares among APIs whose usage plan is `SHARED`.
const SHARED: [&str; 3] = ["ServerlessUsagePlan", "ServerlessUsagePlanKey", "ServerlessApiKey"];
/// The letters of a hash at the end of a name.
const HASH: usize = 10;

impl Resolver<'_> {
    /// The value of a name that SAM makes; `None` if it makes no such name.
    pub(super) fn generated(&self, name: &str, attribute: &str) -> Result<Option<Value>, Error> {
        let all = self.template.get("Resources").and_then(Value::as_object).into_iter().flatten();
        let kinds =
            all.filter_map(|(name, found)| Some((name.as_str(), found.get("Type")?.as_str()?)));
        let kinds: Vec<_> =
            kinds.filter(|(_, kind)| kind.starts_with("AWS::Serverless::")).collect();
        if kinds.is_empty() {
            return Ok(None);
        }
        let owners = kinds.into_iter().chain(IMPLICIT);
        let owners =
            owners.filter_map(|(owner, kind)| Some((owner, kind, name.strip_prefix(owner)?)));
        let owner = owners.min_by_key(|(.., rest)| rest.len());
        let unknown = || {
            let name =
                if attribute.is_empty() { name.to_owned() } else { format!("{name}.{attribute}") };
            self.physical(&name, &name).map(|text| Some(text.into()))
        };
        match owner {
            _ if SHARED.contains(&name) => unknown(),
            // An API itself, which an event makes.
            Some((_, _, "")) => Ok(Some(name.into())),
            Some((owner, "AWS::Serverless::Function", rest)) if rest.starts_with("Alias") => {
                Ok(Some(self.alias(owner, "AutoPublishAlias")?.into()))
            }
            Some((owner, "AWS::Serverless::Function", rest)) if rest.starts_with("Version") => {
                Ok(Some(self.arn(owner)?.into()))
            }
            Some((owner, "AWS::Serverless::Api" | "AWS::Serverless::HttpApi", rest))
                if rest.contains("Stage") =>
            {
                let stage = self.stage(owner)?;
                let is_hash =
                    |text: &str| text.len() == HASH && text.bytes().all(|b| b.is_ascii_hexdigit());
                // The name has the stage's only if SAM knows it, and it is alphanumeric.
                let is_it = rest.strip_suffix("Stage").is_some_and(|own| {
                    own.is_empty()
                        || own == stage
                        || (own == "ApiGatewayDefault" && stage == "$default")
                }) || rest.strip_prefix("Stage").is_some_and(is_hash);
                Ok(is_it.then(|| stage.into()))
            }
            Some(_) => unknown(),
            None => Ok(None),
        }
    }

    /// The name of the stage of one of SAM's APIs.
    pub(super) fn stage(&self, api: &str) -> Result<String, Error> {
        let own = self.found(api).and_then(|found| found.pointer("/Properties/StageName"));
        let own = own.map(|own| self.bounds.deeper(|| self.text(own))).transpose()?.flatten();
        let default = if api == "ServerlessRestApi" { "Prod" } else { "$default" };
        Ok(own.unwrap_or_else(|| default.to_owned()))
    }

    /// The name of the usage plan or key that SAM makes for an API.
    pub(super) fn of_plan(&self, api: &str, part: &str) -> String {
        let made = self
            .found(api)
            .and_then(|found| found.pointer("/Properties/Auth/UsagePlan/CreateUsagePlan"));
        let is_shared = made.and_then(Value::as_str) == Some("SHARED");
        format!("{}{part}", if is_shared { "Serverless" } else { api })
    }
}
