//! HTTP integrations of a definition: address, method, and what is mapped to them.

use http::{HeaderMap, Method, Uri};
use percent_encoding::utf8_percent_encode;

use super::place::{OUTSIDE_OF_A_PATH, OUTSIDE_OF_A_QUERY, Parameter, stays, stays_whole};
use super::{Change, Mapping, Place, header_value, wrong};
use crate::gateway::asked::Asked;
use crate::gateway::backend::{Fault, Templates};
use crate::gateway::expression::Values;

/// An HTTP integration of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The address, with `{name}` for a parameter of the path.
    pub text: String,
    /// The method; without one, that of the request.
    pub method: Option<Method>,
    /// The changes to the request.
    pub mappings: Vec<Mapping>,
    /// The templates of an integration that is not a proxy.
    pub templates: Option<Templates>,
}

impl Address {
    /// The address for a request.
    pub(in crate::gateway::backend) fn uri(
        &self,
        asked: &Asked<'_>,
        values: &Values<'_>,
    ) -> Result<Uri, Fault> {
        let mut text = self.filled(asked, values)?;
        if let Some(path) = whole_path(&self.mappings, values)? {
            text = with_path(&text, &path);
        }
        let is_proxy = self.templates.is_none();
        let pairs = || if is_proxy { asked.query() } else { Vec::new() };
        let sent = || asked.head.uri.query().filter(|_| is_proxy).map(str::to_owned);
        let query = query(&self.mappings, pairs, values)?.or_else(sent);
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            let sign = if text.contains('?') { '&' } else { '?' };
            text.push_str(&format!("{sign}{query}"));
        }
        text.parse().map_err(|_| wrong("the integration's address cannot be called"))
    }

    /// The address with the values of its parameters, which are not looked at for others.
    fn filled(&self, asked: &Asked<'_>, values: &Values<'_>) -> Result<String, Fault> {
        let missing = || wrong("a parameter of the integration's address has no value");
        let mut filled = String::new();
        let mut rest = self.text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(missing)?;
            filled.push_str(before);
            let value = self.parameter(name, asked, values)?.ok_or_else(missing)?;
            filled.push_str(&value.after(&filled)?);
            rest = after;
        }
        filled.push_str(rest);
        if filled != self.text {
            stays_whole(&filled)?;
        }
        Ok(filled)
    }

    /// The value of a parameter: a mapped one, or that of the path.
    fn parameter(
        &self,
        name: &str,
        asked: &Asked<'_>,
        values: &Values<'_>,
    ) -> Result<Option<Parameter>, Fault> {
        let is_greedy = |name: &str| asked.route.resource.contains(&format!("{{{name}+}}"));
        for mapping in self.mappings.iter().filter(|one| one.parameter() == Some(name)) {
            let own = mapping.value.path_parameter();
            let (is_encoded, is_greedy) = (own.is_some(), own.is_some_and(is_greedy));
            if let Some(text) = mapping.value.value(values)? {
                return Ok(Some(Parameter { text, is_encoded, is_greedy }));
            }
        }
        // An HTTP API has decoded it, a REST API has not.
        let is_encoded = !asked.kind().is_http();
        let of = |text: &String| Parameter {
            text: text.clone(),
            is_encoded,
            is_greedy: is_greedy(name),
        };
        Ok(asked.route.parameters.get(name).map(of))
    }

    /// Changes the headers of a request.
    pub(in crate::gateway::backend) fn change(
        &self,
        headers: &mut HeaderMap,
        values: &Values<'_>,
    ) -> Result<(), Fault> {
        change_headers(&self.mappings, headers, values)
    }
}

/// The path that is mapped, if one is; a constant is taken as it is.
pub(super) fn whole_path(
    mappings: &[Mapping],
    values: &Values<'_>,
) -> Result<Option<String>, Fault> {
    let whole = mappings.iter().find(|mapping| mapping.place == Place::Path);
    let Some(Mapping { value, .. }) = whole else { return Ok(None) };
    let Some(path) = value.value(values)? else { return Ok(None) };
    if value.constant().is_some() {
        return Ok(Some(path));
    }
    stays(&path)?;
    Ok(Some(utf8_percent_encode(&path, OUTSIDE_OF_A_PATH).to_string()))
}

/// The query that is made of that of a request; `None` where nothing is mapped to it.
pub(super) fn query(
    mappings: &[Mapping],
    pairs: impl Fn() -> Vec<(String, String)>,
    values: &Values<'_>,
) -> Result<Option<String>, Fault> {
    if !mappings.iter().any(|mapping| matches!(mapping.place, Place::Query(_))) {
        return Ok(None);
    }
    let mut pairs = pairs();
    for mapping in mappings {
        let Place::Query(name) = &mapping.place else { continue };
        let value = mapping.value.value(values)?;
        if mapping.change == Change::Remove
            || (mapping.change == Change::Overwrite && value.is_some())
        {
            pairs.retain(|(own, _)| own != name);
        }
        if mapping.change != Change::Remove {
            pairs.extend(value.map(|value| (name.clone(), value)));
        }
    }
    let escaped = |text: &str| utf8_percent_encode(text, OUTSIDE_OF_A_QUERY).to_string();
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    Ok(Some(pairs.collect::<Vec<_>>().join("&")))
}

/// Changes the headers of a request.
pub(super) fn change_headers(
    mappings: &[Mapping],
    headers: &mut HeaderMap,
    values: &Values<'_>,
) -> Result<(), Fault> {
    for mapping in mappings {
        let Place::Header(name) = &mapping.place else { continue };
        if mapping.change == Change::Remove {
            headers.remove(name);
            continue;
        }
        let Some(value) = mapping.value.value(values)? else { continue };
        let value = header_value(name, &value)?;
        if mapping.change == Change::Overwrite {
            headers.remove(name);
        }
        headers.append(name, value);
    }
    Ok(())
}

/// An address with another path.
fn with_path(text: &str, path: &str) -> String {
    let start = text.find("://").map_or(0, |at| at.saturating_add(3));
    let (scheme, rest) = text.split_at(start);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let query = rest.find('?').map_or("", |at| rest.split_at(at).1);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}{authority}{slash}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_replaced_and_the_rest_stays() {
        for (text, path, expected) in [
            ("https://a.example/b?c=d", "/e", "https://a.example/e?c=d"),
            ("https://a.example", "e/f", "https://a.example/e/f"),
            ("http://a.example:1?c=d", "/", "http://a.example:1/?c=d"),
        ] {
            assert_eq!(with_path(text, path), expected);
        }
    }
}
