//! Rules from operations.

use std::collections::{BTreeMap, BTreeSet};

use policy::{RoutePattern, RuleSpec};
use serde_json::{Value, json};

use crate::openapi::{Api, Need, Operation, Security, UNROUTABLE};

/// The longest name of a rule, in bytes, with room for a number.
const LONGEST_NAME: usize = 60;

/// One rule: the routes of callers with the same need.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) need: Need,
    pub(super) allow: Vec<String>,
}

/// Returns the rules, and each operation that they do not express, with the reason.
///
/// A rule never allows more than the description: a path parameter becomes `/*`, and that `*` also
/// matches other operations. Where one of them needs more, the operation is left out. A path without
/// a parameter is its operation's alone: API Gateway takes the most specific one.
pub(super) fn rules(api: &Api) -> (Vec<Rule>, Vec<String>) {
    let mut left_out = Vec::new();
    // Paths by need and method.
    let mut paths: BTreeMap<Need, BTreeMap<&str, BTreeSet<String>>> = BTreeMap::new();
    let all: Vec<_> = api.operations.iter().map(|it| (it, api.methods(it))).collect();
    for (operation, own) in &all {
        let mut leave_out = |reason: String| left_out.push(format!("{operation}: {reason}"));
        operation.security.reasons().into_iter().for_each(&mut leave_out);
        if operation.security == Security::Unstated {
            continue;
        }
        if !operation.is_routable() {
            leave_out(UNROUTABLE.to_owned());
            continue;
        }
        let needs = operation.security.needs();
        let route = path(&operation.path);
        if let Err(error) = format!("GET {route}").parse::<RoutePattern>() {
            leave_out(error.to_string());
            continue;
        }
        for method in own {
            let others = all
                .iter()
                .filter(|(other, methods)| methods.contains(method) && covers(&route, &other.path));
            let others: Vec<&Operation> = others.map(|(other, _)| *other).collect();
            for need in &needs {
                match others.iter().find(|other| !other.is_open_to(need)) {
                    Some(other) => leave_out(format!(
                        "`{method} {route}` would also allow `{other}`, which needs {}; write a \
                         rule yourself if that is meant",
                        other.needs()
                    )),
                    None => {
                        let of_need = paths.entry(need.clone()).or_default();
                        of_need.entry(method).or_default().insert(route.clone());
                    }
                }
            }
        }
    }
    left_out.dedup();
    let mut names = BTreeSet::new();
    let rules = paths.into_iter().map(|(need, by_method)| Rule {
        name: name(&need, &mut names),
        allow: routes(by_method),
        need,
    });
    (rules.collect(), left_out)
}

impl Operation {
    /// Returns true if every caller who meets a need may call it.
    fn is_open_to(&self, need: &Need) -> bool {
        match &self.security {
            // What is not stated opens nothing to requests without a credential.
            Security::Public | Security::Unstated if !need.anonymous => true,
            security => security.needs().iter().any(|it| it.is_weaker_than(need)),
        }
    }

    fn needs(&self) -> String {
        match self.security.needs().as_slice() {
            _ if self.security == Security::Unstated => "a `security` to be public".to_owned(),
            [] => "what no rule expresses".to_owned(),
            needs => {
                let needs = needs.iter().map(|need| format!("`{}`", shown(need)));
                needs.collect::<Vec<_>>().join(" or ")
            }
        }
    }
}

/// Returns the path of a route: up to the first parameter, and `/*` for it and all below.
fn path(template: &str) -> String {
    match template.split_once("/{") {
        Some((before, _)) => format!("{before}/*"),
        None => template.to_owned(),
    }
}

/// Returns true if a route's path may match a request that API Gateway sends to the template.
fn covers(route: &str, template: &str) -> bool {
    if !route.ends_with("/*") {
        return route == template;
    }
    let is_parameter = |segment: &str| segment.contains('{');
    let mut segments = template.split('/');
    for own in route.split('/') {
        match segments.next() {
            Some(_) if own == "*" => return true,
            Some(segment) if segment.ends_with("+}") => return true,
            Some(segment) if segment == own || is_parameter(segment) => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// Puts methods of one path together, and drops paths that a `/*` of the same method covers.
fn routes(by_method: BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let mut by_path: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (method, paths) in by_method {
        let is_below = |path: &str, above: &str| {
            path != above && above.strip_suffix('*').is_some_and(|above| path.starts_with(above))
        };
        for path in &paths {
            if !paths.iter().any(|above| is_below(path, above)) {
                by_path.entry(path.clone()).or_default().push(method);
            }
        }
    }
    let route = |(path, methods): (String, Vec<&str>)| {
        let text = format!("{} {path}", methods.join(","));
        // In the usual order of methods, or `ANY`.
        text.parse::<RoutePattern>().map_or(text, |route| route.to_string())
    };
    by_path.into_iter().map(route).collect()
}

fn shown(need: &Need) -> String {
    let all = need.all_scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
    let any = need.any_scope.iter().map(String::as_str).collect::<Vec<_>>().join(" or ");
    match (all.is_empty(), any.is_empty()) {
        (true, true) if need.anonymous => "no credential".to_owned(),
        (true, true) => "every caller".to_owned(),
        (false, true) => all,
        (true, false) => any,
        (false, false) => format!("{all} and ({any})"),
    }
}

/// Returns a name that no other rule has.
fn name(need: &Need, names: &mut BTreeSet<String>) -> String {
    let mut base = String::new();
    for c in shown(need).chars() {
        if base.len() + c.len_utf8() <= LONGEST_NAME {
            base.push(c);
        }
    }
    let numbered = (2_u32..).map(|number| format!("{base} {number}"));
    let mut free = std::iter::once(base.clone()).chain(numbered).filter(|it| !names.contains(it));
    let name = free.next().unwrap_or_default();
    names.insert(name.clone());
    name
}

impl Rule {
    /// Returns the rule as the configuration writes it.
    pub(super) fn toml(&self) -> String {
        let list = |items: &BTreeSet<String>| {
            let items = items.iter().map(|item| quoted(item));
            items.collect::<Vec<_>>().join(", ")
        };
        let mut text = format!("[[rule]]\nname = {}\nallow = [\n", quoted(&self.name));
        for route in &self.allow {
            text.push_str(&format!("    {},\n", quoted(route)));
        }
        text.push_str("]\n");
        let Need { all_scopes, any_scope, anonymous } = &self.need;
        if !all_scopes.is_empty() {
            text.push_str(&format!("all_scopes = [{}]\n", list(all_scopes)));
        }
        if !any_scope.is_empty() {
            text.push_str(&format!("any_scope = [{}]\n", list(any_scope)));
        }
        if *anonymous {
            text.push_str("anonymous = true\n");
        } else if self.need.is_everyone() {
            text.push_str("everyone = true\n");
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let Need { all_scopes, any_scope, anonymous } = &self.need;
        let members = [
            Some(("name", json!(self.name))),
            Some(("allow", json!(self.allow))),
            (!all_scopes.is_empty()).then(|| ("all_scopes", json!(all_scopes))),
            (!any_scope.is_empty()).then(|| ("any_scope", json!(any_scope))),
            self.need.is_everyone().then_some(("everyone", json!(true))),
            anonymous.then_some(("anonymous", json!(true))),
        ];
        members.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Returns the rule as the authorizer reads it.
    pub(super) fn spec(&self) -> Option<RuleSpec> {
        serde_json::from_value(self.json()).ok()
    }
}

/// A basic string of TOML. Its escapes are JSON's; other control characters are not in the text.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
