//! The values that functions and clients see of a template's resources: those of AWS, as far as they
//! are known.

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

/// The values of resources in the member that is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    /// Their logical ids, by which one resource names another.
    #[default]
    Ids,
    /// The same in an address of HTTP, where a value that is not known here is an error.
    Address,
    /// The values of AWS, in a text that clients or functions see.
    Text,
    /// The same with marks for values that there are only when the stack runs.
    Variable,
}

/// Members of APIs whose texts clients or functions see.
const TEXTS: [&str; 14] = [
    "Variables",
    "StageVariables",
    "RequestTemplates",
    "requestTemplates",
    "ResponseTemplates",
    "responseTemplates",
    "RequestParameters",
    "requestParameters",
    "ResponseParameters",
    "responseParameters",
    "Cors",
    "CorsConfiguration",
    "x-amazon-apigateway-cors",
    // That of an API key.
    "Value",
];

impl View {
    /// The view of a member of an API.
    pub(super) fn of(name: &str, value: &Value) -> Self {
        let is_address = || name == "Target" || name.to_ascii_lowercase().ends_with("uri");
        match name {
            name if TEXTS.contains(&name) => Self::Text,
            _ if is_address() && value.to_string().contains("://") => Self::Address,
            _ => Self::Ids,
        }
    }
}

impl Resolver<'_> {
    /// Evaluates a member that functions see.
    pub(in crate::template) fn seen_member(
        &self,
        name: &str,
        value: &Value,
    ) -> Result<Option<Value>, Error> {
        self.view.set(View::Variable);
        let resolved = self.member(name, value);
        self.view.set(View::Ids);
        resolved
    }

    /// The text that stands for a value of AWS which is not known here; where it matters, that is
    /// named or is an error.
    pub(super) fn physical(&self, name: &str, stand_in: &str) -> Result<String, Error> {
        match self.view.get() {
            View::Ids => {}
            View::Address => return Err(Error::Physical(name.to_owned())),
            View::Text | View::Variable => self.lack(Error::Physical(name.to_owned())),
        }
        Ok(stand_in.to_owned())
    }

    /// Names a value that is not known here.
    pub(super) fn lack(&self, error: Error) {
        let path = self.path.borrow().clone();
        self.lacks.borrow_mut().push(Lack { path, error });
    }

    /// The mark of an API; `None` where none can be put.
    fn mark(&self, mark: Mark, api: &str) -> Option<String> {
        (self.view.get() == View::Variable).then(|| mark.of(api))
    }

    /// The value of a resource's `Ref` (without an attribute) or `Fn::GetAtt` where it is seen; `None`
    /// if it is evaluated as anywhere else.
    pub(super) fn seen(&self, resource: &str, attribute: &str) -> Result<Option<String>, Error> {
        if self.view.get() == View::Ids {
            return Ok(None);
        }
        let found = self.found(resource);
        let kind = match found {
            Some(found) => found.get("Type").and_then(Value::as_str).unwrap_or_default(),
            None if resource == "ServerlessRestApi" => "AWS::Serverless::Api",
            None if resource == "ServerlessHttpApi" => "AWS::Serverless::HttpApi",
            None => return Ok(None),
        };
        let own = |name: &str| {
            let own = found.and_then(|found| found.get("Properties")?.get(name));
            own.map(|own| self.bounds.deeper(|| self.text(own))).transpose().map(Option::flatten)
        };
        let known = match (kind, attribute) {
            (
                "AWS::ApiGateway::RestApi"
                | "AWS::ApiGatewayV2::Api"
                | "AWS::Serverless::Api"
                | "AWS::Serverless::HttpApi",
                "" | "RestApiId" | "ApiId",
            ) => self.mark(Mark::Id, resource),
            ("AWS::ApiGatewayV2::Api" | "AWS::Serverless::HttpApi", "ApiEndpoint") => {
                self.mark(Mark::Address, resource)
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
        if known.is_some() {
            return Ok(known);
        }
        let name = match attribute {
            "" => resource.to_owned(),
            _ => format!("{resource}.{attribute}"),
        };
        self.physical(&name, resource).map(Some)
    }
}
