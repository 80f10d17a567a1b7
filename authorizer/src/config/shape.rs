//! The check of a configuration's names and types, before it is read.
//!
//! The messages name the line, the field, the table and the right form, without Rust's types.

use ::policy::RoutePattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fields::{Field, Kind, TABLES, Table};
use super::{Tables, Wrong};

/// The most fields that a message lists.
const MAX_LISTED: usize = 8;

/// Checks the names and types of all tables and fields, and that the required ones are there.
pub(super) fn check(file: &DeTable<'_>, needed: Tables) -> Result<(), Wrong> {
    for (name, value) in file {
        let Some(table) = TABLES.iter().find(|table| table.name == name.get_ref().as_ref()) else {
            return Err(Wrong::at(name.span().start)(unknown_table(name.get_ref())));
        };
        of_table(table, name, value)?;
    }
    for table in TABLES {
        let value = file.get(table.name).map(Spanned::get_ref);
        let is_missing =
            value.is_none_or(|value| value.as_array().is_some_and(|tables| tables.is_empty()));
        let is_optional = match needed {
            // Callers with API keys need no issuer.
            Tables::All => table.name == "issuer" && file.contains_key("keys"),
            Tables::Issuers => table.name != "issuer",
        };
        if let Some(message) = table.required.filter(|_| is_missing && !is_optional) {
            return Err(Wrong::file(message));
        }
    }
    Ok(())
}

/// The place of a field, or of an item of its list; for mistakes that are found later.
///
/// `table` is a table's name and its position among tables of that name. If the field or item is
/// missing, the place is the table's.
pub(super) fn place(
    file: &DeTable<'_>,
    (table, position): (&str, usize),
    field: &str,
    item: &str,
) -> Option<usize> {
    let value = file.get(table)?;
    let header = match value.get_ref() {
        DeValue::Array(tables) => tables.get(position)?,
        _ => value,
    };
    let fields = header.get_ref().as_table()?;
    let is_item = |value: &&Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::Table(fields) => {
            !item.is_empty() && fields.values().any(|it| it.get_ref().as_str() == Some(item))
        }
        value => value.as_str() == Some(item),
    };
    let of_field = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::Array(items) => items.iter().find(is_item).map(|item| item.span().start),
        _ => Some(value).filter(is_item).map(|value| value.span().start),
    };
    let named = fields.iter().find(|(name, _)| name.get_ref().as_ref() == field);
    let found = match named {
        Some((name, value)) => of_field(value).or(Some(name.span().start)),
        None if item.is_empty() => None,
        None => fields.values().find_map(of_field),
    };
    Some(found.unwrap_or(header.span().start))
}

fn of_table(
    table: &Table,
    name: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<(), Wrong> {
    let (at, name) = (name.span().start, table.name);
    match value.get_ref() {
        DeValue::Array(tables) if table.is_list => {
            for value in tables {
                let Some(fields) = value.get_ref().as_table() else {
                    let message = format!("`{name}` must be a table: write [[{name}]]");
                    return Err(Wrong::at(value.span().start)(message));
                };
                of_fields(table.fields, fields, value.span().start, &titled(table, fields))?;
            }
            Ok(())
        }
        DeValue::Table(fields) if table.is_free => of_paths(name, fields),
        DeValue::Table(fields) if !table.is_list => {
            of_fields(table.fields, fields, value.span().start, &format!("[{name}]"))
        }
        _ if table.is_list => Err(Wrong::at(at)(format!(
            "there may be several of [{name}]: write [[{name}]] with two brackets on each side"
        ))),
        _ => Err(Wrong::at(at)(format!(
            "there is only one [{name}]: write it once, with one bracket on each side"
        ))),
    }
}

/// Checks a table whose fields may have any name: each is a list of texts.
fn of_paths(table: &str, written: &DeTable<'_>) -> Result<(), Wrong> {
    let is_list = |value: &DeValue<'_>| value.as_array().is_some_and(|all| all.iter().all(is_text));
    match written.iter().find(|(_, value)| !is_list(value.get_ref())) {
        Some((name, value)) => Err(Wrong::at(name.span().start)(format!(
            "`{}` in [{table}] must be a list of texts, not {}: write the names that lead to the \
             claim, as in `[\"realm_access\", \"roles\"]`",
            name.get_ref().escape_debug(),
            type_of(value.get_ref())
        ))),
        None => Ok(()),
    }
}

/// The name of one of several tables in messages.
fn titled(table: &Table, fields: &DeTable<'_>) -> String {
    match fields.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) if !name.is_empty() => format!("{} `{}`", table.name, name.escape_debug()),
        _ => format!("[[{}]]", table.name),
    }
}

fn of_fields(known: &[Field], written: &DeTable<'_>, at: usize, place: &str) -> Result<(), Wrong> {
    for (name, value) in written {
        let (text, name_at) = (name.get_ref().as_ref(), name.span().start);
        match known.iter().find(|field| field.name == text) {
            Some(field) => of_value(field, value, name_at, place)?,
            None => return Err(Wrong::at(name_at)(unknown_field(known, text, place))),
        }
    }
    let is_missing = |field: &&Field| field.is_required && !written.contains_key(field.name);
    match known.iter().find(is_missing) {
        Some(Field { name, example, .. }) => {
            Err(Wrong::at(at)(format!("{place} has no `{name}`: add `{name} = {example}`")))
        }
        None => Ok(()),
    }
}

/// Checks a value; `at` is the place of the field's name, for mistakes of the whole value.
fn of_value(
    field: &Field,
    value: &Spanned<DeValue<'_>>,
    at: usize,
    place: &str,
) -> Result<(), Wrong> {
    let Field { name, kind, example, .. } = field;
    let shown = format!("`{name}` in {place}");
    let found = value.get_ref();
    let wrong = |wanted: &str, right: &str| {
        let message =
            format!("{shown} must be {wanted}, not {}: write `{name} = {right}`", type_of(found));
        Err(Wrong::at(at)(message))
    };
    // A single text is likely meant as a list of one, and a quoted number as the number.
    let text = found.as_str();
    match (kind, found) {
        (Kind::Text, DeValue::String(_)) | (Kind::Flag, DeValue::Boolean(_)) => Ok(()),
        (Kind::Text, _) => wrong("a text in quotes", example),
        (Kind::TextOrTexts, DeValue::String(_)) => Ok(()),
        (Kind::TextOrTexts, DeValue::Array(items)) if items.iter().all(is_text) => Ok(()),
        (Kind::TextOrTexts, _) => wrong("a text or a list of texts", example),
        (Kind::Flag, _) => wrong(
            "true or false",
            text.filter(|text| matches!(*text, "true" | "false")).unwrap_or(example),
        ),
        (Kind::Whole, DeValue::Integer(number)) => {
            if u64::from_str_radix(number.as_str(), number.radix()).is_ok() {
                return Ok(());
            }
            let is_negative = number.as_str().starts_with('-');
            let fault = if is_negative { "must not be negative" } else { "is too large" };
            Err(Wrong::at(at)(format!("{shown} {fault}: write `{name} = {example}`")))
        }
        (Kind::Whole, _) => wrong(
            "a whole number",
            text.filter(|text| text.parse::<u64>().is_ok()).unwrap_or(example),
        ),
        (Kind::Texts | Kind::Routes | Kind::SomeOf(_), DeValue::Array(items)) => {
            for item in items {
                let at = item.span().start;
                let Some(text) = item.get_ref().as_str() else {
                    let found = type_of(item.get_ref());
                    let message = format!("{shown} must be a list of texts, and has {found}");
                    return Err(Wrong::at(at)(message));
                };
                match kind {
                    Kind::SomeOf(known) => {
                        one_of(known, text, &format!("each of {shown}")).map_err(Wrong::at(at))?;
                    }
                    Kind::Routes => {
                        let route: Result<RoutePattern, _> = text.parse();
                        route.map_err(|error| Wrong::at(at)(error.to_string()))?;
                    }
                    _ => {}
                }
            }
            Ok(())
        }
        (Kind::TextsOrTables(fields), DeValue::Array(items)) => {
            items.iter().try_for_each(|item| match item.get_ref() {
                DeValue::String(_) => Ok(()),
                DeValue::Table(written) => {
                    of_fields(fields, written, item.span().start, &format!("an entry of `{name}`"))
                }
                other => Err(Wrong::at(item.span().start)(format!(
                    "{shown} must be a list of texts or tables, and has {}: write `{name} = \
                     {example}`",
                    type_of(other)
                ))),
            })
        }
        (Kind::TextsOrTables(_), _) => wrong("a list of texts or tables", example),
        (Kind::TextsOrAny, DeValue::Array(items)) => match items.iter().find(|it| !is_text(it)) {
            Some(item) => {
                let found = type_of(item.get_ref());
                let message = format!("{shown} must be a list of texts, and has {found}");
                Err(Wrong::at(item.span().start)(message))
            }
            None => Ok(()),
        },
        (Kind::TextsOrAny, DeValue::String(any)) if any == "any" => Ok(()),
        (Kind::Texts | Kind::Routes | Kind::SomeOf(_), _) => {
            wrong("a list of texts", &listed(text, example))
        }
        (Kind::TextsOrAny, _) => {
            let right = listed(text, example);
            wrong("a list of texts, or \"any\"", &format!("{right}` or `{name} = \"any\""))
        }
        (Kind::OneOf(known), DeValue::String(text)) => {
            one_of(known, text, &shown).map_err(Wrong::at(at))
        }
        (Kind::OneOf(known), _) => wrong(&either(known), example),
        (Kind::OneOfOr(known, _), DeValue::String(text)) => {
            one_of(known, text, &shown).map_err(Wrong::at(at))
        }
        (Kind::OneOfOr(_, fields), DeValue::Table(written)) => {
            of_fields(fields, written, at, &format!("`{name}`"))
        }
        (Kind::OneOfOr(known, fields), _) => {
            let shares = fields.iter().map(|it| format!("{{ {} = {} }}", it.name, it.example));
            let known: Vec<String> = known.iter().map(|text| format!("\"{text}\"")).collect();
            let wanted = format!("{} or {}", known.join(", "), shares.collect::<String>());
            wrong(&wanted, example)
        }
        (Kind::Table(fields, _), DeValue::Table(written)) => {
            of_fields(fields, written, at, &format!("`{name}`"))
        }
        (Kind::Table(_, meant), _) => {
            let meant = text.map(|text| format!("{{ {meant} = \"{}\" }}", text.escape_debug()));
            wrong("a table", meant.as_deref().unwrap_or(example))
        }
        (Kind::Names(_) | Kind::Lists, DeValue::Table(written)) => {
            written.iter().try_for_each(|(entry, value)| {
                let is_right = match value.get_ref() {
                    DeValue::Array(items) if matches!(kind, Kind::Lists) => {
                        items.iter().all(is_text)
                    }
                    DeValue::Table(fields) => match kind {
                        Kind::Names(form) => {
                            fields.len() == 1 && fields.get(*form).is_some_and(is_text)
                        }
                        _ => false,
                    },
                    _ => is_text(value),
                };
                if is_right {
                    return Ok(());
                }
                let wanted = match kind {
                    Kind::Names(form) => format!("a claim's name, or {{ {form} = \"name\" }}"),
                    _ => "a text or a list of texts".to_owned(),
                };
                let entry_name = entry.get_ref().escape_debug();
                let message = format!("`{entry_name}` in `{name}` of {place} must be {wanted}");
                Err(Wrong::at(entry.span().start)(message))
            })
        }
        (Kind::Values, DeValue::Table(_)) => Ok(()),
        (Kind::Names(_) | Kind::Lists | Kind::Values, _) => wrong("a table", example),
    }
}

fn one_of(known: &[&str], text: &str, shown: &str) -> Result<(), String> {
    if known.contains(&text) {
        return Ok(());
    }
    let meant = match nearest(text, known.iter().copied()) {
        Some(meant) => format!("; did you mean \"{meant}\"?"),
        None => String::new(),
    };
    Err(format!("{shown} must be {}, not \"{}\"{meant}", either(known), text.escape_debug()))
}

/// Formats texts as `"a", "b" or "c"`.
fn either(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|text| format!("\"{text}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Writes one text as a list, or returns the example.
fn listed(text: Option<&str>, example: &str) -> String {
    match text {
        Some(text) => format!("[\"{}\"]", text.escape_debug()),
        None => example.to_owned(),
    }
}

fn is_text(value: &Spanned<DeValue<'_>>) -> bool {
    value.get_ref().is_str()
}

/// The name of a value's type in messages.
fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown_table(name: &str) -> String {
    let shown = name.escape_debug();
    if let Some(meant) = nearest(name, TABLES.iter().map(|table| table.name)) {
        return format!("unknown table [{shown}]; did you mean {}?", written(meant));
    }
    match home(name) {
        Some(table) => format!("`{shown}` stands outside any table; it belongs in {table}"),
        None => {
            let names: Vec<String> = TABLES.iter().map(|table| written(table.name)).collect();
            format!("unknown table [{shown}]; there are {}", names.join(", "))
        }
    }
}

fn unknown_field(known: &[Field], name: &str, place: &str) -> String {
    let shown = format!("unknown field `{}` in {place}", name.escape_debug());
    if let Some(meant) = nearest(name, known.iter().map(|field| field.name)) {
        return format!("{shown}; did you mean `{meant}`?");
    }
    if let Some(table) = home(name) {
        return format!("{shown}; it belongs in {table}");
    }
    if known.len() > MAX_LISTED {
        return format!("{shown}; reference.toml lists the fields");
    }
    let names: Vec<String> = known.iter().map(|field| format!("`{}`", field.name)).collect();
    format!("{shown}; it has {}", names.join(", "))
}

/// The first table that has a field of this name.
fn home(name: &str) -> Option<String> {
    let has = |table: &&Table| table.fields.iter().any(|field| field.name == name);
    TABLES.iter().find(has).map(|table| written(table.name))
}

/// A table's name in its brackets.
fn written(name: &str) -> String {
    match TABLES.iter().any(|table| table.name == name && table.is_list) {
        true => format!("[[{name}]]"),
        false => format!("[{name}]"),
    }
}

/// The only known name of which `name` is likely a misspelling.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let most = 1 + name.chars().count() / 5;
    let close = |known: &'k str| (distance(&name.to_lowercase(), &known.to_lowercase()), known);
    let mut known: Vec<_> = known.map(close).filter(|(distance, _)| *distance <= most).collect();
    known.sort_unstable();
    match known.as_slice() {
        [(least, _), (next, _), ..] if least == next => None,
        [(_, meant), ..] => Some(meant),
        [] => None,
    }
}

/// The number of characters to insert, remove or replace to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (position, from) in from.chars().enumerate() {
        let mut next = vec![position + 1];
        for ((to, above_left), above) in to.chars().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            let replaced = above_left + usize::from(from != to);
            next.push(replaced.min(left + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
