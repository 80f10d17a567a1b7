//! The levels below a subject that gets another parent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;

use table::{Assignment, Chain};

use super::subject::levels;
use crate::problem::Problem;
use crate::state::State;

/// Refuses an assignment by which a subject within this one would have too many levels.
///
/// The table has no index by parent, so its first megabytes are read. Returns a note for the page
/// if there are more.
pub(super) async fn check(state: &State, wanted: &Assignment) -> Result<&'static str, Problem> {
    let (assignments, mut all, mut from) = (state.assignments(), BTreeMap::new(), None);
    for _ in 0..MOST_PAGES {
        let page = assignments.list(from.as_deref()).await?;
        from = page.next;
        let within = page.items.into_iter().filter(|it| it.parent.is_some());
        all.extend(within.map(|it| (it.subject.clone(), it)));
        if from.is_none() {
            break;
        }
    }
    let above = assignments.chain(wanted).await?.parents;
    all.extend(above.into_iter().chain([wanted.clone()]).map(|it| (it.subject.clone(), it)));
    for own in all.values() {
        let known = |name: String| ready(Ok::<_, Infallible>(all.get(&name).cloned()));
        let Ok(chain) = Chain::above(own, known).await;
        if chain.names.contains(&wanted.subject) {
            levels(state, &chain)?;
        }
    }
    Ok(if from.is_some() { UNREAD } else { "" })
}

/// Pages of the table, of a megabyte each.
const MOST_PAGES: usize = 10;
const UNREAD: &str = "; subjects within it were looked for in the first 10 MB of the table: requests \
                      of one with more than four levels are refused";
