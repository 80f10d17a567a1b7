//! Constraints on the values of parameters.

use serde_json::Value;

use crate::gateway::Pattern;
use crate::template::Error;
use crate::template::text::text_of;

/// The compiled size of a pattern, in bytes: the start alone waits for it.
const MAX_SIZE: usize = 256 * 1024;

/// Refuses a value that the parameter's type or a constraint does not allow, as CloudFormation does.
///
/// A pattern in a form that is not understood here refuses nothing. No message has the value, which
/// may be a secret.
pub(super) fn check(name: &str, declared: &Value, text: &str) -> Result<(), Error> {
    let of = |member: &str| declared.get(member).and_then(text_of);
    let kind = of("Type").unwrap_or_default();
    let is_list = kind.starts_with("List<") || kind == "CommaDelimitedList";
    let allowed = declared.get("AllowedValues").and_then(Value::as_array);
    let allowed: Option<Vec<String>> = allowed.map(|all| all.iter().filter_map(text_of).collect());
    let wrong = match (allowed, kind.as_str()) {
        (Some(all), _) if !all.iter().any(|one| one == text) => {
            Some(format!("be one of `{}`", all.join("`, `")))
        }
        (_, "Number") => outside(text, of("MinValue"), of("MaxValue")),
        (_, "List<Number>") => {
            let mut entries = text.split(',').map(str::trim);
            let is_wrong = entries.any(|entry| number(entry).is_none());
            is_wrong.then(|| "be a list of numbers".to_owned())
        }
        _ if is_list => None,
        _ => too_long_or_short(text, of("MinLength"), of("MaxLength"))
            .or_else(|| not_matched(text, of("AllowedPattern"))),
    };
    wrong.map_or(Ok(()), |must| Err(Error::Value(name.to_owned(), must)))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn outside(text: &str, least: Option<String>, most: Option<String>) -> Option<String> {
    let Some(found) = number(text) else { return Some("be a number".to_owned()) };
    let bound = |text: &String| number(text);
    if let Some(least) = least.filter(|least| bound(least).is_some_and(|least| found < least)) {
        return Some(format!("be {least} or more"));
    }
    let most = most.filter(|most| bound(most).is_some_and(|most| found > most))?;
    Some(format!("be {most} or less"))
}

fn too_long_or_short(text: &str, least: Option<String>, most: Option<String>) -> Option<String> {
    let length = text.chars().count();
    let bound = |text: &String| text.parse::<usize>().ok();
    if let Some(least) = least.filter(|least| bound(least).is_some_and(|least| length < least)) {
        return Some(format!("have {least} characters or more"));
    }
    let most = most.filter(|most| bound(most).is_some_and(|most| length > most))?;
    Some(format!("have {most} characters or fewer"))
}

/// A pattern must match the whole value.
fn not_matched(text: &str, pattern: Option<String>) -> Option<String> {
    let pattern = pattern?;
    let whole = Pattern::within(MAX_SIZE, &pattern).ok()?;
    (!whole.is_match(text)).then(|| format!("match the pattern `{pattern}`"))
}
