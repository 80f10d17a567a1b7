//! The routes that each group and scope may call.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::{
    caller::Holds,
    route::RoutePattern,
    rules::{Requirements, Rules},
};

/// The caller of a column of a [`Matrix`], described by one group or scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Holder {
    /// Every caller with a valid credential.
    Everyone,
    /// A caller without a credential.
    Anonymous,
    /// A caller with this scope and no other.
    Scope(String),
    /// A caller in this group and no other.
    Group(String),
}

/// The access of a column's caller to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// All of the route is allowed.
    Allowed,
    /// A part is allowed, or all of it under another requirement.
    Partly,
    /// All of it is denied by a rule.
    Denied,
    /// No rule allows any of it.
    Nothing,
}

/// Every group and scope that rules name against every route that they name.
///
/// [`Cell::Partly`]: depends on an issuer, a client, a claim, a condition, a stage or an address.
/// Display is a table for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The columns: everyone first, then scopes, then groups, by name.
    pub holders: Vec<Holder>,
    /// The rows, sorted by route.
    pub rows: Vec<Row>,
}

/// One route, and a cell for each holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The route.
    pub route: RoutePattern,
    /// The access of each holder, in the order of [`Matrix::holders`].
    pub cells: Vec<Cell>,
}

impl Rules {
    /// Tabulates access: each group and scope named by a rule against each route named by one.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        let mut holders = BTreeSet::from([Holder::Everyone]);
        let mut routes = BTreeSet::new();
        for rule in &self.rules {
            let requirements = &rule.requirements;
            holders.extend(requirements.anonymous.then_some(Holder::Anonymous));
            let scopes = requirements.any_scope.iter().chain(&requirements.all_scopes).flatten();
            holders.extend(scopes.cloned().map(Holder::Scope));
            let groups = requirements.any_group.iter().chain(&requirements.all_groups).flatten();
            holders.extend(groups.cloned().map(Holder::Group));
            routes.extend(rule.routes().cloned());
        }
        let holders: Vec<Holder> = holders.into_iter().collect();
        let row = |route: RoutePattern| {
            let cells = holders.iter().map(|holder| self.cell(holder, &route)).collect();
            Row { route, cells }
        };
        let rows = routes.into_iter().map(row).collect();
        Matrix { holders, rows }
    }

    /// Returns the access to a route of a caller that has only this group or scope.
    #[must_use]
    pub fn cell(&self, holder: &Holder, route: &RoutePattern) -> Cell {
        let (mut all, mut some, mut denied, mut cut) = (false, false, false, false);
        for rule in &self.rules {
            let is_for = is_for(&rule.requirements, holder);
            if is_for == Holds::No {
                continue;
            }
            let surely = is_for == Holds::Yes;
            for deny in &rule.deny {
                denied |= surely && deny.covers(route);
                // If a claim in a deny cannot be filled, everything is denied.
                cut |= deny.overlaps(route) || deny.claims().next().is_some();
            }
            let surely = surely && rule.condition.field().is_none();
            // Another rule allows nothing to a caller without a credential.
            let serves = rule.requirements.anonymous == (*holder == Holder::Anonymous);
            for allow in rule.allow.iter().filter(|_| serves) {
                all |= surely && allow.covers(route) && allow.claims().next().is_none();
                some |= allow.overlaps(route);
                cut |= allow.may_deny_dots_of(route);
            }
        }
        match (denied, some, all && !cut) {
            (true, _, _) => Cell::Denied,
            (false, _, true) => Cell::Allowed,
            (false, true, false) => Cell::Partly,
            (false, false, false) => Cell::Nothing,
        }
    }
}

/// Evaluates the requirements for a caller with only this group or scope.
fn is_for(requirements: &Requirements, holder: &Holder) -> Holds {
    let Requirements { any_scope, all_scopes, any_group, all_groups, .. } = requirements;
    let (scope, group) = match holder {
        Holder::Everyone | Holder::Anonymous => (None, None),
        Holder::Scope(scope) => (Some(scope), None),
        Holder::Group(group) => (None, Some(group)),
    };
    let any = |list: &Option<Vec<String>>, held: Option<&String>| {
        list.as_ref().is_none_or(|list| held.is_some_and(|held| list.contains(held)))
    };
    let all = |list: &Option<Vec<String>>, held: Option<&String>| {
        list.as_ref().is_none_or(|list| list.iter().all(|item| Some(item) == held))
    };
    let met = (!requirements.anonymous || *holder == Holder::Anonymous)
        && any(any_scope, scope)
        && all(all_scopes, scope)
        && any(any_group, group)
        && all(all_groups, group);
    let known = requirements.issuers.is_none()
        && requirements.clients.is_none()
        && requirements.claims.is_empty()
        && requirements.when.is_none()
        && requirements.stages.is_none();
    match (met, known) {
        (false, _) => Holds::No,
        (true, false) => Holds::Unknown,
        (true, true) => Holds::Yes,
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<String> = self.rows.iter().map(|row| row.route.to_string()).collect();
        let first = routes.iter().map(|r| r.chars().count()).max().unwrap_or(0).max("ROUTE".len());
        let holders: Vec<String> = self.holders.iter().map(ToString::to_string).collect();
        write!(f, "{:first$}", "ROUTE")?;
        for holder in &holders {
            write!(f, "  {holder}")?;
        }
        writeln!(f)?;
        for (route, row) in routes.iter().zip(&self.rows) {
            let mut line = format!("{route:first$}");
            for (holder, cell) in holders.iter().zip(&row.cells) {
                let width = holder.chars().count();
                line.push_str(&format!("  {:width$}", cell.to_string()));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Anonymous => f.write_str("no credential"),
            Self::Scope(scope) => write!(f, "scope:{}", scope.escape_debug()),
            Self::Group(group) => write!(f, "group:{}", group.escape_debug()),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allow",
            Self::Partly => "partly",
            Self::Denied => "deny",
            Self::Nothing => "-",
        })
    }
}
