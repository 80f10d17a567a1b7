//! Needs that an operation's `security` states.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::yaml::follow;

/// The most alternatives of one operation.
const MOST_ALTERNATIVES: usize = 16;

/// The needs of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// No credential: an empty list, or `{}` as an alternative.
    Public,
    /// No credential, because nothing is said about it.
    Unstated,
    /// One of these, and the alternatives that no rule can express. `by_key` is true if a need
    /// stands for an API key alone.
    Needs { needs: Vec<Need>, unexpressed: Vec<String>, by_key: bool },
}

/// The scopes that a caller with a valid credential needs: all of some, and one of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    /// True for requests without a credential, which have no scopes.
    pub(crate) anonymous: bool,
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
        self.anonymous == other.anonymous && any && self.all_scopes.is_subset(&other.all_scopes)
    }

    /// Returns true if every caller with a credential meets it.
    pub(crate) fn is_everyone(&self) -> bool {
        *self == Self::default()
    }
}

impl Security {
    pub(super) fn of(document: &Value, security: Option<&Value>) -> Result<Self, String> {
        let is_empty = |it: &Value| it.as_object().is_some_and(Map::is_empty);
        let alternatives = match security {
            None | Some(Value::Null) => return Ok(Self::Unstated),
            Some(Value::Array(list)) if list.is_empty() || list.iter().any(is_empty) => {
                return Ok(Self::Public);
            }
            Some(Value::Array(list)) => list,
            Some(_) => {
                return Err(
                    "`security` must be a list, such as `[{ login: [orders/read] }]`".to_owned()
                );
            }
        };
        if alternatives.len() > MOST_ALTERNATIVES {
            return Err(format!(
                "`security` has more than {MOST_ALTERNATIVES} alternatives: remove some"
            ));
        }
        let (mut needs, mut unexpressed, mut by_key) = (Vec::new(), Vec::new(), false);
        for alternative in alternatives {
            match need(document, alternative)? {
                Needed::Token(need) => needs.push(need),
                Needed::Key => by_key = true,
                Needed::Unexpressed(reason) => unexpressed.push(reason),
            }
        }
        // Rules cannot tell callers with a key from callers with a token: only where there are no
        // tokens, or where every token will do, is a rule for the one not one for the other.
        let is_expressed = by_key && !has_tokens(document);
        if is_expressed {
            needs.push(Need::default());
        } else if by_key && !needs.iter().any(Need::is_everyone) {
            unexpressed.push(
                "an API key alone, and rules are the same for keys and tokens: write a rule \
                 yourself if tokens may call it too"
                    .to_owned(),
            );
        }
        Ok(Self::Needs { needs, unexpressed, by_key: is_expressed })
    }

    /// Returns the needs of which a caller must meet one.
    pub(crate) fn needs(&self) -> Vec<Need> {
        match self {
            Self::Public => vec![Need::default(), Need { anonymous: true, ..Need::default() }],
            Self::Unstated => vec![Need::default()],
            Self::Needs { needs, .. } => needs.clone(),
        }
    }
}

/// The needs of one alternative.
enum Needed {
    /// A token, perhaps with a key that API Gateway checks.
    Token(Need),
    /// An API key alone.
    Key,
    /// Requirements that no rule can express, with the reason.
    Unexpressed(String),
}

/// Returns true if a scheme of the description is a token.
fn has_tokens(document: &Value) -> bool {
    let schemes = document.get("components").and_then(|it| it.get("securitySchemes"));
    let mut names = schemes.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    names.any(|name| match Scheme::of(document, name) {
        Ok(Scheme::Token | Scheme::GatewayToken | Scheme::Roleless) | Err(_) => true,
        Ok(Scheme::GatewayKey | Scheme::Other(_)) => false,
    })
}

/// Returns what one alternative needs. It names one scheme at least.
fn need(document: &Value, alternative: &Value) -> Result<Needed, String> {
    let Value::Object(schemes) = alternative else {
        return Err(
            "`security` must be a list of objects, such as `[{ login: [orders/read] }]`".to_owned()
        );
    };
    let unexpressed = |reason: String| Ok(Needed::Unexpressed(reason));
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
            return unexpressed(format!("`{}` is not a scope", scope.escape_debug()));
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
                return unexpressed(format!("`{shown}` has roles, which may be groups or scopes"));
            }
            // With a token, the key is for `require = "both"` or for API Gateway's usage plans.
            Scheme::GatewayKey => {}
            Scheme::Other(kind) => return unexpressed(format!("`{shown}` is {kind}")),
        }
    }
    Ok(if has_token { Needed::Token(need) } else { Needed::Key })
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
    /// An API key in the header where API Gateway and the authorizer look for it.
    GatewayKey,
    /// Anything else, in words.
    Other(String),
}

impl Scheme {
    fn of(document: &Value, name: &str) -> Result<Self, String> {
        let shown = name.escape_debug();
        let schemes = document.get("components").and_then(|it| it.get("securitySchemes"));
        let Some(scheme) = schemes.and_then(|it| it.get(name)) else {
            return Err(format!(
                "`{shown}` is not in `components.securitySchemes`: add it there, or correct the name"
            ));
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
            "apiKey"
                if text("in") == "header" && text("name").eq_ignore_ascii_case("x-api-key") =>
            {
                Self::GatewayKey
            }
            "apiKey" => Self::Other(
                "an API key that is not in the header `x-api-key`, where nothing looks for it"
                    .to_owned(),
            ),
            "mutualTLS" => Self::Other("mutual TLS".to_owned()),
            kind => Self::Other(format!("of the unknown type `{}`", kind.escape_debug())),
        })
    }
}
