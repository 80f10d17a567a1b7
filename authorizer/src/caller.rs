//! The caller of a request, as its verified credentials identify it.

use std::sync::Arc;

use policy::Caller;
use serde_json::{Map, Value};
use throttle::ApiKey;

use crate::claims::Claims;
use crate::config::{Prefer, is_reserved_for_keys};

/// The principal of a caller without a credential.
pub(crate) const NOBODY: &str = "anonymous";

/// A caller: its token, its API key, both, or neither.
///
/// Rules, principal and context are those of the token if there is one, else those of the key.
pub(crate) struct VerifiedCaller {
    pub(crate) claims: Option<Arc<Claims>>,
    pub(crate) key: Option<KeyCaller>,
}

/// A key, and its context values as the claims that rules read.
pub(crate) struct KeyCaller {
    key: Arc<ApiKey>,
    claims: Map<String, Value>,
}

impl VerifiedCaller {
    /// Makes a caller of verified credentials. If there are two, only the preferred one counts.
    pub(crate) fn new(
        claims: Option<Arc<Claims>>,
        key: Option<Arc<ApiKey>>,
        prefer: Option<Prefer>,
    ) -> Self {
        let key = key.map(KeyCaller::new);
        match (claims, key, prefer) {
            (Some(claims), Some(_), Some(Prefer::Token)) => {
                Self { claims: Some(claims), key: None }
            }
            (Some(_), Some(key), Some(Prefer::Key)) => Self { claims: None, key: Some(key) },
            (claims, key, _) => Self { claims, key },
        }
    }

    /// Returns true if the request has no credential.
    pub(crate) const fn is_anonymous(&self) -> bool {
        self.claims.is_none() && self.key.is_none()
    }

    /// The caller as rules see it, at no known address.
    pub(crate) fn for_rules(&self) -> Caller<'_> {
        match (&self.claims, &self.key) {
            (Some(claims), _) => claims.caller(),
            (None, Some(key)) => key.for_rules(),
            (None, None) => Caller::anonymous(),
        }
    }

    /// API Gateway's `principalId`.
    pub(crate) fn principal(&self) -> &str {
        match (&self.claims, &self.key) {
            (Some(claims), _) => claims.principal(),
            (None, Some(key)) => key.subject(),
            (None, None) => NOBODY,
        }
    }

    /// The context that the backend receives.
    pub(crate) fn context(&self) -> Vec<(&str, Value)> {
        match (&self.claims, &self.key) {
            (Some(claims), _) => claims.context().collect(),
            (None, Some(key)) => key.context(),
            (None, None) => Vec::new(),
        }
    }
}

impl KeyCaller {
    fn new(key: Arc<ApiKey>) -> Self {
        let context = &key.record.details.rights.context;
        let claims = context.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        Self { claims: claims.collect(), key }
    }

    pub(crate) fn key(&self) -> &ApiKey {
        &self.key
    }

    fn subject(&self) -> &str {
        self.key.subject.as_str()
    }

    fn for_rules(&self) -> Caller<'_> {
        let rights = &self.key.record.details.rights;
        Caller::new(&self.claims)
            .with_scopes(rights.scopes.iter().map(String::as_str))
            .with_groups(rights.groups.iter().map(String::as_str))
    }

    /// The key's id, its scopes and groups joined by spaces, and its context values.
    ///
    /// If a group has a space, groups are left out, because joining would split it in two.
    fn context(&self) -> Vec<(&str, Value)> {
        let rights = &self.key.record.details.rights;
        let joined = |names: &[String]| {
            let is_whole = !names.iter().any(|name| name.contains(char::is_whitespace));
            (is_whole && !names.is_empty()).then(|| Value::from(names.join(" ")))
        };
        let id = self.key.record.digest.to_string();
        let own = [
            ("keyId", Some(Value::from(id))),
            ("scope", joined(&rights.scopes)),
            ("groups", joined(&rights.groups)),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let values = self.claims.iter().map(|(name, value)| (name.as_str(), value.clone()));
        // An imported key may have a context value with a reserved name.
        own.chain(values.filter(|(name, _)| !is_reserved_for_keys(name))).collect()
    }
}
