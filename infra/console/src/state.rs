//! Everything that the handlers share.

use std::ops::Deref;
use std::sync::Arc;

use table::{Items, Revocations};
use throttle::{PlanId, PlanRecord, Timestamp};
use tokio::sync::Semaphore;

use crate::live::MAX_STREAMS;
use crate::problem::Problem;
use crate::stack::Trial;
use crate::{Live, Options, Source, TableAt};

/// The state of one console.
pub(crate) struct State {
    at: TableAt,
    /// The configurations: the one that is shown first, and last the one of HTTP and WebSocket
    /// APIs.
    pub(crate) sources: Vec<Source>,
    pub(crate) writes: bool,
    pub(crate) live: Option<Live>,
    pub(crate) trial: Option<Trial>,
    /// The places of the pages that follow the requests.
    pub(crate) streams: Arc<Semaphore>,
}

/// The state, as handlers receive it.
pub(crate) type Shared = axum::extract::State<Arc<State>>;

impl State {
    pub(crate) fn new(options: Options) -> Self {
        let Options { at, sources, writes, local } = options;
        let (live, trial) =
            local.map_or((None, None), |local| (Some(local.live.clone()), Some(Trial::new(local))));
        let streams = Arc::new(Semaphore::new(MAX_STREAMS));
        Self { at, sources, writes, live, trial, streams }
    }

    /// The revocations, which may have a table of their own.
    pub(crate) fn revocations(&self) -> Revocations {
        Items::new(self.client.clone(), self.revocation_table())
    }

    pub(crate) fn revocation_table(&self) -> &str {
        let named = self.config().and_then(|source| source.config.revocation.as_ref());
        named.map_or(&self.table, |revocation| &revocation.table)
    }

    /// The configuration that is shown.
    pub(crate) fn config(&self) -> Option<&Source> {
        self.sources.first()
    }

    /// The configuration of this kind of API.
    pub(crate) fn source(&self, is_rest: bool) -> Option<&Source> {
        if is_rest { self.sources.first() } else { self.sources.last() }
    }

    /// The plan of this name, which must be there.
    pub(crate) async fn plan(&self, name: &str) -> Result<PlanRecord, Problem> {
        let id = plan_id(name)?;
        let missing = || {
            let table = &self.table;
            Problem::missing(format!(
                "there is no plan `{id}` in `{table}`: store it first, or correct the name"
            ))
        };
        self.plans().get(&id).await?.ok_or_else(missing)
    }
}

impl Deref for State {
    type Target = TableAt;

    fn deref(&self) -> &TableAt {
        &self.at
    }
}

pub(crate) fn plan_id(name: &str) -> Result<PlanId, Problem> {
    PlanId::new(name).map_err(|error| Problem::wrong(format!("the plan's name {error}")))
}

/// Milliseconds since the Unix epoch, for the page's dates.
pub(crate) fn millis(moment: impl Into<Timestamp>) -> u64 {
    moment.into().as_nanos() / 1_000_000
}
