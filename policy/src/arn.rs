//! The ARN by which API Gateway names the request that it asks about.

use std::fmt;

use thiserror::Error;

/// API Gateway's bound on a method ARN, in bytes (quota "Request method ARN").
const MAX_BYTES: usize = 1600;

/// API Gateway's bound on one `Resource` of a policy, in characters. Bytes are counted here, which
/// are never fewer.
pub(crate) const MAX_RESOURCE_BYTES: usize = 512;

/// One request as API Gateway names it: `methodArn`, or `routeArn` of an HTTP API.
///
/// `arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/{target}`, borrowed from the
/// event. The path is the caller's own and can hold `:` and `//`, so the text is split into at
/// most six parts on `:` and then into at most four on `/`.
///
/// ```
/// use tollgate_policy::{MethodArn, Target};
///
/// let arn = MethodArn::parse("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/at/10:30")?;
/// assert_eq!(arn.stage(), "prod");
/// assert_eq!(arn.target(), Target::Method { verb: "GET", path: "/at/10:30" });
/// # Ok::<(), tollgate_policy::ArnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MethodArn<'a> {
    text: &'a str,
    api: &'a str,
    stage: &'a str,
    target: Target<'a>,
    resource_prefix: &'a str,
}

/// The target of a call within a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target<'a> {
    /// A method of a REST or HTTP API, written `GET/orders/1` in the ARN.
    Method {
        /// The verb, in capitals.
        verb: &'a str,
        /// The path from its first `/` on; `/` alone is the root.
        path: &'a str,
    },
    /// A route key of a WebSocket API, such as `$connect`.
    RouteKey(&'a str),
}

/// Errors of parsing a method ARN.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArnError {
    /// The text is longer than API Gateway ever sends.
    #[error("method ARN has {bytes} bytes, the most that API Gateway sends is {MAX_BYTES}")]
    TooLong {
        /// The length found.
        bytes: usize,
    },
    /// The text contains a control character.
    #[error("method ARN holds the control character `{}`", character.escape_debug())]
    Control {
        /// The first one found.
        character: char,
    },
    /// The text does not have the parts of a method ARN.
    #[error(
        "not a method ARN: expected `arn:{{partition}}:execute-api:{{region}}:{{account}}:\
         {{api}}/{{stage}}/{{verb}}/{{path}}`, or a route key after the stage"
    )]
    Shape,
    /// A part before the verb is empty, or holds something other than `A-Z a-z 0-9 - _ . $`.
    #[error("{part} `{}` of the method ARN is empty or holds a character that none has", text.escape_debug())]
    Part {
        /// The name of the part.
        part: &'static str,
        /// The part as found.
        text: String,
    },
    /// The verb is not a word in capitals.
    #[error("verb `{}` of the method ARN is not a word in capitals", text.escape_debug())]
    Verb {
        /// The verb as found.
        text: String,
    },
}

impl<'a> MethodArn<'a> {
    /// Parses a method ARN of any partition.
    ///
    /// # Errors
    /// If the text is over 1600 bytes, has a control character or does not have the parts of a
    /// method ARN. Parts that go into a policy must not have wildcards.
    pub fn parse(text: &'a str) -> Result<Self, ArnError> {
        if text.len() > MAX_BYTES {
            return Err(ArnError::TooLong { bytes: text.len() });
        }
        if let Some(character) = text.chars().find(|c| c.is_control()) {
            return Err(ArnError::Control { character });
        }
        let mut colons = text.splitn(6, ':');
        let mut colon = || colons.next().ok_or(ArnError::Shape);
        let (scheme, partition, service) = (colon()?, colon()?, colon()?);
        let (region, account, resource) = (colon()?, colon()?, colon()?);
        if scheme != "arn" || service != "execute-api" {
            return Err(ArnError::Shape);
        }
        let mut slashes = resource.splitn(3, '/');
        let mut slash = || slashes.next().ok_or(ArnError::Shape);
        let (api, stage, call) = (slash()?, slash()?, slash()?);
        for (part, text) in [
            ("partition", partition),
            ("region", region),
            ("account", account),
            ("api", api),
            ("stage", stage),
        ] {
            if !is_part(text) {
                return Err(ArnError::Part { part, text: text.to_owned() });
            }
        }
        let target = Target::parse(call)?;
        let resource_prefix = text.strip_suffix(call).ok_or(ArnError::Shape)?;
        Ok(Self { text, api, stage, target, resource_prefix })
    }

    /// Returns the API's id.
    #[must_use]
    pub fn api(&self) -> &'a str {
        self.api
    }

    /// Returns the stage; `$default` and `ESTestInvoke-stage` (the console's test) are stages too.
    #[must_use]
    pub fn stage(&self) -> &'a str {
        self.stage
    }

    /// Returns the target of the call within the stage.
    #[must_use]
    pub fn target(&self) -> Target<'a> {
        self.target
    }

    /// Returns the prefix of every resource of this stage: the ARN up to the `/` after the stage.
    ///
    /// It does not contain the verb or the path, so a policy made from it applies to every route.
    #[must_use]
    pub fn resource_prefix(&self) -> &'a str {
        self.resource_prefix
    }
}

impl<'a> Target<'a> {
    fn parse(text: &'a str) -> Result<Self, ArnError> {
        if text.is_empty() {
            return Err(ArnError::Shape);
        }
        let Some((verb, _)) = text.split_once('/') else {
            return Ok(Self::RouteKey(text));
        };
        if verb.is_empty() || !verb.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(ArnError::Verb { text: verb.to_owned() });
        }
        let path = text.strip_prefix(verb).ok_or(ArnError::Shape)?;
        Ok(Self::Method { verb, path })
    }
}

impl fmt::Display for MethodArn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// `GET/orders/1`, as ARNs write it; with `{:#}` `GET /orders/1`, as routes do.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method { verb, path } if f.alternate() => write!(f, "{verb} {path}"),
            Self::Method { verb, path } => write!(f, "{verb}{path}"),
            Self::RouteKey(key) => f.write_str(key),
        }
    }
}

/// Returns true if a text can be a partition, Region, account, API id or stage.
///
/// `*`, `?` and `${` are not allowed, because each part goes into resources unchanged.
pub(crate) fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(text: &str) -> (&str, &str) {
        match MethodArn::parse(text).unwrap().target() {
            Target::Method { verb, path } => (verb, path),
            Target::RouteKey(key) => panic!("{key} is not a method"),
        }
    }

    #[test]
    fn reads_each_part() {
        let arn =
            MethodArn::parse("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders/1");
        let arn = arn.unwrap();
        assert_eq!((arn.api(), arn.stage()), ("a1b2c3", "prod"));
        assert_eq!(arn.target(), Target::Method { verb: "GET", path: "/orders/1" });
        assert_eq!(
            arn.resource_prefix(),
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/"
        );
    }

    #[test]
    fn reads_every_partition() {
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc"] {
            let text = format!("arn:{partition}:execute-api:x-y-1:123456789012:a1/prod/GET/");
            let arn = MethodArn::parse(&text).unwrap();
            assert!(arn.resource_prefix().starts_with(&format!("arn:{partition}:")), "{arn}");
        }
    }

    #[test]
    fn paths_keep_colons_slashes_and_wildcards() {
        let stage = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/";
        for path in ["/", "//", "/a:b/c", "/a::b:", "//a//b/", "/a", "/a/", "/*", "/a?b", "/é"] {
            let text = format!("{stage}GET{path}");
            assert_eq!(method(&text), ("GET", path));
            assert_eq!(MethodArn::parse(&text).unwrap().resource_prefix(), stage);
            assert_eq!(MethodArn::parse(&text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn reads_odd_stages_and_route_keys() {
        let arn = |tail: &str| format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/{tail}");
        let text = arn("$default/GET/orders");
        assert_eq!(MethodArn::parse(&text).unwrap().stage(), "$default");
        let text = arn("ESTestInvoke-stage/GET/");
        assert_eq!(MethodArn::parse(&text).unwrap().stage(), "ESTestInvoke-stage");
        assert_eq!(method(&text), ("GET", "/"));
        let text = arn("prod/$connect");
        assert_eq!(MethodArn::parse(&text).unwrap().target(), Target::RouteKey("$connect"));
    }

    #[test]
    fn refuses_what_is_no_method_arn() {
        for text in [
            "",
            "arn",
            "arn:aws:execute-api:eu-west-1:123456789012",
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3",
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod",
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/",
            "arn:aws:lambda:eu-west-1:123456789012:a1b2c3/prod/GET/",
            "urn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/",
        ] {
            assert_eq!(MethodArn::parse(text), Err(ArnError::Shape), "{text}");
        }
        for verb in ["", "*", "get", "G T", "G:T", "G\u{e9}"] {
            let text = format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/{verb}/x");
            assert_eq!(MethodArn::parse(&text), Err(ArnError::Verb { text: verb.to_owned() }));
        }
    }

    #[test]
    fn refuses_wildcards_before_the_verb() {
        let parts = ["aws", "eu-west-1", "123456789012", "a1b2c3", "prod"];
        for bad in ["", "*", "?", "a*", "${x}", "a b", "a\"b", "a\\b", "\u{e9}"] {
            for position in 0..parts.len() {
                let mut parts = parts;
                parts[position] = bad;
                let [partition, region, account, api, stage] = parts;
                let text =
                    format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/GET/");
                let refused = MethodArn::parse(&text);
                assert!(matches!(refused, Err(ArnError::Part { .. })), "{text}: {refused:?}");
            }
        }
    }

    #[test]
    fn refuses_control_characters_anywhere() {
        for character in ['\0', '\n', '\u{7f}', '\u{85}'] {
            let text =
                format!("arn:aws:execute-api:eu-west-1:123456789012:a1/prod/GET/a{character}");
            assert_eq!(MethodArn::parse(&text), Err(ArnError::Control { character }));
        }
    }

    #[test]
    fn holds_at_most_1600_bytes() {
        let stage = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/";
        let longest = format!("{stage}{}", "a".repeat(1600 - stage.len()));
        assert!(MethodArn::parse(&longest).is_ok());
        let text = format!("{longest}a");
        assert_eq!(MethodArn::parse(&text), Err(ArnError::TooLong { bytes: 1601 }));
    }
}
