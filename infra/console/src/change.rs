//! Changes of the table: each is one conditional write, has an undo, and is a `tollgate` command.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::state::{Shared, State as Console};

mod below;
mod key;
mod plan;
mod revoke;
mod subject;

pub(crate) use revoke::revoke;

/// One change, as the page sends it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Change {
    /// Stores a plan over this version; 0 for a new one.
    PlanPut {
        id: String,
        json: String,
        version: u64,
    },
    /// Deletes this version of a plan.
    PlanDelete {
        id: String,
        version: u64,
    },
    KeyCreate {
        subject: Option<String>,
        plan: Option<String>,
        name: Option<String>,
        /// Days until it expires.
        days: Option<u32>,
    },
    KeyEnable {
        id: String,
    },
    KeyDisable {
        id: String,
    },
    KeyAssign {
        id: String,
        plan: String,
        version: u64,
    },
    /// The old key stays valid for these hours.
    KeyRotate {
        id: String,
        hours: u32,
    },
    /// Assigns a plan, a parent or both over this version; 0 for a new assignment. A missing part
    /// does not change, and an empty text removes the part.
    SubjectAssign {
        subject: String,
        plan: Option<String>,
        parent: Option<String>,
        version: u64,
    },
    SubjectUnassign {
        subject: String,
    },
    SubjectReset {
        subject: String,
    },
    UsageGrant {
        subject: String,
        /// Requests, or the amount of a named meter.
        extra: u64,
        #[serde(default)]
        meter: Option<String>,
        period: throttle::Period,
        id: String,
    },
    /// Revokes the token, session, user or client with this id. Without hours, until no such token
    /// can be accepted.
    Revoke {
        kind: String,
        issuer: String,
        id: String,
        hours: Option<u32>,
        reason: Option<String>,
    },
    RevokeUndo {
        id: String,
    },
    /// Stores a revocation that was deleted.
    RevokeAgain {
        id: String,
        /// Milliseconds since the Unix epoch, here and below.
        revoked: u64,
        expires: u64,
        issued_before: Option<u64>,
        reason: Option<String>,
    },
}

/// A change that was made.
#[derive(Debug)]
pub(crate) struct Done {
    /// A sentence for the page.
    text: String,
    /// The change that undoes it, if there is one.
    undo: Option<Change>,
    /// A new key, shown this once.
    key: Option<String>,
}

impl Done {
    fn new(text: impl Into<String>, undo: impl Into<Option<Change>>) -> Self {
        Self { text: text.into(), undo: undo.into(), key: None }
    }

    /// The change as the page reads it.
    pub(crate) fn json(&self, command: Option<&str>) -> Value {
        let Self { text, undo, key } = self;
        json!({"text": text, "undo": undo, "key": key, "command": command})
    }
}

impl Change {
    /// The command that does the same, if there is one.
    pub(crate) fn command(&self, state: &Console) -> Option<String> {
        match self {
            Self::PlanPut { .. } | Self::PlanDelete { .. } => plan::command(self, state),
            Self::Revoke { .. } | Self::RevokeUndo { .. } => revoke::command(self, state),
            Self::RevokeAgain { .. } => None,
            Self::SubjectAssign { .. }
            | Self::SubjectUnassign { .. }
            | Self::SubjectReset { .. }
            | Self::UsageGrant { .. } => subject::command(self, state),
            _ => key::command(self, state),
        }
    }

    /// A warning before the change, for which the command line asks `--yes`.
    ///
    /// # Errors
    /// The change would be refused, as far as the dialog can check.
    async fn warning(&self, state: &Console) -> Result<Option<String>, Problem> {
        match self {
            Self::SubjectAssign { subject, parent: Some(parent), .. } if !parent.is_empty() => {
                subject::check_parent(state, subject, parent).await
            }
            Self::UsageGrant { subject, meter, period, .. } => {
                subject::granted_window(state, subject, meter.as_deref(), *period).await?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Makes the change.
    pub(crate) async fn apply(self, state: &Console) -> Result<Done, Problem> {
        match self {
            Self::PlanPut { id, json, version } => plan::put(state, &id, &json, version).await,
            Self::PlanDelete { id, version } => plan::delete(state, &id, version).await,
            Self::KeyCreate { subject, plan, name, days } => {
                key::create(state, key::New { subject, plan, name, days }).await
            }
            Self::KeyEnable { id } => key::switch(state, &id, true).await,
            Self::KeyDisable { id } => key::switch(state, &id, false).await,
            Self::KeyAssign { id, plan, version } => key::assign(state, &id, &plan, version).await,
            Self::KeyRotate { id, hours } => key::rotate(state, &id, hours).await,
            Self::SubjectAssign { subject, plan, parent, version } => {
                subject::assign(state, &subject, subject::Parts { plan, parent }, version).await
            }
            Self::SubjectUnassign { subject } => subject::unassign(state, &subject).await,
            Self::SubjectReset { subject } => subject::reset(state, &subject).await,
            Self::UsageGrant { subject, extra, meter, period, id } => {
                subject::grant(state, &subject, (extra, meter.as_deref()), period, &id).await
            }
            Self::Revoke { kind, issuer, id, hours, reason } => {
                revoke(state, &kind, &issuer, &id, hours, reason).await
            }
            Self::RevokeUndo { id } => revoke::undo(state, &id).await,
            Self::RevokeAgain { id, revoked, expires, issued_before, reason } => {
                let times = revoke::Times { revoked, expires, issued_before };
                revoke::again(state, &id, times, reason).await
            }
        }
    }
}

/// A change, or a look at the command for it.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    change: Change,
    /// True to get the command alone.
    #[serde(default)]
    preview: bool,
}

/// `POST /api/change`.
pub(crate) async fn change(
    State(state): Shared,
    Json(Asked { change, preview }): Json<Asked>,
) -> Result<Json<Value>, Problem> {
    let command = change.command(&state);
    if preview {
        let warning = change.warning(&state).await?;
        return Ok(Json(json!({"command": command, "warning": warning})));
    }
    if !state.writes {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this console only reads: start it with `--allow-writes`, or paste the command",
        ));
    }
    let done = change.apply(&state).await?;
    Ok(Json(done.json(command.as_deref())))
}
