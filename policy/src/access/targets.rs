//! The requests that two sets of rules distinguish, for one caller.

use std::collections::BTreeMap;

use super::{Operation, Side};
use crate::{caller::Caller, route::VERBS};

/// A request, and the route by which a report names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The part of a resource after the stage: `GET/orders/1`.
    pub(super) text: String,
    /// The methods that it stands for; none for a route key.
    pub(super) methods: Vec<&'static str>,
    /// The path as a route has it, or a route key.
    pub(super) path: String,
    /// True if dots in the path matter.
    pub(super) has_dots: bool,
    /// The index of its operation.
    pub(super) operation: usize,
}

/// Returns the requests for a caller: those of all routes, or those of operations.
pub(super) fn targets(
    old: &Side<'_>,
    new: &Side<'_>,
    caller: &Caller<'_>,
    mark: &str,
    operations: Option<&[Operation]>,
) -> Vec<Target> {
    let patterns = patterns(old, new, caller, mark);
    let mut found = Vec::new();
    let classes = method_classes(old, new);
    // One method of each class is evaluated for the whole class.
    let target = |methods: Vec<&'static str>, text: &str, shown: &str, has_dots, operation| {
        let text = format!("{}{text}", methods.first()?);
        Some(Target { text, methods, path: shown.to_owned(), has_dots, operation })
    };
    if let Some(operations) = operations {
        for (at, Operation { methods, path }) in operations.iter().enumerate() {
            let is_own = |method: &&'static str| methods.iter().any(|it| it == method);
            for text in of_operation(path, &patterns, mark) {
                found.extend(classes.iter().filter_map(|class| {
                    let own = class.iter().copied().filter(is_own).collect();
                    target(own, &text, path, false, at)
                }));
            }
        }
        return found;
    }
    let mut paths: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    for (filled, shown) in &patterns {
        let Some(above) = filled.strip_suffix('*') else {
            paths.entry(filled.clone()).or_insert((shown, false));
            continue;
        };
        paths.entry(format!("{above}{mark}x")).or_insert((shown, false));
        paths.entry(format!("{above}{mark}..")).or_insert((shown, true));
        // A deny of dots for `ANY` matches the caller's own path at any place.
        for (own, _) in patterns.iter().filter(|(_, shown)| shown.contains('{')) {
            if let Some(own) = own.strip_suffix('*') {
                paths.entry(format!("{above}{mark}{own}{mark}..")).or_insert((shown, true));
            }
        }
    }
    for (path, (shown, has_dots)) in &paths {
        let all = classes.iter().cloned();
        found.extend(all.filter_map(|class| target(class, path, shown, *has_dots, 0)));
    }
    let mut keys: Vec<String> = old
        .routes()
        .chain(new.routes())
        .filter(|route| route.path().is_none())
        .map(ToString::to_string)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    found.extend(keys.into_iter().map(|key| Target {
        text: key.clone(),
        methods: Vec::new(),
        path: key,
        has_dots: false,
        operation: 0,
    }));
    found
}

/// Returns the methods in classes. Every route has all methods of a class, or none.
fn method_classes(old: &Side<'_>, new: &Side<'_>) -> Vec<Vec<&'static str>> {
    let mut classes: BTreeMap<Vec<bool>, Vec<&'static str>> = BTreeMap::new();
    for method in VERBS {
        let routes = old.routes().chain(new.routes());
        let has = routes.map(|route| route.verbs().contains(&method)).collect();
        classes.entry(has).or_default().push(method);
    }
    classes.into_values().collect()
}

/// Returns the paths of all routes with the caller's claims, each with the path as it is written.
fn patterns(
    old: &Side<'_>,
    new: &Side<'_>,
    caller: &Caller<'_>,
    mark: &str,
) -> Vec<(String, String)> {
    let unfit = format!("{mark}0");
    let mut found: Vec<_> = old
        .routes()
        .chain(new.routes())
        .filter_map(|route| {
            let path = route.path()?;
            let filled = route.fill_path(caller).unwrap_or_else(|| {
                // No rule grants or denies this path, but it has the form of another caller's path.
                route.fill_path_with(|_| Some(&unfit)).unwrap_or_default()
            });
            Some((filled, path.to_string()))
        })
        .collect();
    found.sort_unstable();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

/// Returns the paths of an operation: one with new values for its parameters, and those in which
/// parameters have a value from a route.
fn of_operation(template: &str, patterns: &[(String, String)], mark: &str) -> Vec<String> {
    let segments: Vec<&str> = template.split('/').skip(1).collect();
    let fresh = |number: usize| format!("{mark}p{number}");
    let is_parameter = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
    let mut found = Vec::new();
    let one = |pattern: Option<&str>| -> Option<String> {
        let mut given = pattern.map(|path| path.split('/').skip(1)).into_iter().flatten();
        let mut is_below = pattern.is_none();
        let mut path = String::new();
        for (number, segment) in segments.iter().enumerate() {
            let next = if is_below { None } else { given.next() };
            is_below |= next == Some("*");
            let next = next.filter(|it| *it != "*");
            path.push('/');
            match (is_parameter(segment), next) {
                (true, Some(value)) if segment.ends_with("+}") => {
                    let rest = given
                        .by_ref()
                        .map(|it| if it == "*" { fresh(number) } else { it.to_owned() });
                    let rest: Vec<String> = std::iter::once(value.to_owned()).chain(rest).collect();
                    path.push_str(&rest.join("/"));
                    return Some(path);
                }
                (true, Some(value)) => path.push_str(value),
                (true, None) if is_below => path.push_str(&fresh(number)),
                (false, None) if is_below => path.push_str(segment),
                (false, Some(value)) if value == *segment => path.push_str(segment),
                _ => return None,
            }
        }
        Some(path)
    };
    found.extend(one(None));
    found.extend(patterns.iter().filter_map(|(path, _)| one(Some(path))));
    found.sort_unstable();
    found.dedup();
    found
}
