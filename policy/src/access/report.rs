//! Changes of access, as a report shows them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use serde::Serialize;

use super::{callers::Kind, targets::Target};
use crate::{
    route::VERBS,
    rules::{is_opaque, shown_condition},
};

/// Callers for whom a route changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The callers: all who have at least this.
    #[serde(flatten)]
    pub who: Who,
    /// The route, such as `GET,POST /orders/*`.
    pub route: String,
    /// False if the change depends on a condition in CEL, so that it may apply to no caller.
    pub certain: bool,
}

/// The least that a caller has, and where and when it calls; everyone if all is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Who {
    /// True for callers without a credential.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// The issuer, if it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The client, if it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// All of these scopes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
    /// All of these groups.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Claims, each with all of these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, BTreeSet<String>>,
    /// Conditions in CEL that hold.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub when: BTreeSet<String>,
    /// Claims that are missing, or cannot stand in a path.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<String>,
    /// The stage, if it matters; empty for one that no rule names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// A source address, if it matters; one of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// True for requests after the token's `exp`, by a cached policy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after_exp: bool,
}

/// One request that changes for one kind of caller.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) target: Target,
    pub(super) stage: String,
    pub(super) address: Option<IpAddr>,
    pub(super) is_late: bool,
    pub(super) is_certain: bool,
}

/// All values of each dimension of callers and calls, to see if a change applies to all of them.
pub(super) struct Dimensions<'a> {
    /// The last stands for all stages that no rule names.
    pub(super) stages: &'a [String],
    pub(super) addresses: usize,
    /// The number of clients by accepted issuer; `None` where any is accepted.
    pub(super) clients: &'a BTreeMap<Option<String>, Option<usize>>,
    pub(super) mark: &'a str,
}

/// A request without its caller.
type Route = (String, Vec<&'static str>, bool);

/// Merges what was found: drops dimensions that do not matter, and callers who have more than
/// another caller of the same route.
pub(super) fn changes(found: Vec<Found>, dimensions: &Dimensions<'_>) -> Vec<Change> {
    let Dimensions { stages, addresses, clients, mark } = dimensions;
    let mut by_route: BTreeMap<Route, BTreeMap<Who, bool>> = BTreeMap::new();
    for Found { kind, target, stage, address, is_late, is_certain } in found {
        // Dots are reported only if the same path without them does not change.
        let route = (target.path, target.methods, target.has_dots);
        let stage = stages.last().filter(|other| **other == stage).map_or(stage, |_| String::new());
        let who =
            Who { stage: Some(stage), source_ip: address, after_exp: is_late, ..who(kind, mark) };
        let certain = by_route.entry(route).or_default().entry(who).or_default();
        *certain |= is_certain;
    }
    for who in by_route.values_mut() {
        merge(who, *addresses, |who| who.source_ip.take().map(|it| it.to_string()));
        // One address is enough as an example, unless the change applies to all.
        first(who, |who| who.source_ip.take().is_some());
        first(who, |who| std::mem::take(&mut who.after_exp));
        merge(who, stages.len(), |who| who.stage.take());
        merge_clients(who, clients);
        merge(who, clients.len(), |who| who.issuer.take());
        least(who);
    }
    rows(by_route)
}

fn who(kind: Kind, mark: &str) -> Who {
    let Kind { issuer, client, scopes, groups, values, unfit, anonymous } = kind;
    let mut who =
        Who { anonymous, issuer, client, scopes, groups, without: unfit, ..Who::default() };
    for (claim, values) in values {
        if is_opaque(&claim) {
            who.when.insert(shown_condition(&claim).to_owned());
        } else {
            let values: BTreeSet<_> =
                values.into_iter().filter(|value| !value.starts_with(mark)).collect();
            if !values.is_empty() {
                who.claims.insert(claim, values);
            }
        }
    }
    who
}

/// Drops a dimension where all of its values occur.
fn merge(all: &mut BTreeMap<Who, bool>, values: usize, take: impl Fn(&mut Who) -> Option<String>) {
    let mut seen: BTreeMap<Who, (BTreeSet<Option<String>>, bool)> = BTreeMap::new();
    for (who, certain) in all.iter() {
        let mut rest = who.clone();
        let value = take(&mut rest);
        let entry = seen.entry(rest).or_default();
        entry.0.insert(value);
        entry.1 |= *certain;
    }
    for (rest, (found, certain)) in seen {
        if found.len() >= values {
            all.retain(|who, _| {
                let mut other = who.clone();
                take(&mut other);
                other != rest
            });
            all.insert(rest, certain);
        }
    }
}

/// Drops the client where all clients of an issuer occur.
fn merge_clients(all: &mut BTreeMap<Who, bool>, clients: &BTreeMap<Option<String>, Option<usize>>) {
    for (issuer, clients) in clients {
        let Some(clients) = clients else { continue };
        let mut own: BTreeMap<Who, bool> = BTreeMap::new();
        all.retain(|who, certain| {
            let is_own = who.issuer == *issuer;
            if is_own {
                own.insert(who.clone(), *certain);
            }
            !is_own
        });
        merge(&mut own, *clients, |who| who.client.take());
        all.append(&mut own);
    }
}

/// Keeps the first of those that differ only in one dimension. `clear` removes that dimension.
fn first(all: &mut BTreeMap<Who, bool>, clear: impl Fn(&mut Who) -> bool) {
    let mut seen: BTreeSet<Who> = BTreeSet::new();
    all.retain(|who, _| {
        let mut rest = who.clone();
        clear(&mut rest);
        seen.insert(rest)
    });
}

/// Drops callers who have everything that another has, and more.
fn least(all: &mut BTreeMap<Who, bool>) {
    let known = all.clone();
    all.retain(|who, certain| {
        !known
            .iter()
            .any(|(other, surely)| other != who && other.is_within(who) && (*surely || !*certain))
    });
}

/// Puts methods of one path and caller into a row.
fn rows(by_route: BTreeMap<Route, BTreeMap<Who, bool>>) -> Vec<Change> {
    type Row = (Who, bool, String, bool);
    let mut rows: BTreeMap<Row, BTreeSet<usize>> = BTreeMap::new();
    for ((path, methods, has_dots), who) in by_route {
        let positions = || VERBS.iter().enumerate().filter(|(_, verb)| methods.contains(*verb));
        for (who, certain) in who {
            let row = rows.entry((who, certain, path.clone(), has_dots)).or_default();
            row.extend(positions().map(|(at, _)| at));
        }
    }
    let known = rows.clone();
    let is_below = |above: &str, path: &str| {
        above
            .strip_suffix('*')
            .is_some_and(|above| path != format!("{above}*") && path.starts_with(above))
    };
    let mut changes = Vec::new();
    for ((who, certain, path, has_dots), methods) in rows {
        // A wider route of the same caller already includes this one.
        let wider = known.iter().any(|((other, surely, above, dots), more)| {
            let widens = is_below(above, &path) || has_dots && !dots && *above == path;
            *other == who
                && widens
                && (*surely || !certain)
                && (!dots || has_dots)
                && methods.is_subset(more)
                && !methods.is_empty()
        });
        if wider {
            continue;
        }
        let verbs: Vec<&str> = methods.iter().filter_map(|at| VERBS.get(*at).copied()).collect();
        let dots = if has_dots { " with dots in what `*` matches" } else { "" };
        let route = match verbs.as_slice() {
            [] => path,
            all if all.len() == VERBS.len() => format!("ANY {path}{dots}"),
            some => format!("{} {path}{dots}", some.join(",")),
        };
        changes.push(Change { who, route, certain });
    }
    changes
}

impl Who {
    /// Returns true if every caller of `other` is one of these.
    fn is_within(&self, other: &Self) -> bool {
        let claims = self.claims.iter().all(|(claim, values)| {
            other.claims.get(claim).is_some_and(|theirs| values.is_subset(theirs))
        });
        let same =
            |mine: &Option<String>, theirs: &Option<String>| mine.is_none() || mine == theirs;
        self.anonymous == other.anonymous
            && same(&self.issuer, &other.issuer)
            && same(&self.client, &other.client)
            && same(&self.stage, &other.stage)
            && self.scopes.is_subset(&other.scopes)
            && self.groups.is_subset(&other.groups)
            && claims
            && self.when.is_subset(&other.when)
            && self.without.is_subset(&other.without)
            && (self.source_ip.is_none() || self.source_ip == other.source_ip)
            && (!self.after_exp || other.after_exp)
    }
}

/// `every caller`, or what a caller has: `scope:orders/read, group:staff`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let one = |kind: &str, name: &String| format!("{kind}:{}", name.escape_debug());
        parts.extend(self.anonymous.then(|| "no credential".to_owned()));
        parts.extend(self.issuer.iter().map(|it| one("issuer", it)));
        parts.extend(self.client.iter().map(|it| one("client", it)));
        parts.extend(self.scopes.iter().map(|it| one("scope", it)));
        parts.extend(self.groups.iter().map(|it| one("group", it)));
        for (claim, values) in &self.claims {
            let values = values.iter().map(|value| value.escape_debug().to_string());
            let values = values.collect::<Vec<_>>().join("+");
            parts.push(format!("{}={values}", claim.escape_debug()));
        }
        parts.extend(self.when.iter().map(|it| format!("when `{it}`")));
        parts.extend(
            self.without.iter().map(|it| format!("without a plain `{}`", it.escape_debug())),
        );
        parts.extend(self.stage.iter().map(|it| match it.is_empty() {
            true => "other stages".to_owned(),
            false => one("stage", it),
        }));
        parts.extend(self.source_ip.iter().map(|it| format!("from {it}, say")));
        parts.extend(self.after_exp.then(|| "after `exp`, from a cache".to_owned()));
        match parts.is_empty() {
            true => f.write_str("every caller"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

/// Such as `scope:a GET /orders`, without a word for gain or loss.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.who, self.route)
    }
}
