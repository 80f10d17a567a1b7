//! The values that functions see of a template's resources: those of AWS, as far as they are known.

use serde_json::Value;

use super::{Lack, Resolver};
use crate::lambda::{ACCOUNT, REGION};
use crate::template::Error;

/// A value that there is only when the stack runs. A mark stands in its place until then.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// An API's id.
    Id,
    /// An API's address.
    Address,
    /// The label of a table's stream.
    Label,
}

impl Mark {
    /// The text of the mark for an API or a table.
    pub(crate) fn of(self, name: &str) -> String {
        let value = match self {
            Self::Id => "id",
            Self::Address => "address",
            Self::Label => "label",
        };
        format!("{{tollgate-{value}-{name}}}")
    }
}

impl Resolver<'_> {
    /// Evaluates a member that functions see.
    pub(in crate::template) fn seen_member(
        &self,
        name: &str,
        value: &Value,
    ) -> Result<Option<Value>, Error> {
        self.is_seen.set(true);
        let resolved = self.member(name, value);
        self.is_seen.set(false);
        resolved
    }

    /// The value of a resource's `Ref` (without an attribute) or `Fn::GetAtt`; `None` if it is
    /// evaluated as anywhere else. One that is not known is named, and the logical id stands for it.
    pub(super) fn seen(&self, resource: &str, attribute: &str) -> Result<Option<String>, Error> {
        let all = self.template.get("Resources");
        let Some(found) = all.and_then(|all| all.get(resource)) else {
            let is_api = ["ServerlessRestApi", "ServerlessHttpApi"].contains(&resource);
            return Ok(match attribute {
                "" if is_api => Some(Mark::Id.of(resource)),
                "ApiEndpoint" if is_api => Some(Mark::Address.of(resource)),
                _ => None,
            });
        };
        let kind = found.get("Type").and_then(Value::as_str).unwrap_or_default();
        let own = |name: &str| {
            let own = found.get("Properties").and_then(|all| all.get(name));
            own.map(|own| self.bounds.deeper(|| self.text(own))).transpose().map(Option::flatten)
        };
        let known = match (kind, attribute) {
            (
                "AWS::ApiGateway::RestApi"
                | "AWS::ApiGatewayV2::Api"
                | "AWS::Serverless::Api"
                | "AWS::Serverless::HttpApi",
                "" | "RestApiId" | "ApiId",
            ) => Some(Mark::Id.of(resource)),
            ("AWS::ApiGatewayV2::Api" | "AWS::Serverless::HttpApi", "ApiEndpoint") => {
                Some(Mark::Address.of(resource))
            }
            ("AWS::ApiGateway::Stage" | "AWS::ApiGatewayV2::Stage", "") => own("StageName")?,
            ("AWS::Lambda::Function" | "AWS::Serverless::Function", "" | "Arn") => {
                let name = own("FunctionName")?.unwrap_or_else(|| resource.to_owned());
                let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
                Some(if attribute.is_empty() { name } else { arn })
            }
            // These are the same everywhere.
            ("AWS::Lambda::Alias" | "AWS::Lambda::Version", "")
            | ("AWS::Serverless::Function", "Alias" | "Version")
            | ("AWS::Serverless::Api" | "AWS::Serverless::HttpApi", "Stage") => return Ok(None),
            _ => None,
        };
        if known.is_none() {
            let name = match attribute {
                "" => resource.to_owned(),
                _ => format!("{resource}.{attribute}"),
            };
            let path = self.path.borrow().clone();
            self.lacks.borrow_mut().push(Lack { path, error: Error::Physical(name) });
        }
        Ok(Some(known.unwrap_or_else(|| resource.to_owned())))
    }
}
