//! Settings outside the rules that differ between two configurations.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// Tables that decide limits and records, not who may call what.
const HARMLESS: [&str; 2] = ["throttle", "metrics"];

/// A setting whose effect on access is not compared.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its path, such as `issuer.staff.token_use`.
    pub(super) name: String,
    /// The change.
    pub(super) what: String,
}

/// The settings that differ.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) undecided: Vec<Setting>,
    /// True if the rules, or the form of policies, are written differently.
    pub(super) rules_differ: bool,
}

/// Returns what differs in the texts of two configurations that load.
///
/// It compares what is written. A new setting of the authorizer is thus never overlooked, and one
/// that is written out as its default counts as a change.
pub(super) fn changed(old: &str, new: &str) -> Result<Settings, String> {
    let read = |text: &str| text.parse::<Table>().map_err(|error| error.message().to_owned());
    let (old, new) = (read(old)?, read(new)?);
    let mut undecided = Vec::new();
    for name in names(&old, &new) {
        if name == "rule" || HARMLESS.contains(&name.as_str()) {
            continue;
        }
        match (name.as_str(), old.get(&name), new.get(&name)) {
            ("issuer", before, after) => issuers(before, after, &mut undecided),
            (_, before, after) => compare(&name, before, after, &mut undecided),
        }
    }
    let rules_differ = ["rule", "policy"].iter().any(|name| old.get(*name) != new.get(*name));
    Ok(Settings { undecided, rules_differ })
}

/// Compares issuers by name, or else by their pool or address.
///
/// The clients of each are in the comparison of access, and so is an issuer that is gone.
fn issuers(old: Option<&Value>, new: Option<&Value>, undecided: &mut Vec<Setting>) {
    let tables = |list: Option<&Value>| -> Vec<Table> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_table).cloned().collect()
    };
    let name = |issuer: &Table| {
        let names = ["name", "user_pool", "url"].iter().filter_map(|field| issuer.get(*field));
        let name = names.filter_map(Value::as_str).next().unwrap_or_default();
        name.trim_start_matches("https://").trim_start_matches("http://").to_owned()
    };
    let old = tables(old);
    for after in tables(new) {
        let Some(before) = old.iter().find(|before| name(before) == name(&after)) else {
            undecided.push(Setting {
                name: format!("issuer.{}", name(&after)),
                what: "added: its tokens are accepted".to_owned(),
            });
            continue;
        };
        for field in names(before, &after) {
            let (was, is) = (before.get(&field), after.get(&field));
            // Lists of clients are compared by access. "any" and none are the same there, but not
            // to the authorizer.
            let is_list = |value: Option<&Value>| value.is_some_and(Value::is_array);
            let is_any = |value: Option<&Value>| value.is_some_and(Value::is_str);
            let compared = (is_list(was) || is_any(was)) && (is_list(is) || is_any(is));
            if field != "clients" || !compared {
                compare(&format!("issuer.{}.{field}", name(&after)), was, is, undecided);
            }
        }
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
            undecided.push(Setting { name: name.to_owned(), what: what.to_owned() });
        }
    }
}

fn names(old: &Table, new: &Table) -> BTreeSet<String> {
    old.keys().chain(new.keys()).cloned().collect()
}
