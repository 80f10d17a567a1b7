//! Callers and routes by which two sets of rules differ.
//!
//! [`compare`] looks for callers who may call more under the new rules than under the old ones. It
//! evaluates both for every kind of caller that the rules can tell apart, and judges the finished
//! policies as API Gateway does.
//!
//! **Which callers.** A caller gains a route if a new rule allows it, and the old rules either do
//! not allow it or deny it. More scopes, groups and claims never make a requirement fail. So it is
//! enough to try callers with the least that one new rule needs, and callers with the least that
//! one new rule and one denying old rule need together. A caller has only one issuer, client,
//! stage, address and value of a claim in a path, so each of these values is tried.
//!
//! **Which routes.** Routes are exact paths, or all paths below one. If no route of either side
//! distinguishes two requests, they have the same outcome. So each path and one path below each
//! `/*` is tried, with and without dots.
//!
//! The result of a condition in CEL is unknown: both results are tried, independently of every
//! claim. A change that depends on a condition is not certain.

mod callers;
mod report;
mod targets;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

pub use self::report::{Change, Who};
use self::{
    callers::{Kind, kinds},
    report::{Dimensions, Found, changes},
    targets::{Target, targets},
};
use crate::{
    arn::MethodArn,
    caller::Caller,
    iam::{Outcome, Policy, Request},
    route::RoutePattern,
    rules::{Rule, Rules},
};

/// The most kinds of caller that are compared.
const MAX_KINDS: usize = 10_000;

/// The most claims in paths; each doubles the kinds of caller.
const MAX_PATH_CLAIMS: usize = 6;

/// The most combinations of kinds of caller, duplicates included.
const MAX_STEPS: usize = 500_000;

/// The most requests that are judged, of all kinds of caller together.
const MAX_CALLS: usize = 10_000_000;

/// The resource prefix of a made-up API, without the stage.
const API: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/";

/// The `exp` of every caller's token.
const EXP: i64 = 1_000_000_000;

/// Rules, and the tokens that are accepted.
#[derive(Debug, Clone)]
pub struct Side<'r> {
    /// The rules.
    pub rules: &'r Rules,
    /// The accepted issuers; callers of others are refused.
    pub issuers: Vec<Tokens<'r>>,
}

/// The tokens of one issuer that are accepted.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'r> {
    /// The issuer's name in rules; `None` for callers without one.
    pub issuer: Option<&'r str>,
    /// The accepted clients; `None` for any.
    pub clients: Option<&'r [String]>,
}

/// An operation of an API: methods and a path whose braces hold path parameters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// The methods, such as `GET`.
    pub methods: Vec<String>,
    /// The path, such as `/orders/{id}` or `/files/{proxy+}`.
    pub path: String,
}

/// The callers of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callers {
    /// Those with an accepted credential.
    pub with_credential: Reach,
    /// Those without a credential.
    pub anonymous: Reach,
}

/// The part of some callers who may call an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// None of them.
    Nobody,
    /// Some of them, or all of them for a part of the operation.
    Some(Vec<Change>),
    /// Each of them.
    Everyone,
}

/// The rules distinguish more callers or requests than can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rules tell too many callers or requests apart: more than {MAX_KINDS} kinds of caller, \
     {MAX_PATH_CLAIMS} claims in paths or {MAX_CALLS} requests in all"
)]
pub struct TooMany;

/// Returns the routes that callers gain if `new` replaces `old`. Exchange the arguments to get the
/// routes that they lose.
///
/// If the result is empty, no caller gains a route. It does not compare the length of documents
/// ([`Rules::may_be_too_long`]), resources over 512 bytes, or settings other than the accepted
/// issuers and clients.
///
/// # Errors
/// [`TooMany`] if the comparison would take too long.
pub fn compare(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<Change>, TooMany> {
    gains(old, new, None).map(|changes| changes.into_iter().flatten().collect())
}

/// Returns the callers of each operation.
///
/// # Errors
/// [`TooMany`] if the rules distinguish too many callers.
pub fn reach(side: &Side<'_>, operations: &[Operation]) -> Result<Vec<Callers>, TooMany> {
    let issuers = || side.issuers.clone();
    let (nothing, everything) = (Rules::nothing(), Rules::everything());
    let (nothing, everything) = (
        Side { rules: &nothing, issuers: issuers() },
        Side { rules: &everything, issuers: issuers() },
    );
    let can = gains(&nothing, side, Some(operations))?;
    let cannot = gains(side, &everything, Some(operations))?;
    let callers = |(can, cannot): (Vec<Change>, Vec<Change>)| {
        let split = |changes: Vec<Change>| -> (Vec<Change>, Vec<Change>) {
            changes.into_iter().partition(|change| change.who.anonymous)
        };
        let ((anonymous, can), (not_anonymous, cannot)) = (split(can), split(cannot));
        Callers {
            with_credential: Reach::of(can, &cannot),
            anonymous: Reach::of(anonymous, &not_anonymous),
        }
    };
    Ok(can.into_iter().zip(cannot).map(callers).collect())
}

impl Reach {
    fn of(can: Vec<Change>, cannot: &[Change]) -> Self {
        match (can.is_empty(), cannot.is_empty()) {
            (true, _) => Self::Nobody,
            (false, true) => Self::Everyone,
            (false, false) => Self::Some(can),
        }
    }
}

/// Returns what callers gain: for each operation, or in one list for all routes.
fn gains(
    old: &Side<'_>,
    new: &Side<'_>,
    operations: Option<&[Operation]>,
) -> Result<Vec<Vec<Change>>, TooMany> {
    let [old_rules, new_rules] = [old.rules, new.rules].map(Rules::with_opaque_conditions);
    let old = Side { rules: &old_rules, issuers: old.issuers.clone() };
    let new = Side { rules: &new_rules, issuers: new.issuers.clone() };
    // Operations are checked for callers whose claims fit into paths and whose tokens are valid.
    let whole = operations.is_none();
    let mark = mark(&old, &new);
    let kinds = kinds(&old, &new, &mark, whole)?;
    let comparison = Comparison {
        stages: stages(&old, &new),
        addresses: addresses(&old, &new),
        times: if whole { &[EXP - 1, EXP] } else { &[EXP - 1] },
        old,
        new,
    };
    let mut found: BTreeMap<usize, Vec<Found>> = BTreeMap::new();
    let mut left = MAX_CALLS;
    for kind in &kinds {
        let claims = kind.claims(EXP);
        let caller = kind.caller(&claims);
        let Comparison { old, new, addresses, .. } = &comparison;
        let targets = targets(old, new, &caller, &mark, operations);
        let calls = [comparison.stages.len(), addresses.len(), comparison.times.len()];
        let calls = calls.iter().fold(targets.len(), |calls, times| calls.saturating_mul(*times));
        left = left.checked_sub(calls).ok_or(TooMany)?;
        for stage in &comparison.stages {
            for gain in comparison.of(kind, &caller, stage, &targets) {
                found.entry(gain.target.operation).or_default().push(gain);
            }
        }
    }
    let dimensions = Dimensions {
        stages: &comparison.stages,
        addresses: comparison.addresses.len(),
        clients: &comparison.new.clients(&comparison.old),
        mark: &mark,
    };
    let one = |at| changes(found.remove(&at).unwrap_or_default(), &dimensions);
    Ok((0..operations.map_or(1, <[_]>::len)).map(one).collect())
}

/// Two sides, and what callers and calls are tried.
struct Comparison<'r> {
    old: Side<'r>,
    new: Side<'r>,
    stages: Vec<String>,
    addresses: Vec<Option<IpAddr>>,
    times: &'static [i64],
}

impl Comparison<'_> {
    /// Returns what one caller gains in one stage.
    fn of(&self, kind: &Kind, caller: &Caller<'_>, stage: &str, targets: &[Target]) -> Vec<Found> {
        let mut found = Vec::new();
        let arn = format!("{API}{stage}/GET/");
        let Ok(arn) = MethodArn::parse(&arn) else { return found };
        let policy = |side: &Side<'_>| {
            let document = side.rules.evaluate(caller, &arn).document.ok();
            document.filter(|_| side.accepts(kind)).map(|document| document.to_json())
        };
        let (before, after) = (policy(&self.old), policy(&self.new));
        if before == after {
            return found;
        }
        // Without a condition, address and time do not matter.
        let has_condition = |text: &String| text.contains("\"Condition\"");
        let conditional = before.iter().chain(&after).any(has_condition);
        let read = |text: Option<String>| serde_json::from_str::<Policy>(&text?).ok();
        let (before, after) = (read(before), read(after));
        let allows = |policy: &Option<Policy>, request: &Request<'_>| {
            policy.as_ref().is_some_and(|it| it.evaluate(request) == Outcome::Allow)
        };
        for target in targets {
            let resource = format!("{}{}", arn.resource_prefix(), target.text);
            for (address, time) in self.calls(conditional) {
                let request = Request::new(&resource).at(time);
                let request = address.map_or(request, |address| request.from(address));
                if allows(&after, &request) && !allows(&before, &request) {
                    found.push(Found {
                        kind: kind.clone(),
                        target: target.clone(),
                        stage: stage.to_owned(),
                        address,
                        is_late: time >= EXP,
                        is_certain: !self.depends_on_condition(caller, &target.text),
                    });
                }
            }
        }
        found
    }

    /// Returns the addresses and times of calls; one call without an address if they do not matter.
    fn calls(&self, conditional: bool) -> Vec<(Option<IpAddr>, i64)> {
        if !conditional {
            return vec![(None, EXP - 1)];
        }
        let addresses = self.addresses.iter();
        addresses.flat_map(|address| self.times.iter().map(|time| (*address, *time))).collect()
    }

    /// Returns true if a rule with a condition in CEL may decide on a request.
    fn depends_on_condition(&self, caller: &Caller<'_>, target: &str) -> bool {
        let rules = self.old.rules.rules.iter().chain(&self.new.rules.rules);
        let mut conditional = rules.filter(|rule| rule.requirements.has_opaque_condition());
        conditional.any(|rule| {
            rule.routes().any(|route| match route.fill(0, caller) {
                Ok(filled) => filled.matches(target) || filled.denies_dots(target),
                Err(_) => true,
            })
        })
    }
}

impl Side<'_> {
    fn accepts(&self, kind: &Kind) -> bool {
        // For callers without a credential, only the rules decide.
        kind.anonymous
            || self.issuers.iter().any(|tokens| {
                let accepted = tokens.clients.is_none_or(|clients| {
                    kind.client.as_ref().is_some_and(|client| clients.contains(client))
                });
                tokens.issuer == kind.issuer.as_deref() && accepted
            })
    }

    /// Returns the number of different clients of each issuer; `None` where any client is accepted.
    fn clients(&self, old: &Self) -> BTreeMap<Option<String>, Option<usize>> {
        let clients = |tokens: &Tokens<'_>| {
            tokens.clients.map(|list| callers::distinct(list, tokens.issuer, old, self).len())
        };
        let issuers = self.issuers.iter();
        issuers.map(|tokens| (tokens.issuer.map(str::to_owned), clients(tokens))).collect()
    }

    fn routes(&self) -> impl Iterator<Item = &RoutePattern> {
        self.rules.rules.iter().flat_map(Rule::routes)
    }
}

/// A text that occurs in no route and no claim's value, so that names made from it are new.
fn mark(old: &Side<'_>, new: &Side<'_>) -> String {
    let mut known: Vec<String> = Vec::new();
    for side in [old, new] {
        known.extend(side.routes().map(ToString::to_string));
        let rules = side.rules.rules.iter();
        known.extend(rules.flat_map(|rule| rule.requirements.claims.values().flatten().cloned()));
    }
    let mut mark = "~".to_owned();
    while known.iter().any(|text| text.contains(&mark)) {
        mark.push('~');
    }
    mark
}

/// Every stage that a rule names, and one that none names, last.
fn stages(old: &Side<'_>, new: &Side<'_>) -> Vec<String> {
    let rules = || old.rules.rules.iter().chain(&new.rules.rules);
    let named: BTreeSet<String> =
        rules().flat_map(|rule| rule.requirements.stages()).map(str::to_owned).collect();
    let mut other = "x".to_owned();
    while named.contains(&other) {
        other.push('-');
    }
    named.into_iter().chain([other]).collect()
}

/// One address of each set of addresses that the blocks of both sides distinguish.
fn addresses(old: &Side<'_>, new: &Side<'_>) -> Vec<Option<IpAddr>> {
    let rules = old.rules.rules.iter().chain(&new.rules.rules);
    let blocks: BTreeSet<IpNet> =
        rules.flat_map(|rule| rule.condition.source_ips.iter().copied()).collect();
    if blocks.is_empty() {
        return vec![None];
    }
    let mut found = BTreeSet::from([IpAddr::from([0; 4]), IpAddr::from([0; 16])]);
    for block in blocks {
        found.insert(block.network());
        found.extend(next(block.broadcast()));
    }
    found.into_iter().map(Some).collect()
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(it) => u32::from(it).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(it) => u128::from(it).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}
