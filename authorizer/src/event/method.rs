//! The method that is called, as usage plans name it.

use policy::Target;

use super::Form;
use super::members::Members;

/// The longest path of a method that is looked up, in bytes: as long as a method's ARN may be.
const MAX_PATH: usize = 1_600;

/// The key of the method in a plan: the resource's path and the verb, `/orders/{id}/GET`.
///
/// None where nothing is called by a method: for a WebSocket, and for an HTTP API's `$default`.
pub(super) fn of(form: Form, members: Members<'_>, target: Target<'_>) -> Option<String> {
    let (path, verb) = match form {
        Form::RestToken => match target {
            Target::Method { verb, path } => (path, verb),
            Target::RouteKey(_) => return None,
        },
        Form::RestRequest | Form::Http1 => (members.text("resource")?, members.text("httpMethod")?),
        Form::Http2 => {
            let (verb, path) = members.text("routeKey")?.split_once(' ')?;
            (path, verb)
        }
        Form::WebSocket => return None,
    };
    (path.starts_with('/') && path.len() <= MAX_PATH).then(|| format!("{path}/{verb}"))
}
