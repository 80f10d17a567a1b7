//! Settings outside the rules that differ between two configurations.

use std::collections::BTreeSet;

use authorizer::{Config, Issuer};
use toml::{Table, Value};

/// Tables that are compared in another way, or that decide no access.
///
/// `[callers]`, `[keys]` and `[throttle]` are compared as the authorizer reads them: the defaults of
/// one depend on the others.
const OTHERWISE: [&str; 6] = ["rule", "issuer", "callers", "keys", "throttle", "metrics"];

/// A setting whose effect on access is not compared.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its path, such as `issuer.staff.token_use`.
    pub(super) name: String,
    /// The change.
    pub(super) what: String,
}

impl Setting {
    pub(super) fn new(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self { name: name.into(), what: what.into() }
    }
}

/// The settings that differ.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) undecided: Vec<Setting>,
    /// True if the rules, or the form of policies, are written differently.
    pub(super) rules_differ: bool,
}

/// A configuration: its text, and its meaning.
struct Side<'c> {
    text: Table,
    config: &'c Config,
}

/// Returns what differs in two configurations that load: their texts, and what they mean.
///
/// Apart from `OTHERWISE`, it compares what is written. A new setting of the authorizer is thus never
/// overlooked, and one that is written out as its default counts as a change.
pub(super) fn changed(
    (old, before): (&str, &Config),
    (new, after): (&str, &Config),
) -> Result<Settings, String> {
    let read = |text: &str| text.parse::<Table>().map_err(|error| error.message().to_owned());
    let old = Side { text: read(old)?, config: before };
    let new = Side { text: read(new)?, config: after };
    let mut undecided = Vec::new();
    for name in names(&old.text, &new.text) {
        if !OTHERWISE.contains(&name.as_str()) {
            compare(&name, old.text.get(&name), new.text.get(&name), &mut undecided);
        }
    }
    issuers(&old, &new, &mut undecided);
    credentials(before, after, &mut undecided);
    limits(&old, &new, &mut undecided);
    let rules_differ =
        ["rule", "policy"].iter().any(|name| old.text.get(*name) != new.text.get(*name));
    Ok(Settings { undecided, rules_differ })
}

impl Side<'_> {
    /// Its issuers, each with its table.
    fn issuers(&self) -> Vec<(&Issuer, &Table)> {
        let tables = self.text.get("issuer").and_then(Value::as_array).into_iter().flatten();
        self.config.issuers.iter().zip(tables.filter_map(Value::as_table)).collect()
    }

    /// Returns true if a token may fit an issuer's table and another one. It is then refused.
    fn is_shared(&self, issuer: &Issuer) -> bool {
        let name = &issuer.checks.issuer;
        let mut others = self.config.issuers.iter().filter(|other| other.checks.issuer != *name);
        others.any(|other| issuer.overlaps(other))
    }

    fn limits(&self, field: &str) -> Option<&Value> {
        self.text.get("throttle").and_then(|table| table.get(field))
    }
}

/// Compares issuers by name.
///
/// The clients of each are in the comparison of access, and so is an issuer that is gone, unless
/// its tokens may fit another table too.
fn issuers(old: &Side<'_>, new: &Side<'_>, undecided: &mut Vec<Setting>) {
    let (before, after) = (old.issuers(), new.issuers());
    let same = |one: &Issuer, other: &Issuer| one.checks.issuer == other.checks.issuer;
    for (issuer, _) in &before {
        if !after.iter().any(|(other, _)| same(issuer, other)) && old.is_shared(issuer) {
            undecided.push(Setting::new(
                format!("issuer.{}", issuer.checks.issuer),
                "removed: a token that fitted two tables was refused, and may fit one now",
            ));
        }
    }
    for (issuer, table) in after {
        let name = &issuer.checks.issuer;
        let Some((_, before)) = before.iter().find(|(other, _)| same(issuer, other)) else {
            undecided
                .push(Setting::new(format!("issuer.{name}"), "added: its tokens are accepted"));
            continue;
        };
        for field in names(before, table) {
            let (was, is) = (before.get(&field), table.get(&field));
            // Lists of clients are compared by access. "any" and none are the same there, but not
            // to the authorizer.
            let is_list = |value: Option<&Value>| value.is_some_and(Value::is_array);
            let is_any = |value: Option<&Value>| value.is_some_and(Value::is_str);
            let compared = (is_list(was) || is_any(was)) && (is_list(is) || is_any(is));
            if field != "clients" || !compared || old.is_shared(issuer) {
                compare(&format!("issuer.{name}.{field}"), was, is, undecided);
            }
        }
    }
}

/// Compares the credentials that callers need, and the table of keys.
fn credentials(old: &Config, new: &Config, undecided: &mut Vec<Setting>) {
    let mut changed = |name: &str, was: String, is: String| {
        if was != is {
            let what = format!("changed from {was} to {is}: access may widen or narrow");
            undecided.push(Setting::new(name, what));
        }
    };
    let require = |config: &Config| format!("{:?}", config.callers.require).to_lowercase();
    changed("callers.require", require(old), require(new));
    let prefer = |config: &Config| match config.callers.prefer {
        Some(prefer) => format!("{prefer:?}").to_lowercase(),
        None => "none".to_owned(),
    };
    changed("callers.prefer", prefer(old), prefer(new));
    // A table of keys that `require` ignores has no effect. A change of `require` is listed itself.
    let keys = [old, new].map(|it| it.keys.as_ref().filter(|_| it.callers.takes_keys()));
    if let [Some(old), Some(new)] = keys {
        changed("keys.table", format!("`{}`", old.table), format!("`{}`", new.table));
        let seconds = |keys: &authorizer::KeysConfig| format!("{} s", keys.cache().as_secs());
        changed("keys.cache_seconds", seconds(old), seconds(new));
    }
}

/// Compares the settings of limits that refuse callers of any rate: without a plan, or a subject.
fn limits(old: &Side<'_>, new: &Side<'_>, undecided: &mut Vec<Setting>) {
    let Some(before) = &old.config.throttle else { return };
    if before.plan.default.is_none() && old.limits("plan") != new.limits("plan") {
        undecided.push(Setting::new(
            "throttle.plan",
            "changed: callers without a plan were refused, and may have one now",
        ));
    }
    let subject = new.config.throttle.as_ref().map(|throttle| &throttle.subject);
    if before.subject_claims().next().is_some() && subject != Some(&before.subject) {
        undecided.push(Setting::new(
            "throttle.subject",
            "changed: tokens without that claim were refused, and may be accepted now",
        ));
    }
}

fn compare(name: &str, old: Option<&Value>, new: Option<&Value>, undecided: &mut Vec<Setting>) {
    match (old, new) {
        (Some(Value::Table(before)), Some(Value::Table(after))) => {
            for field in names(before, after) {
                let name = format!("{name}.{field}");
                compare(&name, before.get(&field), after.get(&field), undecided);
            }
        }
        (before, after) if before == after => {}
        (before, after) => {
            let what = match (before.is_some(), after.is_some()) {
                (true, true) => "changed: access may widen or narrow",
                (true, false) => "removed: access may widen or narrow",
                _ => "added: access may widen or narrow",
            };
            undecided.push(Setting::new(name, what));
        }
    }
}

fn names(old: &Table, new: &Table) -> BTreeSet<String> {
    old.keys().chain(new.keys()).cloned().collect()
}
