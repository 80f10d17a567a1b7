//! The event of a WebSocket API's `$connect`.

use serde_json::{Value, json};

use super::parts::{headers, identity_of_caller, last, query, time};
use crate::gateway::asked::Asked;

pub(super) fn web_socket(asked: &Asked<'_>) -> Value {
    let (headers, query) = (headers(asked, false), query(asked));
    let now_ms = asked.options.now.millis();
    json!({
        "type": "REQUEST",
        "methodArn": asked.arn,
        "headers": last(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last(&query),
        "multiValueQueryStringParameters": query,
        "stageVariables": asked.stage_variables(),
        "requestContext": {
            "routeKey": asked.route.key,
            "eventType": "CONNECT",
            "extendedRequestId": asked.id.extended(),
            "requestTime": time(now_ms),
            "messageDirection": "IN",
            "stage": asked.options.stage(),
            "connectedAt": now_ms,
            "requestTimeEpoch": now_ms,
            "identity": identity_of_caller(asked),
            "requestId": asked.id.as_str(),
            "domainName": asked.domain(),
            "connectionId": asked.id.connection(),
            "apiId": asked.options.api_id(),
        },
    })
}
