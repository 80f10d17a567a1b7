//! Answers to CloudFormation.

use serde::Serialize;
use table::Digest;

use crate::{Resource, Wanted};

/// The answer to a custom resource (AWS CloudFormation User Guide, "Custom resource response
/// objects").
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    status: Status,
    reason: String,
    physical_resource_id: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
    #[serde(skip)]
    url: String,
}

/// The attributes of the custom resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    settings: String,
}

/// The result of a custom resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The deployment goes on.
    Success,
    /// The deployment is rolled back, with the reason.
    Failed,
}

/// Errors of giving the answer. CloudFormation then waits for an hour.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The client cannot be made.
    #[error(transparent)]
    Tls(#[from] table::connect::TlsError),
    /// The answer cannot be written.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The answer did not arrive. The address has a signature, so it is left out.
    #[error("the answer was not sent: {0}")]
    Send(#[source] reqwest::Error),
}

impl Resource {
    /// Returns the plans to store; `None` if the resource is deleted. Stored plans stay.
    #[must_use]
    pub fn wanted(&self) -> Option<&Wanted> {
        (self.request_type != "Delete").then_some(&self.resource_properties)
    }

    /// Makes the answer.
    #[must_use]
    pub fn answer(self, status: Status, reason: String) -> Answer {
        let data = self.wanted().map(|wanted| Data { settings: wanted.settings_digest() });
        Answer {
            data,
            status,
            reason,
            physical_resource_id: self.physical_resource_id.unwrap_or_else(|| "plans".to_owned()),
            stack_id: self.stack_id,
            request_id: self.request_id,
            logical_resource_id: self.logical_resource_id,
            url: self.response_url,
        }
    }
}

impl Wanted {
    /// Returns the digest of the settings' JSON: the same text for the same settings.
    fn settings_digest(&self) -> String {
        Digest::of(&[self.settings.to_string().as_bytes()]).to_string()
    }
}

impl Answer {
    /// Sends the answer to the address in the event.
    ///
    /// # Errors
    /// The system has no root certificates, or CloudFormation does not accept the answer.
    pub async fn send(&self) -> Result<(), AnswerError> {
        let tls = table::connect::tls()?;
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls.as_ref().clone());
        // The signature in the address covers an empty content type.
        let body = serde_json::to_vec(self)?;
        let sent = async { client.build()?.put(&self.url).body(body).send().await };
        let answered = sent.await.and_then(reqwest::Response::error_for_status);
        answered.map(drop).map_err(|error| AnswerError::Send(error.without_url()))
    }
}
