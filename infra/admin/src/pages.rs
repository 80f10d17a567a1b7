//! Reading all pages of a list.

use table::Page;

use crate::error::Error;
use crate::progress::Progress;

/// Reads a list from its first page to its last, and handles each page before it reads the next.
/// `what` names the items in the display of progress.
pub(crate) async fn each_page<T, E>(
    what: &'static str,
    list: impl AsyncFn(Option<String>) -> Result<Page<T>, E>,
    mut handle: impl FnMut(Page<T>) -> Result<(), Error>,
) -> Result<(), Error>
where
    Error: From<E>,
{
    let progress = Progress::new(what, None);
    let mut from = None;
    loop {
        let mut page = list(from).await?;
        progress.add(page.items.len());
        from = page.next.take();
        handle(page)?;
        if from.is_none() {
            return Ok(());
        }
    }
}

/// Pages that `first_pages` reads, a megabyte of the table each.
pub(crate) const MOST_PAGES: usize = 10;

/// Reads the first pages of a list; returns true if there are no others.
pub(crate) async fn first_pages<T, E>(
    what: &'static str,
    list: impl AsyncFn(Option<String>) -> Result<Page<T>, E>,
    mut handle: impl FnMut(Page<T>),
) -> Result<bool, E> {
    let progress = Progress::new(what, None);
    let mut from = None;
    for _ in 0..MOST_PAGES {
        let mut page = list(from).await?;
        progress.add(page.items.len());
        from = page.next.take();
        handle(page);
        if from.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}
