//! The kinds of caller that two sets of rules distinguish.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use serde_json::{Map, Value};

use super::{MAX_KINDS, MAX_PATH_CLAIMS, MAX_STEPS, Side, Tokens, TooMany};
use crate::{
    caller::Caller,
    route::RoutePattern,
    rules::{Requirements, Rule},
};

/// A caller with the least that some rules require.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) issuer: Option<String>,
    pub(super) client: Option<String>,
    pub(super) scopes: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    /// Values by claim. Several values form a list, and so does a single value of a claim in
    /// `lists`.
    pub(super) values: BTreeMap<String, BTreeSet<String>>,
    /// Claims that cannot fill a path: a list, or missing.
    pub(super) unfit: BTreeSet<String>,
    /// True for callers without a credential; all other fields are then empty.
    pub(super) anonymous: bool,
}

impl Kind {
    /// Returns its token's claims.
    pub(super) fn claims(&self, exp: i64) -> Map<String, Value> {
        if self.anonymous {
            return Map::new();
        }
        let mut claims = Map::from_iter([("exp".to_owned(), exp.into())]);
        for (claim, values) in &self.values {
            let value = match values.first() {
                Some(one) if values.len() == 1 && !self.unfit.contains(claim) => one.clone().into(),
                _ => values.iter().cloned().collect(),
            };
            claims.insert(claim.clone(), value);
        }
        claims
    }

    /// Returns the caller, as the authorizer makes one from a verified token.
    pub(super) fn caller<'a>(&'a self, claims: &'a Map<String, Value>) -> Caller<'a> {
        if self.anonymous {
            return Caller::anonymous();
        }
        Caller::new(claims)
            .with_issuer(self.issuer.as_deref())
            .with_client(self.client.as_deref())
            .with_scopes(self.scopes.iter().map(String::as_str))
            .with_groups(self.groups.iter().map(String::as_str))
    }

    /// Returns a caller with what both have.
    fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.scopes.extend(other.scopes.iter().cloned());
        both.groups.extend(other.groups.iter().cloned());
        for (claim, values) in &other.values {
            both.values.entry(claim.clone()).or_default().extend(values.iter().cloned());
        }
        both
    }
}

/// Returns every kind of caller who might gain something; see the [module](super).
///
/// With `unfit`, also those whose claims cannot fill a path.
pub(super) fn kinds(
    old: &Side<'_>,
    new: &Side<'_>,
    mark: &str,
    unfit: bool,
) -> Result<BTreeSet<Kind>, TooMany> {
    let (mut kinds, mut steps) = (BTreeSet::new(), 0);
    let path_claims: BTreeSet<&str> =
        old.routes().chain(new.routes()).flat_map(RoutePattern::claims).collect();
    if path_claims.len() > MAX_PATH_CLAIMS {
        return Err(TooMany);
    }
    if old.rules.has_anonymous() || new.rules.has_anonymous() {
        kinds.insert(Kind { anonymous: true, ..Kind::default() });
    }
    let denying = || old.rules.rules.iter().filter(|rule| rule.denies());
    for allowing in new.rules.rules.iter().filter(|rule| !rule.allow.is_empty()) {
        for denying in iter::once(None).chain(denying().map(Some)) {
            let mut least = least(&allowing.requirements)?;
            if let Some(rule) = denying {
                let others = self::least(&rule.requirements)?;
                let both = least.iter().flat_map(|one| others.iter().map(|it| one.with(it)));
                least = both.take(MAX_KINDS + 1).collect();
            }
            let tokens = tokens(allowing, denying, old, new);
            for one in least {
                for values in values(&one, allowing, denying, &path_claims, mark) {
                    for unfit in subsets(&path_claims, unfit) {
                        for (issuer, client) in &tokens {
                            let mut kind = one.clone();
                            (kind.issuer, kind.client) = (issuer.clone(), client.clone());
                            for (claim, value) in &values {
                                // If a claim must not fit and no rule requires it, it is missing.
                                if !unfit.contains(claim) {
                                    let value = BTreeSet::from([value.clone()]);
                                    kind.values.entry(claim.clone()).or_insert(value);
                                }
                            }
                            kind.unfit.clone_from(&unfit);
                            kinds.insert(kind);
                            steps += 1;
                            if kinds.len() > MAX_KINDS || steps > MAX_STEPS {
                                return Err(TooMany);
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(kinds)
}

/// Returns the callers with the least that meets the requirements, issuer and client aside.
fn least(requirements: &Requirements) -> Result<Vec<Kind>, TooMany> {
    let Requirements { any_scope, all_scopes, any_group, all_groups, claims, .. } = requirements;
    let all = |list: &Option<Vec<String>>| list.iter().flatten().cloned().collect();
    let mut kinds =
        vec![Kind { scopes: all(all_scopes), groups: all(all_groups), ..Kind::default() }];
    let mut choose = |list: &[String], add: &dyn Fn(&mut Kind, String)| {
        let with = |kind: &Kind, item: &String| {
            let mut kind = kind.clone();
            add(&mut kind, item.clone());
            kind
        };
        kinds = kinds.iter().flat_map(|kind| list.iter().map(|it| with(kind, it))).collect();
        if kinds.len() > MAX_KINDS { Err(TooMany) } else { Ok(()) }
    };
    if let Some(list) = any_scope {
        choose(list, &|kind, scope| _ = kind.scopes.insert(scope))?;
    }
    if let Some(list) = any_group {
        choose(list, &|kind, group| _ = kind.groups.insert(group))?;
    }
    for (claim, list) in claims {
        choose(list, &|kind, value| {
            kind.values.entry(claim.clone()).or_default().insert(value);
        })?;
    }
    Ok(kinds)
}

/// Returns the issuers and clients of tokens that the new side accepts and that meet both rules.
fn tokens(
    allowing: &Rule,
    denying: Option<&Rule>,
    old: &Side<'_>,
    new: &Side<'_>,
) -> Vec<(Option<String>, Option<String>)> {
    let rules = || iter::once(allowing).chain(denying).map(|rule| &rule.requirements);
    let mut found = Vec::new();
    for Tokens { issuer, clients } in &new.issuers {
        let meets = |list: &Vec<String>| issuer.is_some_and(|it| list.iter().any(|one| one == it));
        if !rules().all(|rule| rule.issuers.as_ref().is_none_or(meets)) {
            continue;
        }
        let named = rules().find_map(|rule| rule.clients.clone());
        let candidates = match (named, clients) {
            (Some(named), _) => named.into_iter().map(Some).collect(),
            (None, Some(accepted)) => distinct(accepted, *issuer, old, new),
            (None, None) => vec![None],
        };
        for client in candidates {
            let is_in = |list: &[String]| client.as_ref().is_some_and(|it| list.contains(it));
            let required = rules().all(|rule| rule.clients.as_deref().is_none_or(is_in));
            if required && clients.is_none_or(is_in) {
                found.push((issuer.map(str::to_owned), client));
            }
        }
    }
    found
}

/// Returns the clients that rules name, and one of each kind of other clients.
pub(super) fn distinct(
    accepted: &[String],
    issuer: Option<&str>,
    old: &Side<'_>,
    new: &Side<'_>,
) -> Vec<Option<String>> {
    let rules = || old.rules.rules.iter().chain(&new.rules.rules);
    let named = |client: &String| {
        rules().any(|rule| rule.requirements.clients.iter().flatten().any(|it| it == client))
    };
    let known = |client: &String| {
        let mut tokens = old.issuers.iter().filter(|tokens| tokens.issuer == issuer);
        tokens.any(|tokens| tokens.clients.is_none_or(|clients| clients.contains(client)))
    };
    let mut seen = BTreeSet::new();
    let is_new = |client: &&String| named(client) || seen.insert(known(client));
    accepted.iter().filter(is_new).cloned().map(Some).collect()
}

/// Returns the values of claims in paths: a different one for each claim, and those that make an
/// allowed route match a denied one.
fn values(
    kind: &Kind,
    allowing: &Rule,
    denying: Option<&Rule>,
    path_claims: &BTreeSet<&str>,
    mark: &str,
) -> BTreeSet<BTreeMap<String, String>> {
    let own = path_claims.iter().zip(1..).map(|(claim, number)| {
        let required = kind.values.get(*claim).and_then(BTreeSet::first);
        let value = required.cloned().unwrap_or_else(|| format!("{mark}{number}"));
        ((*claim).to_owned(), value)
    });
    let own: BTreeMap<String, String> = own.collect();
    let mut found = BTreeSet::from([own.clone()]);
    let Some(denying) = denying else { return found };
    let mut meet = |allow: &RoutePattern, deny: &RoutePattern, offset: usize| {
        let mut values = own.clone();
        if allow.meet(deny, offset, mark, &mut values) {
            found.insert(values);
        }
    };
    for allow in &allowing.allow {
        for deny in &denying.deny {
            meet(allow, deny, 0);
        }
        for deny in denying.allow.iter().filter(|route| route.is_own_below()) {
            // Denies of dots for `ANY` match the caller's own path at any place.
            let last = if deny.is_any_method() { allow.depth() } else { 0 };
            (0..=last).for_each(|offset| meet(allow, deny, offset));
        }
    }
    found
}

/// Returns every subset of these claims, or only the empty one.
fn subsets(claims: &BTreeSet<&str>, all: bool) -> Vec<BTreeSet<String>> {
    let mut found = vec![BTreeSet::new()];
    for claim in claims.iter().filter(|_| all) {
        let with = found.iter().map(|set: &BTreeSet<String>| {
            set.iter().cloned().chain([(*claim).to_owned()]).collect()
        });
        let with: Vec<_> = with.collect();
        found.extend(with);
    }
    found
}

impl Rule {
    /// Returns true if it may deny something: a route, or dots below a caller's own path.
    fn denies(&self) -> bool {
        !self.deny.is_empty() || self.allow.iter().any(RoutePattern::is_own_below)
    }
}
