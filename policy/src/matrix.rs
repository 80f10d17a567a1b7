//! Groups and scopes against routes: who may call what, before anybody calls.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::{
    route::RoutePattern,
    rules::{Requirements, Rule, Rules},
};

/// The caller of a column of a [`Matrix`], described by one group or scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Holder {
    /// Every caller with a valid token, whatever else it has.
    Everyone,
    /// A caller with this scope and no other.
    Scope(String),
    /// A caller in this group and no other.
    Group(String),
}

/// The access of a holder to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// All of the route is allowed.
    Allowed,
    /// Some of it is allowed, or all of it under a requirement that the column does not know.
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
    holders: Vec<Holder>,
    rows: Vec<Row>,
}

/// One route, and a cell for each holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    route: RoutePattern,
    cells: Vec<Cell>,
}

/// The extent to which a rule is for a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Always,
    Perhaps,
    Never,
}

impl Matrix {
    /// The columns: everyone first, then scopes, then groups, by name.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// The rows, by route.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl Row {
    /// The route.
    #[must_use]
    pub fn route(&self) -> &RoutePattern {
        &self.route
    }

    /// The access of each holder, in the order of [`Matrix::holders`].
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

impl Rules {
    /// Tabulates access: each group and scope named by a rule against each route named by one.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        let mut holders = BTreeSet::from([Holder::Everyone]);
        let mut routes = BTreeSet::new();
        for Rule { requirements, allow, deny, .. } in &self.rules {
            let scopes = requirements.any_scope.iter().chain(&requirements.all_scopes).flatten();
            holders.extend(scopes.cloned().map(Holder::Scope));
            let groups = requirements.any_group.iter().chain(&requirements.all_groups).flatten();
            holders.extend(groups.cloned().map(Holder::Group));
            routes.extend(allow.patterns.iter().chain(&deny.patterns).cloned());
        }
        let holders: Vec<Holder> = holders.into_iter().collect();
        let row = |route: RoutePattern| {
            let cells = holders.iter().map(|holder| self.cell(holder, &route)).collect();
            Row { route, cells }
        };
        let rows = routes.into_iter().map(row).collect();
        Matrix { holders, rows }
    }

    /// The access to a route of a caller that has only this group or scope.
    #[must_use]
    pub fn cell(&self, holder: &Holder, route: &RoutePattern) -> Cell {
        let (mut all, mut some, mut denied, mut cut) = (false, false, false, false);
        for rule in &self.rules {
            let is_for = is_for(&rule.requirements, holder);
            if is_for == For::Never {
                continue;
            }
            let surely = is_for == For::Always;
            for deny in &rule.deny.patterns {
                denied |= surely && deny.covers(route);
                // A claim in a deny that can't be filled denies everything.
                cut |= deny.overlaps(route) || deny.claims().next().is_some();
            }
            let surely = surely && rule.condition.is_none();
            for allow in &rule.allow.patterns {
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

fn is_for(requirements: &Requirements, holder: &Holder) -> For {
    let Requirements { any_scope, all_scopes, any_group, all_groups, .. } = requirements;
    let (scope, group) = match holder {
        Holder::Everyone => (None, None),
        Holder::Scope(scope) => (Some(scope), None),
        Holder::Group(group) => (None, Some(group)),
    };
    let any = |list: &Option<Vec<String>>, held: Option<&String>| {
        list.as_ref().is_none_or(|list| held.is_some_and(|held| list.contains(held)))
    };
    let all = |list: &Option<Vec<String>>, held: Option<&String>| {
        list.as_ref().is_none_or(|list| list.iter().all(|item| Some(item) == held))
    };
    let met = any(any_scope, scope)
        && all(all_scopes, scope)
        && any(any_group, group)
        && all(all_groups, group);
    let known = requirements.issuers.is_none()
        && requirements.clients.is_none()
        && requirements.claims.is_empty()
        && requirements.when.is_none()
        && requirements.stages.is_none();
    match (met, known) {
        (false, _) => For::Never,
        (true, false) => For::Perhaps,
        (true, true) => For::Always,
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
