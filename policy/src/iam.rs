//! An evaluator of policies, as API Gateway evaluates them.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Deserializer, de};

use crate::{cidr::Block, document::Document, wildcard::matches};

/// The action that a caller of an API performs.
const INVOKE: &str = "execute-api:Invoke";

/// A policy's decision on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A statement that allows matches, and none that denies.
    Allow,
    /// A statement that denies matches.
    ExplicitDeny,
    /// No statement matches: refused, unless a resource policy of the API allows.
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
    /// A request by its method ARN, taken as it is, at an unknown time from an unknown address.
    #[must_use]
    pub fn new(arn: &'a str) -> Self {
        Self { arn, source_ip: None, time: None }
    }

    /// Sets the address that it comes from: `aws:SourceIp`.
    #[must_use]
    pub fn from(self, source_ip: IpAddr) -> Self {
        Self { source_ip: Some(source_ip), ..self }
    }

    /// Sets the time of it in seconds since 1970: `aws:CurrentTime`.
    #[must_use]
    pub fn at(self, time: i64) -> Self {
        Self { time: Some(time), ..self }
    }
}

/// An IAM policy as API Gateway reads one from an authorizer, of this crate or another.
///
/// It knows what this crate emits and what is needed to read others': one or several statements,
/// actions, resources or `NotResource`, and the conditions `IpAddress` on `aws:SourceIp` and `DateLessThan` on
/// `aws:CurrentTime`. Whatever else a policy says is refused when it is read, never skipped.
///
/// ```
/// use policy::{Outcome, Policy, Request};
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
    /// The resources that it is about, or that it is not about.
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

/// A resource; one with a variable is refused, since IAM would put something else in its place.
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
    source_ip: Vec<Parsed<Block>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    #[serde(rename = "aws:CurrentTime", deserialize_with = "one_or_many")]
    current_time: Vec<Parsed<jiff::Timestamp>>,
}

/// A document parsed from JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parsed<T>(T);

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

/// IAM takes one thing for a list of one.
fn one_or_many<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(match Either::deserialize(from)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}

fn one_or_many_if_there<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    one_or_many(from).map(Some)
}

impl Policy {
    /// Evaluates the policy for a request, as API Gateway does with one that it has cached.
    ///
    /// A Deny wins over an Allow. A statement matches where an action, a resource and every
    /// condition do. `*` stands for any text, the empty one and `/` included, and `?` for any one
    /// character; actions are compared without case, resources in their own. A condition on what
    /// is unknown of the request does not hold.
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>) -> Outcome {
        let says = |effect| {
            self.statement
                .iter()
                .any(|statement| statement.effect == effect && statement.matches(request))
        };
        if says(Effect::Deny) {
            Outcome::ExplicitDeny
        } else if says(Effect::Allow) {
            Outcome::Allow
        } else {
            Outcome::ImplicitDeny
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
            request.source_ip.is_some_and(|ip| source_ip.iter().any(|b| b.0.contains(ip)))
        }) && self.date_less_than.as_ref().is_none_or(|Before { current_time }| {
            request.time.is_some_and(|now| current_time.iter().any(|t| now < t.0.as_second()))
        })
    }
}

/// Evaluates a document for a request; see [`Policy::evaluate`].
///
/// It goes by the JSON that the document becomes and knows nothing of the rules behind it. A
/// document that could not be read again would deny.
#[must_use]
pub fn evaluate(document: &Document, request: &Request<'_>) -> Outcome {
    match serde_json::from_str::<Policy>(&document.to_json()) {
        Ok(policy) => policy.evaluate(request),
        Err(_) => Outcome::ExplicitDeny,
    }
}
