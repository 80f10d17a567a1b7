//! Changes of an HTTP API to the responses of an integration: "Transform API requests and responses
//! for HTTP APIs" of the developer guide.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};

use super::{Change, header_value, mappable};
use crate::gateway::backend::{Call, Fault};
use crate::gateway::expression::{Expression, Values};
use crate::gateway::responses::unsendable;

/// The changes to responses, by the statuses that the integration gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseMappings(BTreeMap<u16, Vec<Mapping>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mapping {
    Header(HeaderName, Change, Expression),
    Status(Expression),
}

impl ResponseMappings {
    /// Reads a response parameter for a status.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn add(&mut self, status: &str, to: &str, from: &str) -> Result<(), String> {
        let known = status_of(status).ok_or_else(|| format!("the status `{status}`"))?;
        let mapping = Mapping::read(to, from)?;
        self.0.entry(known.as_u16()).or_default().push(mapping);
        Ok(())
    }

    /// Changes a response of the integration.
    pub(in crate::gateway) async fn change(
        &self,
        call: &Call<'_>,
        response: Response<Full<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, Fault> {
        let Some(mappings) = self.0.get(&response.status().as_u16()) else { return Ok(response) };
        let (mut head, body) = response.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        // Every value is that of the response as it came.
        let sent = head.headers.clone();
        let values = Values::new(&call.asked, &call.body, call.grant);
        let values = values.answered(head.status, &sent, &body);
        for mapping in mappings {
            match mapping {
                Mapping::Status(value) => {
                    let status = value.value(&values)?.as_deref().and_then(status_of);
                    head.status = status.unwrap_or(head.status);
                }
                Mapping::Header(name, Change::Remove, _) => drop(head.headers.remove(name)),
                Mapping::Header(name, change, value) => {
                    let Some(value) = value.value(&values)? else { continue };
                    let value = header_value(name, &value)?;
                    if *change == Change::Overwrite {
                        head.headers.remove(name);
                    }
                    head.headers.append(name, value);
                }
            }
        }
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

impl Mapping {
    fn read(to: &str, from: &str) -> Result<Self, String> {
        let wrong = || format!("the mapping to `{to}`");
        let (change, place) = to.split_once(':').ok_or_else(wrong)?;
        let change = Change::named(change).ok_or_else(wrong)?;
        if (change, place) == (Change::Overwrite, "statuscode") {
            let value = Expression::of_http_response(from)?;
            // A constant is wrong for every response, any other value perhaps for none.
            return match value.constant().is_none_or(|text| status_of(text).is_some()) {
                true => Ok(Self::Status(value)),
                false => Err(format!("the status `{from}`")),
            };
        }
        let name = mappable(place.strip_prefix("header.").ok_or_else(wrong)?, true)?;
        let value = match change {
            Change::Remove => Expression::default(),
            _ => Expression::of_http_response(from)?,
        };
        Ok(Self::Header(name, change, value))
    }
}

/// A status whose responses can be changed, or that they can be changed to.
fn status_of(text: &str) -> Option<StatusCode> {
    let status = text.parse().ok().filter(|status| unsendable(*status).is_none())?;
    StatusCode::from_u16(status).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_named() {
        for (status, to, from, named) in [
            ("2xx", "append:header.a", "b", "the status `2xx`"),
            ("199", "append:header.a", "b", "the status `199`"),
            ("200", "append:statuscode", "201", "the mapping to `append:statuscode`"),
            ("200", "overwrite:statuscode", "600", "the status `600`"),
            ("200", "overwrite:body", "b", "the mapping to `overwrite:body`"),
            ("200", "append:header.a", "$request.header.a", "the mapping `$request.header.a`"),
            (
                "200",
                "remove:header.x-amzn-a",
                "''",
                "a mapping to `x-amzn-a`, which API Gateway reserves",
            ),
        ] {
            let mut all = ResponseMappings::default();
            assert_eq!(all.add(status, to, from), Err(named.to_owned()));
        }
    }
}
