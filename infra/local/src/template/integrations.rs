//! Integrations, in the forms of OpenAPI, `AWS::ApiGateway::Method` and
//! `AWS::ApiGatewayV2::Integration`, whose members differ in their first letters and a few names.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::address::{function_of, is_staged, names_in_braces, service};
use super::route::Target;
use super::text::text_of;
use super::{Family, Integration};
use crate::gateway::{Address, Mapping, Payload, ResponseMappings};

mod templates;

/// The reason for an integration that names nothing to call.
const NO_URI: &str = "the integration has no URI";
/// The time-outs that API Gateway takes, in milliseconds, for a REST and for an HTTP API.
const TIMEOUTS: (u64, u64, u64) = (50, 29_000, 30_000);

impl Target {
    /// Reads an integration; `place` is the route's name in notes.
    pub(super) fn read(
        family: Family,
        place: &str,
        found: &Value,
        notes: &mut Vec<String>,
    ) -> Self {
        let whole = found;
        let found = Found(found);
        if found.text(&["uri", "integrationUri"]).is_some_and(|uri| is_staged(&uri)) {
            return Self::new(Integration::Staged(whole.clone()), Payload::V2, None);
        }
        let integration = found.integration(family, place, notes);
        let payload = match found.text(&["payloadFormatVersion"]).as_deref() {
            Some("2.0") => Payload::V2,
            None if family == Family::Http => {
                if matches!(integration, Integration::Function(_)) {
                    notes.push(format!(
                        "{place}: the integration has no `PayloadFormatVersion`, which API Gateway \
                         asks for: its function gets payload 1.0"
                    ));
                }
                Payload::V1
            }
            _ => Payload::V1,
        };
        let timeout = timeout(family, place, found.get(&["timeoutInMillis"]), notes);
        let read = Self::new(integration, payload, timeout);
        if family != Family::Http {
            return read;
        }
        let requests = match &read.integration {
            Integration::Function(_) => found.request_mappings(Mapping::of_http),
            _ => Ok(Vec::new()),
        };
        match (requests, found.response_mappings()) {
            (Ok(request_mappings), Ok(response_mappings)) => {
                Self { request_mappings, response_mappings, ..read }
            }
            (Err(reason), _) | (_, Err(reason)) => {
                Self { integration: Integration::Unserved(reason), ..read }
            }
        }
    }
}

/// Reads a time-out, and names one that API Gateway does not take.
pub(super) fn timeout(
    family: Family,
    place: &str,
    found: Option<&Value>,
    notes: &mut Vec<String>,
) -> Option<Duration> {
    let millis: u64 = found.and_then(text_of)?.parse().ok()?;
    let (least, rest, http) = TIMEOUTS;
    let most = if family == Family::Http { http } else { rest };
    if !(least..=most).contains(&millis) {
        notes.push(format!(
            "{place}: a time-out of {millis} ms: API Gateway takes {least} to {most} ms unless a \
             quota of the account is raised"
        ));
    }
    Some(Duration::from_millis(millis))
}

/// A definition's integration.
struct Found<'a>(&'a Value);

impl<'a> Found<'a> {
    /// The first member that there is, whose name may begin with a capital.
    fn get(&self, names: &[&str]) -> Option<&'a Value> {
        let capital = |name: &str| {
            let mut name = name.to_owned();
            if let Some(first) = name.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            name
        };
        names.iter().find_map(|name| self.0.get(*name).or_else(|| self.0.get(capital(name))))
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        self.get(names).and_then(text_of)
    }

    fn integration(&self, family: Family, place: &str, notes: &mut Vec<String>) -> Integration {
        let text = |names: &[&str]| self.text(names).unwrap_or_default();
        let kind = text(&["type", "integrationType"]).to_ascii_lowercase();
        let uri = text(&["uri", "integrationUri"]);
        let is_linked = text(&["connectionType"]) == "VPC_LINK";
        let served = match kind.as_str() {
            "http" | "http_proxy" if is_linked => Err("the VPC link needs AWS".to_owned()),
            "aws_proxy" => match function_of(&uri) {
                Some(name) => {
                    self.check_method(family, place, notes);
                    Ok(Integration::Function(name))
                }
                None => Err(match self.text(&["integrationSubtype"]) {
                    Some(subtype) => format!("the service integration `{subtype}` needs AWS"),
                    None if uri.is_empty() => NO_URI.to_owned(),
                    None => format!("the integration of `{uri}`"),
                }),
            },
            "http_proxy" => self.http(family, place, uri, notes).map(Integration::Http),
            "http" => self.http(family, place, uri, notes).and_then(|address| {
                let templates = Some(self.templates(family)?);
                Ok(Integration::Http(Address { templates, ..address }))
            }),
            "mock" => self.templates(family).map(Integration::Mock),
            "aws" if family == Family::Http && function_of(&uri).is_some() => {
                Err("a function's integration that is not a proxy: use `AWS_PROXY`".to_owned())
            }
            "aws" if let Some(name) = function_of(&uri) => {
                self.check_method(family, place, notes);
                self.custom(family, name)
            }
            "aws" if uri.is_empty() => Err(NO_URI.to_owned()),
            "aws" => Err(format!("the service integration `{}` needs AWS", service(&uri))),
            "" => Err("the integration has no type".to_owned()),
            other => Err(format!("integrations of the type `{other}`")),
        };
        served.unwrap_or_else(Integration::Unserved)
    }

    /// Names a method that Lambda does not take.
    fn check_method(&self, family: Family, place: &str, notes: &mut Vec<String>) {
        let method = self.text(&["httpMethod", "integrationHttpMethod"]).unwrap_or_default();
        if family == Family::Rest && !["", "POST"].contains(&method.as_str()) {
            notes.push(format!(
                "{place}: Lambda is called by `POST`, and on AWS the integration's method \
                 `{method}` fails"
            ));
        }
    }

    /// The integration of a function with templates.
    ///
    /// Of its request parameters one has a meaning: the kind of invocation.
    fn custom(&self, family: Family, name: String) -> Result<Integration, String> {
        let parameters = self.get(&["requestParameters"]).and_then(Value::as_object);
        let kind = parameters.into_iter().flatten().find_map(|(to, from)| {
            let header = to.strip_prefix("integration.request.header.")?;
            header.eq_ignore_ascii_case("x-amz-invocation-type").then(|| text_of(from))?
        });
        match kind.as_deref() {
            None | Some("'RequestResponse'") => {
                Ok(Integration::Custom(name, self.templates(family)?))
            }
            Some(kind) => Err(format!("invocations of the type `{kind}`")),
        }
    }

    /// The integration that passes requests on to an address.
    fn http(
        &self,
        family: Family,
        place: &str,
        text: String,
        notes: &mut Vec<String>,
    ) -> Result<Address, String> {
        if text.is_empty() {
            return Err(NO_URI.to_owned());
        }
        let is_http = text.starts_with("http://") || text.starts_with("https://");
        if !is_http || text.contains("${") {
            return Err(format!("`{text}` is not an address"));
        }
        let method = self.text(&["httpMethod", "integrationHttpMethod", "integrationMethod"]);
        let method = method.filter(|method| method != "ANY").map(|method| {
            Method::from_bytes(method.to_ascii_uppercase().as_bytes())
                .map_err(|_| format!("the integration's method `{method}`"))
        });
        let mappings = self.request_mappings(match family {
            Family::Rest => Mapping::of_rest,
            Family::Http => Mapping::of_http,
            Family::WebSocket => Mapping::of_socket,
        })?;
        let is_mapped = |name: &str| mappings.iter().any(|one| one.parameter() == Some(name));
        for name in names_in_braces(&text).filter(|name| !is_mapped(name)) {
            let needed = format!("the mapping `integration.request.path.{name}`");
            let address = format!("`{{{name}}}` of the integration's address needs {needed}");
            match family {
                Family::Rest => notes
                    .push(format!("{place}: on AWS {address}; here it is the path's parameter")),
                Family::Http => {}
                Family::WebSocket => return Err(address),
            }
        }
        Ok(Address { text, method: method.transpose()?, mappings, templates: None })
    }

    /// The changes to requests.
    fn request_mappings(
        &self,
        read: fn(&str, &str) -> Result<Mapping, String>,
    ) -> Result<Vec<Mapping>, String> {
        let all = self.get(&["requestParameters"]).and_then(Value::as_object);
        let all = all.into_iter().flatten();
        all.map(|(to, from)| read(to, &text_of(from).unwrap_or_default())).collect()
    }

    /// The changes to responses: names and values, or CloudFormation's list of them.
    fn response_mappings(&self) -> Result<ResponseMappings, String> {
        let mut all = ResponseMappings::default();
        let by_status = self.get(&["responseParameters"]).and_then(Value::as_object);
        for (status, found) in by_status.into_iter().flatten() {
            match Found(found).get(&["responseParameters"]) {
                Some(list) => {
                    for pair in list.as_array().into_iter().flatten().map(Found) {
                        let text = |name| pair.text(&[name]).unwrap_or_default();
                        all.add(status, &text("destination"), &text("source"))?;
                    }
                }
                None => {
                    for (to, from) in found.as_object().into_iter().flatten() {
                        all.add(status, to, &text_of(from).unwrap_or_default())?;
                    }
                }
            }
        }
        Ok(all)
    }
}
