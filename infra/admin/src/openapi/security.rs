//! Needs that an operation's `security` states.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::follow;

/// The most alternatives of one operation.
const MOST_ALTERNATIVES: usize = 16;

/// The needs of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// Nothing: it has no `security`, or an empty list.
    Public,
    /// One of these, and the alternatives that no rule can express.
    Needs { needs: Vec<Need>, unexpressed: Vec<String> },
}

/// The scopes that a caller with a valid token needs: all of some, and one of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) all_scopes: BTreeSet<String>,
    /// Empty for no such requirement.
    pub(crate) any_scope: BTreeSet<String>,
}

impl Need {
    /// Returns true if every caller who meets `other` meets this.
    pub(crate) fn is_weaker_than(&self, other: &Self) -> bool {
        let any = self.any_scope.is_empty()
            || !self.any_scope.is_disjoint(&other.all_scopes)
            || !other.any_scope.is_empty() && other.any_scope.is_subset(&self.any_scope);
        any && self.all_scopes.is_subset(&other.all_scopes)
    }
}

impl Security {
    pub(super) fn of(document: &Value, security: Option<&Value>) -> Result<Self, String> {
        let alternatives = match security {
            None | Some(Value::Null) => return Ok(Self::Public),
            Some(Value::Array(list)) if list.is_empty() => return Ok(Self::Public),
            Some(Value::Array(list)) => list,
            Some(_) => return Err("`security` is not a list".to_owned()),
        };
        if alternatives.len() > MOST_ALTERNATIVES {
            return Err(format!("`security` has more than {MOST_ALTERNATIVES} alternatives"));
        }
        let (mut needs, mut unexpressed) = (Vec::new(), Vec::new());
        for alternative in alternatives {
            match need(document, alternative)? {
                Ok(need) => needs.push(need),
                Err(reason) => unexpressed.push(reason),
            }
        }
        Ok(Self::Needs { needs, unexpressed })
    }
}

/// Returns what one alternative needs, or why no rule can say it.
fn need(document: &Value, alternative: &Value) -> Result<Result<Need, String>, String> {
    let Value::Object(schemes) = alternative else {
        return Err("`security` has an entry that is not an object".to_owned());
    };
    if schemes.is_empty() {
        return Ok(Err("`{}` is for requests without a credential".to_owned()));
    }
    let mut need = Need::default();
    let mut has_token = false;
    for (name, scopes) in schemes {
        let shown = name.escape_debug();
        let scopes = match scopes {
            Value::Array(scopes) => scopes.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
            Value::Null => Some(Vec::new()),
            _ => None,
        };
        let scopes = scopes.ok_or_else(|| format!("`{shown}` is not a list of scopes"))?;
        if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Ok(Err(format!("`{}` is not a scope", scope.escape_debug())));
        }
        let scopes: BTreeSet<String> = scopes.into_iter().map(str::to_owned).collect();
        match Scheme::of(document, name)? {
            Scheme::Token => {
                need.all_scopes.extend(scopes);
                has_token = true;
            }
            Scheme::GatewayToken if scopes.is_empty() || need.any_scope.is_empty() => {
                need.any_scope.extend(scopes);
                has_token = true;
            }
            Scheme::Roleless if scopes.is_empty() => has_token = true,
            Scheme::GatewayToken | Scheme::Roleless => {
                return Ok(Err(format!("`{shown}` has roles, which may be groups or scopes")));
            }
            // API Gateway itself checks the key.
            Scheme::GatewayKey => {}
            Scheme::Other(kind) => return Ok(Err(format!("`{shown}` is {kind}"))),
        }
    }
    match has_token {
        true => Ok(Ok(need)),
        false => Ok(Err("an API key alone, without a token".to_owned())),
    }
}

/// RFC 6749, section 3.3: printable ASCII without a space, `"` and `\`. Rules take more.
fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// A security scheme, by what a rule can say of it.
enum Scheme {
    /// A token with scopes, all of which are needed.
    Token,
    /// A token that API Gateway's own authorizers check: one of the scopes is enough.
    GatewayToken,
    /// A token whose scheme has no scopes.
    Roleless,
    /// An API key that API Gateway checks by a usage plan.
    GatewayKey,
    /// Anything else, in words.
    Other(String),
}

impl Scheme {
    fn of(document: &Value, name: &str) -> Result<Self, String> {
        let shown = name.escape_debug();
        let schemes = document.get("components").and_then(|it| it.get("securitySchemes"));
        let Some(scheme) = schemes.and_then(|it| it.get(name)) else {
            return Err(format!("`{shown}` is not in `components.securitySchemes`"));
        };
        let scheme = follow(document, scheme).map_err(|error| format!("`{shown}`: {error}"))?;
        let text = |name: &str| scheme.get(name).and_then(Value::as_str).unwrap_or_default();
        let authorizer = scheme.get("x-amazon-apigateway-authorizer");
        let kind = authorizer.and_then(|it| it.get("type")).and_then(Value::as_str);
        // One of the scopes is enough for these two (AWS, "JWT authorizers" and
        // "Integrate a REST API with a user pool").
        if matches!(kind, Some("jwt" | "cognito_user_pools"))
            || text("x-amazon-apigateway-authtype") == "cognito_user_pools"
        {
            return Ok(Self::GatewayToken);
        }
        let authtype = text("x-amazon-apigateway-authtype");
        Ok(match text("type") {
            "oauth2" | "openIdConnect" => Self::Token,
            "http" if text("scheme").eq_ignore_ascii_case("bearer") => Self::Roleless,
            "http" => Self::Other(format!("HTTP `{}`", text("scheme").escape_debug())),
            // AWS, "x-amazon-apigateway-authtype": terms that begin with `aws` are IAM's.
            "apiKey" if authtype.starts_with("aws") => Self::Other("IAM authorization".to_owned()),
            "apiKey" if !authtype.is_empty() || authorizer.is_some() => Self::Roleless,
            "apiKey" if text("name").eq_ignore_ascii_case("x-api-key") => Self::GatewayKey,
            "apiKey" => Self::Other("an API key that API Gateway does not check".to_owned()),
            "mutualTLS" => Self::Other("mutual TLS".to_owned()),
            kind => Self::Other(format!("of the unknown type `{}`", kind.escape_debug())),
        })
    }
}
