//! Searches of a list, part by part: the table has no index.

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};
use table::{Failure, Item, Items, Page, StoredPlan};
use throttle::{BucketRecord, Buckets, PlanRecord, Plans};

use crate::problem::Problem;
use crate::state::State as Console;

/// The most matching items of one answer.
const MOST: usize = 100;
/// The most items of the table that one answer reads, which is also the default.
const MOST_READ: u16 = 4_000;
const USUAL_READ: u16 = 250;
/// The number of issuers for which a search reads the subject with this claim.
const MOST_ISSUERS: usize = 4;

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    /// Part of a name, in any case.
    search: String,
    /// The `next` of the answer before. Empty after an exact match, to search from the start.
    from: Option<String>,
    /// The most items of the table to read.
    most: Option<u16>,
}

impl Search {
    /// The text that is searched.
    pub(crate) fn name(&self) -> &str {
        self.search.trim()
    }

    /// The name that one read may find.
    pub(crate) fn exact(&self) -> Vec<String> {
        Some(self.name()).filter(|name| !name.is_empty()).map(str::to_owned).into_iter().collect()
    }

    /// The subjects that one read each may find: the name itself, and a claim at each issuer.
    pub(crate) fn subjects(&self, state: &Console) -> Vec<String> {
        let mut names = self.exact();
        let issuers = state.config().map(|source| source.config.issuers.as_slice());
        for issuer in issuers.unwrap_or_default().iter().take(MOST_ISSUERS) {
            names
                .extend(self.exact().iter().map(|name| format!("{}#{name}", issuer.checks.issuer)));
        }
        names
    }

    /// Returns true if one of the texts has what is searched.
    pub(crate) fn finds(&self, texts: &[Option<&str>]) -> bool {
        let wanted = self.name().to_lowercase();
        texts.iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// Matching items of a table, as far as one answer holds them.
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    damaged: Vec<String>,
    next: Option<String>,
    /// The items of any kind that were read.
    read: u64,
}

/// A kind of items, page by page.
pub(crate) trait Pages<T> {
    fn page(
        &self,
        from: Option<&str>,
        most: u16,
    ) -> impl Future<Output = Result<Page<T>, Failure>> + Send;

    /// The key of an item in the table, as `PREFIX#id`.
    fn pk(item: &T) -> String;
}

impl<T: Item + Send + Sync> Pages<T> for Items<T> {
    async fn page(&self, from: Option<&str>, most: u16) -> Result<Page<T>, Failure> {
        self.list_part(from, most).await
    }

    fn pk(item: &T) -> String {
        format!("{}{}", T::PREFIX, item.id())
    }
}

impl Pages<BucketRecord> for Buckets {
    async fn page(&self, from: Option<&str>, most: u16) -> Result<Page<BucketRecord>, Failure> {
        self.list_part(from, most).await
    }

    fn pk(item: &BucketRecord) -> String {
        format!("{}{}", BucketRecord::PREFIX, item.id())
    }
}

impl Pages<PlanRecord> for Plans {
    async fn page(&self, from: Option<&str>, most: u16) -> Result<Page<PlanRecord>, Failure> {
        self.list_part(from, most).await
    }

    fn pk(item: &PlanRecord) -> String {
        format!("{}{}", StoredPlan::PREFIX, item.id)
    }
}

/// The items whose full name is searched. One read finds each.
pub(crate) struct Exact<T> {
    names: Vec<String>,
    is_first: bool,
    pub(crate) items: Vec<T>,
}

impl<T> Exact<T> {
    /// No items yet of these names.
    pub(crate) const fn new(search: &Search, names: Vec<String>) -> Self {
        Self { names, is_first: search.from.is_none(), items: Vec::new() }
    }

    /// The ids that the first answer to a search reads.
    pub(crate) fn ids<I, E>(&self, parse: impl Fn(&str) -> Result<I, E>) -> Vec<I> {
        let names = self.names.iter().filter(|_| self.is_first);
        names.filter_map(|name| parse(name).ok()).collect()
    }
}

/// Returns the exact matches, or reads one page of the table and keeps what matches.
///
/// The table has no index: the page asks for further parts itself, shows how far it is, and stops.
pub(crate) async fn find<T, P: Pages<T>>(
    search: &Search,
    exact: Exact<T>,
    pages: &P,
    wanted: impl Fn(&T) -> bool,
) -> Result<Found<T>, Problem> {
    let Exact { names, is_first, items } = exact;
    if !items.is_empty() {
        let (next, read) = (Some(String::new()), names.len() as u64);
        return Ok(Found { items, damaged: Vec::new(), next, read });
    }
    let from = search.from.as_deref().filter(|from| !from.is_empty());
    let most = search.most.unwrap_or(USUAL_READ).clamp(1, MOST_READ);
    let Page { items, damaged, mut next, read } = pages.page(from, most).await?;
    let is_exact = |item: &T| {
        let pk = P::pk(item);
        pk.split_once('#').is_some_and(|(_, id)| names.iter().any(|name| name == id))
    };
    // The exact matches were in the first answer.
    let is_known = |item: &T| !is_first && is_exact(item);
    let mut items: Vec<T> =
        items.into_iter().filter(|item| wanted(item) && !is_known(item)).collect();
    if items.len() > MOST {
        items.truncate(MOST);
        // The rest of this page comes with the next answer.
        next = items.last().map(P::pk);
    }
    Ok(Found { items, damaged, next, read })
}

pub(crate) fn answer<T>(found: Found<T>, json: impl FnMut(&T) -> Value) -> Json<Value> {
    let Found { items, damaged, next, read } = found;
    let items: Vec<Value> = items.iter().map(json).collect();
    Json(json!({"items": items, "damaged": damaged, "next": next, "read": read}))
}
