//! Routes of a template or an OpenAPI definition that the authorizer does not guard.

mod definition;
mod template;

use std::path::Path;

use super::report::{Finding, Report, State};
use crate::error::Error;
use crate::read::{place, read};
use crate::yaml::parse;

/// A route of an API.
#[derive(Debug)]
struct Route {
    /// The API, by its name in the file.
    api: String,
    method: String,
    path: String,
    /// True if the authorizer guards it. Conditions of a template are ignored.
    guarded: bool,
    /// The usage plan's key is required. HTTP APIs have none.
    keyed: bool,
    /// The change that guards it, if it is open.
    fix: &'static str,
}

/// The findings in a file.
#[derive(Debug, Default)]
struct Found {
    routes: Vec<Route>,
    /// REST APIs that take keys from the authorizer.
    keyed_apis: Vec<String>,
    /// Authorizers whose results API Gateway caches: names and seconds.
    cached: Vec<(String, String)>,
    /// Paths whose operations cannot be read, and why.
    unread: Vec<String>,
    /// APIs whose routes are in another file.
    elsewhere: Vec<String>,
}

/// Reports every open route of a file.
pub(super) fn check(file: &Path, is_openapi: bool, report: &mut Report) -> Result<(), Error> {
    let content = read(file, MOST)?;
    let place = place(file);
    let wrong = |problem: String| Error::refused(format!("{place}: {problem}"));
    if content.len() as u64 > MOST {
        return Err(wrong(format!("is longer than {MOST} bytes: split it")));
    }
    let text = str::from_utf8(&content)
        .map_err(|_| wrong("is not UTF-8: save the file as UTF-8".to_owned()))?;
    let document = parse(text).map_err(wrong)?;
    let mut found = Found::default();
    if is_openapi {
        definition::read(&place, &document, &mut found);
    } else {
        template::read(&document, &mut found);
    }
    if found.routes.is_empty() && found.elsewhere.is_empty() && found.unread.is_empty() {
        let text = format!("{place} has no routes");
        return report.add(Finding::new("routes", State::Fail, text));
    }
    found.tell(report)
}

impl Found {
    fn tell(&self, report: &mut Report) -> Result<(), Error> {
        let keyed_routes = self.routes.iter().filter(|it| it.keyed).map(|it| it.api.as_str());
        let keyed_apis = keyed_routes.chain(self.keyed_apis.iter().map(String::as_str));
        let keyed_apis: Vec<&str> = keyed_apis.collect();
        let mut guarded = 0_usize;
        for route in &self.routes {
            let name = format!("`{} {}` of {}", route.method, route.path, route.api);
            if route.guarded {
                guarded = guarded.saturating_add(1);
                if !route.keyed && keyed_apis.contains(&route.api.as_str()) {
                    let text = format!(
                        "{name} requires no key: callers over their limits get through; set \
                         `ApiKeyRequired`, or add the key's scheme to its `security`"
                    );
                    report.add(Finding::new("key", State::Fail, text))?;
                }
                continue;
            }
            if route.method == "OPTIONS" {
                let text = format!("{name} is open, as preflight requests need");
                report.add(Finding::new("route", State::Skip, text))?;
                continue;
            }
            let mut text = format!("{name} is open: {}", route.fix);
            let reached = self.reached(route);
            if !reached.is_empty() {
                text.push_str(&format!(". It also takes {}", reached.join(", ")));
            }
            report.add(Finding::new("route", State::Fail, text))?;
        }
        for (name, seconds) in &self.cached {
            let text = format!(
                "results of `{name}` are cached for {seconds} s: calls go uncounted, and a refusal \
                 outlasts its reason; set 0"
            );
            report.add(Finding::new("cache", State::Fail, text))?;
        }
        for path in &self.unread {
            let text = format!("path {path}; its operations are not checked");
            report.add(Finding::new("route", State::Fail, text))?;
        }
        for api in &self.elsewhere {
            let text = format!("the definition of {api} is in another file: give it by --openapi");
            report.add(Finding::new("routes", State::Skip, text))?;
        }
        let text = format!("{guarded} of {} routes are guarded", self.routes.len());
        report.add(Finding::new("routes", State::Ok, text))
    }

    /// Returns requests beside guarded routes that an open one takes: `/orders/` is not `/orders`.
    fn reached(&self, open: &Route) -> Vec<String> {
        let Some(prefix) = open.greedy_prefix() else { return Vec::new() };
        let beside = self.routes.iter().filter(|it| it.guarded && it.api == open.api);
        let takes = |route: &&Route| {
            let same = open.method == "ANY" || route.method == "ANY" || open.method == route.method;
            same && route.greedy_prefix().is_none()
                && format!("{}/", route.path).starts_with(prefix)
        };
        let told = beside.filter(takes).take(3);
        told.map(|it| format!("`{}/`, with a slash after `{}`", it.path, it.path)).collect()
    }
}

impl Route {
    /// Returns what every path of a greedy route begins with; `None` for another route.
    fn greedy_prefix(&self) -> Option<&str> {
        if self.path == "$default" {
            return Some("/");
        }
        self.path.find('{').filter(|_| self.path.ends_with("+}")).and_then(|at| self.path.get(..at))
    }
}

/// The most bytes of a file: CloudFormation reads 1 MB.
const MOST: u64 = 1024 * 1024;
