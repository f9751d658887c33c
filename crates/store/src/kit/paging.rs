//! Lists, page after page.
//!
//! A list that leads back to where it has been would be read for ever, so that is found out, and no list is read beyond a
//! number of pages. A continuation alone may come twice, where a service keeps the place itself; so it is a loop when a whole
//! page does, items and continuation. One earlier page is remembered at a time, further and further apart (Brent's way of
//! finding cycles).

use std::hash::{DefaultHasher, Hash, Hasher};

use thiserror::Error;

/// No list has more pages.
const MOST: u64 = 100_000;

/// A page of a list.
#[derive(Debug)]
pub struct Page<T, C> {
    /// What is on it.
    pub items: Vec<T>,
    /// What the next page is asked for with; `None` on the last one.
    pub next: Option<C>,
}

/// Why a list is not read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Endless {
    /// It leads in a circle.
    #[error("the list does not end: page {page} is page {earlier} again")]
    Circle {
        /// The page that was read last, from 1.
        page: u64,
        /// The page it is the same as.
        earlier: u64,
    },
    /// It has more pages than any list has.
    #[error("the list does not end: it goes on behind page {0}")]
    TooLong(u64),
}

/// What is still to be read of a list; `C` is what a page is asked for with.
#[derive(Debug)]
pub struct Pages<C> {
    next: Option<C>,
    read: u64,
    most: u64,
    /// An earlier page: its number, and a hash of it.
    mark: (u64, u64),
}

impl<C: Hash> Pages<C> {
    /// A list of which nothing was read.
    pub fn new(first: C) -> Self {
        Self {
            next: Some(first),
            read: 0,
            most: MOST,
            mark: (0, 0),
        }
    }

    /// Whether nothing was read yet.
    pub fn is_at_first(&self) -> bool {
        self.read == 0
    }

    /// The items of the next page; `None` behind the last. `fetch` gets a page; it returns `None` where it turns out that
    /// there is none, which ends the list. After an error nothing is left to be read.
    pub async fn next<T, E, F>(&mut self, fetch: impl FnOnce(C) -> F) -> Result<Option<Vec<T>>, E>
    where
        T: Hash,
        E: From<Endless>,
        F: Future<Output = Result<Option<Page<T, C>>, E>>,
    {
        let Some(call) = self.next.take() else { return Ok(None) };
        if self.read == self.most {
            return Err(Endless::TooLong(self.most).into());
        }
        let Some(page) = fetch(call).await? else {
            return Ok(None);
        };
        self.read += 1;
        self.compare(&page)?;
        self.next = page.next;
        Ok(Some(page.items))
    }

    fn compare<T: Hash>(&mut self, page: &Page<T, C>) -> Result<(), Endless> {
        let mut hasher = DefaultHasher::new();
        (&page.items, &page.next).hash(&mut hasher);
        let hash = hasher.finish();
        let (earlier, marked) = self.mark;
        // A last page ends the list, whatever is on it.
        if earlier > 0 && marked == hash && page.next.is_some() {
            return Err(Endless::Circle {
                page: self.read,
                earlier,
            });
        }
        if self.read.is_power_of_two() {
            self.mark = (self.read, hash);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list whose pages hold a number each, which is what they are asked for with, too.
    async fn read(mut pages: Pages<u64>, after: impl Fn(u64) -> Option<u64>) -> Result<Vec<u64>, Endless> {
        let mut all = Vec::new();
        let fetch = async |number| {
            let (items, next) = (vec![number], after(number));
            Ok::<_, Endless>(Some(Page { items, next }))
        };
        while let Some(items) = pages.next(&fetch).await? {
            all.extend(items);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_end_and_no_further_than_lists_go() {
        let to = |last| move |number| (number < last).then_some(number + 1);
        let all = read(Pages::new(0), to(40)).await;
        assert_eq!(all, Ok((0..=40).collect()));
        let short = |most| Pages { most, ..Pages::new(0) };
        assert!(read(short(41), to(40)).await.is_ok());
        assert_eq!(read(short(40), to(40)).await, Err(Endless::TooLong(40)));
    }

    #[tokio::test]
    async fn a_circle_is_found_wherever_it_begins_and_however_long_it_is() {
        for (begin, length) in [(0, 1), (5, 1), (0, 3), (3, 7), (100, 30)] {
            let after = |number| {
                let next = number + 1;
                Some(if next == begin + length { begin } else { next })
            };
            let found = read(Pages::new(0), after).await;
            let Err(Endless::Circle { page, earlier }) = found else {
                panic!("{begin} {length}: {found:?}")
            };
            assert_eq!((page - earlier) % length, 0, "{begin} {length}");
            assert!(page <= 4 * (begin + length) + 2, "{begin} {length}: {page}");
        }
    }

    #[tokio::test]
    async fn a_continuation_that_stays_the_same_is_no_circle_while_there_is_something_new() {
        let (mut pages, mut given) = (Pages::new("cursor"), 0);
        let mut all: Vec<u64> = Vec::new();
        loop {
            let fetch = async |cursor| {
                given += 1;
                Ok::<_, Endless>((given < 50).then(|| Page {
                    items: vec![given],
                    next: Some(cursor),
                }))
            };
            let Some(items) = pages.next(fetch).await.expect("a page") else {
                break;
            };
            all.extend(items);
        }
        assert_eq!(all, (1..50).collect::<Vec<_>>());
    }
}
