//! The changes of an HTTP API to a request that a function gets as an event.

use super::address::{change_headers, query, whole_path};
use super::wrong;
use crate::gateway::backend::{Call, Fault};
use crate::gateway::expression::Values;

/// Changes the headers, the query and the path of a request, in this order.
pub(in crate::gateway::backend) fn change(call: &mut Call<'_>) -> Result<(), Fault> {
    let mappings = &call.asked.options.request_mappings;
    if mappings.is_empty() {
        return Ok(());
    }
    let values = Values::new(&call.asked, &call.body, call.grant);
    let uri = &call.asked.head.uri;
    let mut headers = call.asked.head.headers.clone();
    change_headers(mappings, &mut headers, &values)?;
    let query = query(mappings, || call.asked.query(), &values)?;
    let query = query.or_else(|| uri.query().map(str::to_owned)).filter(|text| !text.is_empty());
    let path = whole_path(mappings, &values)?.unwrap_or_else(|| uri.path().to_owned());
    let slash = if path.starts_with('/') { "" } else { "/" };
    let query = query.map(|text| format!("?{text}")).unwrap_or_default();
    let changed = format!("{slash}{path}{query}").parse();
    let changed = changed.map_err(|_| wrong("the path that is mapped cannot be called"))?;
    call.asked.head.headers = headers;
    call.asked.head.uri = changed;
    Ok(())
}
