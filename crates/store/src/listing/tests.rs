//! Rows are passed on: all of them, in order, few at a time, and none that nobody wants.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::{BoxFuture, ready};
use futures::{FutureExt, stream};
use tenantry_jobs::{CustomerRef, Request, RowCells};

use super::*;
use crate::reader::{ReadRecord, RecordKey, Records};

/// A store that has these customers, and does not sort.
struct NumberedCustomers {
    /// What it gives in place of some of them.
    other: fn(u64) -> Option<Result<ReadRecord, ApplyError>>,
    count: u64,
    given: Arc<AtomicU64>,
}

impl RecordReader for NumberedCustomers {
    fn title(&self) -> &'static str {
        "the store of tests"
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        ready(Ok(())).boxed()
    }

    fn customer_key<'a>(&'a self, _named: CustomerRef<'a>) -> BoxFuture<'a, Result<String, ApplyError>> {
        ready(Ok(String::new())).boxed()
    }

    fn records(&self, _query: Query) -> Records {
        let (other, given) = (self.other, self.given.clone());
        let record = move |number: u64| {
            given.fetch_add(1, Ordering::Relaxed);
            other(number).unwrap_or_else(|| Ok(Ok(customer(number))))
        };
        stream::iter((0..self.count).map(record)).boxed()
    }
}

fn customer(number: u64) -> StoreRecord {
    let head = CustomerHead {
        // In another order than they come.
        company_name: format!("{:03}", number * 7 % 1_000),
        ..CustomerHead::default()
    };
    StoreRecord::new(Arc::new(head), RecordKey::default(), Vec::new())
}

/// The outcome of a list.
struct Came {
    batches: Vec<RowBatch>,
    end: Result<LeftOut, ApplyError>,
    /// Records that the store was asked for.
    given: u64,
}

impl Came {
    fn names(&self) -> Vec<&str> {
        self.batches.iter().flatten().map(|cells| cells[0].as_str()).collect()
    }
}

async fn list(
    count: u64,
    other: fn(u64) -> Option<Result<ReadRecord, ApplyError>>,
    sort: &'static str,
    limit: Option<u64>,
) -> Came {
    let kind = tenantry_jobs::find("export-customers").expect("a kind");
    let cells: Vec<Option<&str>> = kind
        .columns()
        .iter()
        .map(|column| match column.name {
            "what" => Some("customers"),
            "columns" => Some("company_name"),
            "sort" => Some(sort),
            _ => None,
        })
        .collect();
    let Ok(Request::Export(export)) = kind.request(&RowCells::new(&cells)) else {
        panic!("it asks for a list")
    };
    let given = Arc::new(AtomicU64::new(0));
    let reader = NumberedCustomers {
        other,
        count,
        given: given.clone(),
    };
    let listing = Listing::open(Arc::new(reader), &export)
        .await
        .expect("a list")
        .limited(limit);
    let (send, mut rows) = channel();
    let taking = async {
        let mut batches = Vec::new();
        while let Some(batch) = rows.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (end, batches) = tokio::join!(listing.read(send), taking);
    Came {
        batches,
        end,
        given: given.load(Ordering::Relaxed),
    }
}

#[tokio::test]
async fn rows_that_are_there_are_passed_on_together() {
    let came = list(1_000, |_| None, "", None).await;
    let expected: Vec<String> = (0..1_000).map(|number| format!("{:03}", number * 7 % 1_000)).collect();
    assert_eq!(came.names(), expected);
    assert_eq!(came.batches.len(), 1_000 / BATCH);
    assert!(came.end.is_ok());
}

#[tokio::test]
async fn no_more_is_asked_for_than_is_wanted() {
    for limit in [1, 7, BATCH as u64] {
        let came = list(1_000, |_| None, "", Some(limit)).await;
        assert_eq!((came.names().len() as u64, came.given), (limit, limit));
    }
    let came = list(1_000, |_| None, "", Some(300)).await;
    assert_eq!(came.names().len(), 300);
    assert!(came.given <= 2 * BATCH as u64, "{}", came.given);
    assert_eq!(list(1_000, |_| None, "", Some(0)).await.given, 0);
}

#[tokio::test]
async fn rows_before_an_error_are_passed_on_and_rows_after_the_last_are_ignored() {
    let fails = |number| (number == 5).then(|| Err(ApplyError::Store(StoreError::Unavailable("away".to_owned()))));
    let came = list(1_000, fails, "", None).await;
    assert_eq!(came.names().len(), 5);
    assert!(matches!(came.end, Err(ApplyError::Store(StoreError::Unavailable(_)))));
    let came = list(1_000, fails, "", Some(5)).await;
    assert_eq!(came.names().len(), 5);
    assert!(came.end.is_ok());
}

#[tokio::test]
async fn an_unreadable_customer_counts_for_no_row() {
    let missed = |number: u64| {
        let what = Missed {
            customer: String::new(),
            id: None,
            what: format!("customer {number}"),
            why: "it is not ours".to_owned(),
        };
        number.is_multiple_of(2).then_some(Ok(Err(what)))
    };
    let came = list(1_000, missed, "", Some(300)).await;
    assert_eq!(came.names().len(), 300);
    let told = came.end.expect("a list").told().expect("something to say");
    assert!(
        told.starts_with("left out: customer 0 (it is not ours); customer 2 "),
        "{told}"
    );
}

#[tokio::test]
async fn sorted_rows_come_in_batches_too() {
    for (limit, expected) in [
        (None, 1_000),
        (Some(300), 300),
        (Some(BATCH as u64), BATCH),
        (Some(0), 0),
    ] {
        let came = list(1_000, |_| None, "company_name", limit).await;
        let names = came.names();
        assert_eq!(names.len(), expected);
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(came.batches.len(), expected.div_ceil(BATCH));
    }
}
