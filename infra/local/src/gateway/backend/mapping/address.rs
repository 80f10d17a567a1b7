//! HTTP integrations of a definition: address, method, and what is mapped to them.

use http::{HeaderMap, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Change, Mapping, Place, header_value, wrong};
use crate::gateway::asked::Asked;
use crate::gateway::backend::{Fault, Templates};
use crate::gateway::expression::Values;

/// The characters that are escaped in a query.
const OUTSIDE_OF_A_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The characters that are escaped in a path's parameter; a greedy one has slashes.
const OUTSIDE_OF_A_PATH: &AsciiSet = &OUTSIDE_OF_A_QUERY.remove(b'/');

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
        let mut text = self.text.clone();
        for mapping in &self.mappings {
            let Place::Parameter(name) = &mapping.place else { continue };
            let Some(value) = mapping.value.value(values) else { continue };
            let value = match mapping.value.is_path_parameter() {
                true => value,
                false => utf8_percent_encode(&value, OUTSIDE_OF_A_QUERY).to_string(),
            };
            text = text.replace(&format!("{{{name}}}"), &value);
        }
        for (name, value) in &asked.route.parameters {
            // An HTTP API has decoded it, a REST API has not.
            let value = match asked.kind().is_http() {
                true => utf8_percent_encode(value, OUTSIDE_OF_A_PATH).to_string(),
                false => value.clone(),
            };
            text = text.replace(&format!("{{{name}}}"), &value);
        }
        if text.contains(['{', '}']) {
            return Err(wrong("a parameter of the integration's address has no value"));
        }
        let whole = self.mappings.iter().find(|mapping| mapping.place == Place::Path);
        if let Some(path) = whole.and_then(|mapping| mapping.value.value(values)) {
            let escaped = utf8_percent_encode(&path, OUTSIDE_OF_A_PATH).to_string();
            let is_constant = whole.is_some_and(|mapping| mapping.value.constant().is_some());
            text = with_path(&text, if is_constant { &path } else { &escaped });
        }
        if let Some(query) = self.query(asked, values).filter(|query| !query.is_empty()) {
            let sign = if text.contains('?') { '&' } else { '?' };
            text.push_str(&format!("{sign}{query}"));
        }
        text.parse().map_err(|_| wrong("the integration's address cannot be called"))
    }

    /// The query of a request, after that of the address.
    fn query(&self, asked: &Asked<'_>, values: &Values<'_>) -> Option<String> {
        let is_query = |mapping: &Mapping| matches!(mapping.place, Place::Query(_));
        let is_proxy = self.templates.is_none();
        if !self.mappings.iter().any(is_query) {
            return asked.head.uri.query().filter(|_| is_proxy).map(str::to_owned);
        }
        let mut pairs = if is_proxy { asked.query() } else { Vec::new() };
        for mapping in &self.mappings {
            let Place::Query(name) = &mapping.place else { continue };
            let value = mapping.value.value(values);
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
        let pairs =
            pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        Some(pairs.collect::<Vec<_>>().join("&"))
    }

    /// Changes the headers of a request.
    pub(in crate::gateway::backend) fn change(
        &self,
        headers: &mut HeaderMap,
        values: &Values<'_>,
    ) -> Result<(), Fault> {
        for mapping in &self.mappings {
            let Place::Header(name) = &mapping.place else { continue };
            if mapping.change == Change::Remove {
                headers.remove(name);
                continue;
            }
            let Some(value) = mapping.value.value(values) else { continue };
            let value = header_value(name, &value)?;
            if mapping.change == Change::Overwrite {
                headers.remove(name);
            }
            headers.append(name, value);
        }
        Ok(())
    }
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
