//! Addresses of integrations and authorizers: the function that one names, and the stage variables in
//! one, such as `http://${stageVariables.host}/orders`.

use std::collections::BTreeMap;

/// The beginning of a stage variable.
const OPEN: &str = "${stageVariables.";

/// Returns true for an address with a stage variable in it.
pub(super) fn is_staged(address: &str) -> bool {
    address.contains(OPEN)
}

/// The address with the values of its stage variables, or the name of the first one without a value.
pub(super) fn filled(
    address: &str,
    variables: &BTreeMap<String, String>,
) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = address;
    while let Some((before, after)) = rest.split_once(OPEN)
        && let Some((name, after)) = after.split_once('}')
    {
        let value = variables.get(name).ok_or_else(|| name.to_owned())?;
        filled.extend([before, value]);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The name of the function in an invocation's URI or in an ARN.
pub(super) fn function_of(uri: &str) -> Option<String> {
    let (_, after) = uri.split_once(":function:")?;
    let name: String =
        after.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// The service and action in a URI of API Gateway.
pub(super) fn service(uri: &str) -> &str {
    uri.splitn(5, ':').nth(4).unwrap_or(uri)
}

/// The names in braces, without the sign of a greedy one.
pub(super) fn names_in_braces(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split('{').skip(1);
    after.filter_map(|after| Some(after.split_once('}')?.0.trim_end_matches('+')))
}
