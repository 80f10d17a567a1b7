//! An evaluator of finished policies that works as API Gateway does, for tests.
//!
//! It reads a policy's JSON and does not use the rules.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

use crate::{cidr, document::Document, wildcard::matches};

/// The action that a caller of an API performs.
const INVOKE: &str = "execute-api:Invoke";

/// A policy's decision on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An Allow matches, and no Deny.
    Allow,
    /// A Deny matches.
    ExplicitDeny,
    /// No statement matches: denied, unless a resource policy of the API allows it.
    ImplicitDeny,
}

/// One request as API Gateway evaluates a policy for it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    arn: &'a str,
    source_ip: Option<IpAddr>,
    time: Option<i64>,
}

impl<'a> Request<'a> {
    /// Makes a request from its method ARN, at an unknown time from an unknown address.
    #[must_use]
    pub fn new(arn: &'a str) -> Self {
        Self { arn, source_ip: None, time: None }
    }

    /// Sets its source address: `aws:SourceIp`.
    #[must_use]
    pub fn from(self, source_ip: IpAddr) -> Self {
        Self { source_ip: Some(source_ip), ..self }
    }

    /// Sets its time, in seconds since 1970: `aws:CurrentTime`.
    #[must_use]
    pub fn at(self, time: i64) -> Self {
        Self { time: Some(time), ..self }
    }
}

/// An IAM policy as API Gateway reads one from an authorizer, of this crate or another.
///
/// It supports the policies of this crate, and what policies of other authorizers need: one or
/// several statements, actions, resources or `NotResource`, and the conditions `IpAddress` on
/// `aws:SourceIp` and `DateLessThan` on `aws:CurrentTime`. Parsing refuses everything else.
///
/// ```
/// use tollgate_policy::iam::{Outcome, Policy, Request};
///
/// let policy: Policy = serde_json::from_str(
///     r#"{"Version": "2012-10-17", "Statement": {
///         "Action": "execute-api:*", "Effect": "Allow",
///         "Resource": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/user/*"
///     }}"#,
/// )?;
/// let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/user/1/secret";
/// assert_eq!(policy.evaluate(&Request::new(arn)), Outcome::Allow);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    version: Version,
    #[serde(default)]
    id: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
enum Version {
    #[serde(rename = "2012-10-17")]
    Current,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
struct Statement {
    effect: Effect,
    action: Vec<String>,
    /// The resources that it applies to, or does not apply to.
    resources: Vec<Pattern>,
    is_about_the_rest: bool,
    condition: Option<Condition>,
}

/// A statement as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Written {
    #[serde(default, rename = "Sid")]
    _sid: Option<String>,
    effect: Effect,
    #[serde(deserialize_with = "one_or_many")]
    action: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many_if_there")]
    resource: Option<Vec<Pattern>>,
    #[serde(default, deserialize_with = "one_or_many_if_there")]
    not_resource: Option<Vec<Pattern>>,
    #[serde(default)]
    condition: Option<Condition>,
}

impl TryFrom<Written> for Statement {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { effect, action, resource, not_resource, condition, .. } = written;
        let (resources, is_about_the_rest) = match (resource, not_resource) {
            (Some(resources), None) => (resources, false),
            (None, Some(resources)) => (resources, true),
            _ => return Err("a statement has either `Resource` or `NotResource`"),
        };
        Ok(Self { effect, action, resources, is_about_the_rest, condition })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

/// A resource; one with a variable is refused, because IAM would replace the variable.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(String);

impl TryFrom<String> for Pattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.contains("${") { Err("a resource has an IAM variable") } else { Ok(Self(text)) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Condition {
    #[serde(default)]
    ip_address: Option<SourceIps>,
    #[serde(default)]
    date_less_than: Option<Before>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceIps {
    #[serde(rename = "aws:SourceIp", deserialize_with = "one_or_many")]
    source_ip: Vec<Range>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    #[serde(rename = "aws:CurrentTime", deserialize_with = "one_or_many")]
    current_time: Vec<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Range(IpNet);

impl TryFrom<String> for Range {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        cidr::parse(&text).map(Self)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Time(jiff::Timestamp);

impl TryFrom<String> for Time {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        text.parse().map(Self)
    }
}

/// Reads one item as a list of one, as IAM does.
fn one_or_many<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let items = match Value::deserialize(from)? {
        Value::Array(items) => items,
        one => vec![one],
    };
    let read = |item| serde_json::from_value(item).map_err(D::Error::custom);
    items.into_iter().map(read).collect()
}

fn one_or_many_if_there<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    one_or_many(from).map(Some)
}

impl Policy {
    /// Evaluates the policy for a request, as API Gateway does with one that it has cached.
    ///
    /// A Deny wins over an Allow. A statement matches if an action, a resource and every condition
    /// match. `*` matches any text, also empty text and `/`; `?` matches any one character. Actions
    /// are compared without case, resources with case. A condition on an unknown property of the
    /// request does not hold.
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>) -> Outcome {
        self.judge(request).0
    }

    /// Evaluates the policy, and returns the number of the statement that decides, from 1.
    #[must_use]
    pub fn judge(&self, request: &Request<'_>) -> (Outcome, Option<usize>) {
        let first = |effect| {
            let decides = |it: &Statement| it.effect == effect && it.matches(request);
            self.statement.iter().position(decides).map(|position| position + 1)
        };
        match (first(Effect::Deny), first(Effect::Allow)) {
            (Some(deny), _) => (Outcome::ExplicitDeny, Some(deny)),
            (None, Some(allow)) => (Outcome::Allow, Some(allow)),
            (None, None) => (Outcome::ImplicitDeny, None),
        }
    }
}

impl Statement {
    fn matches(&self, request: &Request<'_>) -> bool {
        let invoke = INVOKE.to_ascii_lowercase();
        let named = self.resources.iter().any(|Pattern(named)| matches(named, request.arn));
        self.action.iter().any(|action| matches(&action.to_ascii_lowercase(), &invoke))
            && named != self.is_about_the_rest
            && self.condition.as_ref().is_none_or(|condition| condition.holds(request))
    }
}

impl Condition {
    fn holds(&self, request: &Request<'_>) -> bool {
        self.ip_address.as_ref().is_none_or(|SourceIps { source_ip }| {
            request
                .source_ip
                .is_some_and(|ip| source_ip.iter().any(|Range(range)| range.contains(&ip)))
        }) && self.date_less_than.as_ref().is_none_or(|Before { current_time }| {
            request
                .time
                .is_some_and(|now| current_time.iter().any(|Time(time)| now < time.as_second()))
        })
    }
}

/// Evaluates a document for a request; see [`Policy::evaluate`].
///
/// It reads the document's JSON and does not use the rules behind it. A document that [`Policy`]
/// cannot read denies.
#[must_use]
pub fn evaluate(document: &Document, request: &Request<'_>) -> Outcome {
    match serde_json::from_str::<Policy>(&document.to_json()) {
        Ok(policy) => policy.evaluate(request),
        Err(_) => Outcome::ExplicitDeny,
    }
}
