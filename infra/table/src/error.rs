//! Errors of calls to the table.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{BuildError, ConnectorError, ProvideErrorMetadata, SdkError};
use aws_smithy_http::endpoint::error::ResolveEndpointError;
use aws_smithy_runtime_api::client::endpoint::error::ResolveEndpointError as UnappliedEndpointError;

/// Error of reading or deleting an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call failed.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The item is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// Error of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The item exists already, or was written or deleted in the meantime.
    #[error("the {item} has changed since it was read: read it again, and repeat the change")]
    Conflict {
        /// The kind of item.
        item: &'static str,
    },
    /// The item does not exist.
    #[error("there is no such {item}")]
    Missing {
        /// The kind of item.
        item: &'static str,
    },
    /// The call failed.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The item is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// Failure of a call. Holds no text that a caller sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// DynamoDB did not answer in time. A write may have been applied.
    #[error("the table didn't answer in time")]
    TimedOut,
    /// No connection was made, or it was reset. A write may have been applied.
    #[error("the table can't be reached: check the endpoint and the network")]
    Unreachable,
    /// DynamoDB failed, the connection broke, or the answer is not DynamoDB's. A write may have been
    /// applied.
    #[error("the endpoint failed or broke the connection, or is not DynamoDB")]
    Outage,
    /// DynamoDB throttled the call.
    #[error("the table is throttled: raise its capacity, or spread the load")]
    Throttled,
    /// The table does not exist.
    #[error("the table doesn't exist: create it, or correct its name and region")]
    NoTable,
    /// The credentials are missing, invalid, or do not allow the call.
    #[error("access to the table was denied ({code}): {}", denied_fix(action.as_deref()))]
    Denied {
        /// DynamoDB's name for the error.
        code: String,
        /// The permission that is missing, such as `dynamodb:Scan`, if DynamoDB names it.
        action: Option<String>,
    },
    /// The SDK has no region, no credentials, or an endpoint that is not a URL. Nothing was sent.
    #[error("no request could be made: set a region, credentials, and an endpoint that is a URL")]
    Unconfigured,
    /// DynamoDB rejected the call.
    #[error("the table refused the request ({code})")]
    Rejected {
        /// DynamoDB's name for the error.
        code: String,
    },
    /// Others changed the item at each try. Nothing was changed.
    #[error("the item changed at each of {calls} tries: try again")]
    Contended {
        /// The number of tries.
        calls: u32,
    },
}

/// A damaged item. Names the attribute, never its value or the item's key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {item} item is damaged: `{attribute}` {problem}; repair or delete it")]
pub struct Damage {
    /// The kind of item.
    pub item: &'static str,
    /// The attribute.
    pub attribute: String,
    /// The problem with the attribute.
    pub problem: String,
}

/// Error of a text that an item cannot hold. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The text is empty.
    #[error("is empty: give it at least one character")]
    Empty,
    /// The text is too long.
    #[error("has {bytes} bytes, and at most {max} fit")]
    TooLong {
        /// The length of the text.
        bytes: usize,
        /// The longest length.
        max: usize,
    },
    /// The text has a control character, such as a line break.
    #[error("holds a control character: use printable text")]
    Control,
}

impl Failure {
    /// Returns true if the same call may succeed later without changing the set-up.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::TimedOut
            | Self::Unreachable
            | Self::Outage
            | Self::Throttled
            | Self::Contended { .. } => true,
            Self::NoTable | Self::Denied { .. } | Self::Unconfigured | Self::Rejected { .. } => {
                false
            }
        }
    }

    fn named(code: Option<&str>, message: Option<&str>) -> Self {
        match code {
            Some(
                "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "ThrottlingException"
                | "TransactionConflictException",
            ) => Self::Throttled,
            Some("ResourceNotFoundException") => Self::NoTable,
            Some(
                code @ ("AccessDeniedException"
                | "ExpiredTokenException"
                | "IncompleteSignatureException"
                | "InvalidSignatureException"
                | "MissingAuthenticationTokenException"
                | "UnrecognizedClientException"),
            ) => Self::Denied { code: code.to_owned(), action: message.and_then(missing_action) },
            Some("InternalServerError" | "ServiceUnavailable" | "InternalFailure") | None => {
                Self::Outage
            }
            Some(code) => Self::Rejected { code: code.chars().take(100).collect() },
        }
    }
}

/// The first permission that a message of AWS names, such as `dynamodb:Scan`.
fn missing_action(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("dynamodb:")?;
    let name: String = rest.chars().take_while(char::is_ascii_alphabetic).take(40).collect();
    (!name.is_empty()).then(|| format!("dynamodb:{name}"))
}

fn denied_fix(action: Option<&str>) -> String {
    match action {
        Some(action) => format!("allow `{action}` in the policy of these credentials"),
        None => "check the credentials and their policy".to_owned(),
    }
}

impl<E: ProvideErrorMetadata, R> From<SdkError<E, R>> for Failure {
    /// Keeps DynamoDB's name for the error and the permission that it names, and nothing else.
    fn from(error: SdkError<E, R>) -> Self {
        match error {
            SdkError::TimeoutError(_) => Self::TimedOut,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::TimedOut,
            SdkError::DispatchFailure(failure) if failure.is_io() => Self::Unreachable,
            SdkError::DispatchFailure(failure)
                if failure.as_connector_error().is_some_and(has_never_left) =>
            {
                Self::Unconfigured
            }
            SdkError::ConstructionFailure(_) => Self::Unconfigured,
            SdkError::ServiceError(service) => {
                Self::named(service.err().code(), service.err().message())
            }
            // Includes all other connection errors: the request may have been sent and applied.
            _ => Self::Outage,
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::Rejected { code: error.to_string() }
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match error {
            Error::Failure(failure) => Self::Failure(failure),
            Error::Damaged(damage) => Self::Damaged(damage),
        }
    }
}

/// Returns true if no byte of the request can have been sent, because it could not be signed or
/// addressed.
fn has_never_left(error: &ConnectorError) -> bool {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    // For hyper, a connection dropped by its runtime is a user's error too, but bytes may have been
    // sent.
    let invalid = error.is_user() && !causes().any(<dyn StdError>::is::<hyper::Error>);
    let unsigned = |cause: &(dyn StdError + 'static)| {
        cause.is::<CredentialsError>()
            || cause.is::<ResolveEndpointError>()
            || cause.is::<UnappliedEndpointError>()
            // The SDK's error for a client without credentials has a private type.
            || cause.to_string().starts_with(NO_AUTH_SCHEME)
    };
    invalid || causes().any(unsigned)
}

/// The start of the SDK's message for a client that has no credentials.
const NO_AUTH_SCHEME: &str = "failed to select an auth scheme";
