//! Documents that are too large, alone or together, documents that end their readers, and refused ones that cannot be kept.

use super::*;

/// A good document with blanks, which make it so long.
fn padded(bytes: usize) -> Vec<u8> {
    [good(), vec![b' '; bytes]].concat()
}

impl Desk {
    /// Has a worker that is gone leave entries behind, delivered so many times.
    async fn left_behind(&mut self, id: &str, times: u64) {
        let inbox = self.key("inbox");
        let mut command = redis::cmd("XCLAIM");
        command.arg(&[&inbox, "tenantry", "gone", "0", id, "IDLE", "60000", "RETRYCOUNT"]);
        command.arg(times).arg("JUSTID");
        command.query_async::<()>(&mut self.redis).await.expect("XCLAIM");
    }

    async fn reasons_by_entry(&mut self) -> Vec<(String, String)> {
        let rejected = self.read(&self.key("inbox:rejected")).await;
        let told = rejected.into_iter().map(|(_, fields)| {
            let reasons: Vec<Value> = serde_json::from_str(&fields[1].1).expect("JSON");
            (
                fields[0].1.clone(),
                reasons[0]["code"].as_str().expect("a code").to_owned(),
            )
        });
        told.collect()
    }
}

#[tokio::test]
async fn documents_are_read_as_far_as_they_are_small_enough_and_in_their_order() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let (mut expected, mut refused) = (Vec::new(), Vec::new());
    for bytes in [10, 3 << 20, 9 << 20, 3 << 20, 10, 3 << 20, 7 << 20, 20 << 20, 10, 10] {
        let id = desk.send("job", &padded(bytes)).await;
        if bytes > 8 << 20 {
            refused.push((id, "too-large".to_owned()));
        } else {
            expected.push(format!("{}:inbox:{id}", desk.prefix));
        }
    }
    // One with more names than a document has, and one that looks as if it was cut.
    let mut command = redis::cmd("XADD");
    command.arg(desk.key("inbox")).arg("*");
    (0..1000).for_each(|n| {
        command.arg(n).arg(n);
    });
    let many: String = command.query_async(&mut desk.redis).await.expect("XADD");
    let forged = desk.send("job", b"{}\0tenantry-cut:5").await;
    refused.extend([(many, "too-large".to_owned()), (forged, "missing-key".to_owned())]);
    let doorman = Doorman::default();
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    serving.end().await;
    assert_eq!(doorman.came(), expected);
    let mut told = desk.reasons_by_entry().await;
    told.sort();
    refused.sort();
    assert_eq!(told, refused);
}

#[tokio::test]
async fn a_document_that_ended_its_readers_is_refused_and_those_that_came_with_it_are_not() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    desk.make_group().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(desk.send("job", &good()).await);
    }
    let inbox = desk.key("inbox");
    let mut command = redis::cmd("XREADGROUP");
    command.arg(&["GROUP", "tenantry", "gone", "STREAMS", &inbox, ">"]);
    let _: redis::Value = command.query_async(&mut desk.redis).await.expect("read");
    for (id, times) in ids.iter().zip([1, 2, 10, 1]) {
        desk.left_behind(id, times).await;
    }
    let doorman = Doorman::default();
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    serving.end().await;
    let key = |id: &String| format!("{}:inbox:{id}", desk.prefix);
    assert_eq!(doorman.came(), [&ids[0], &ids[1], &ids[3]].map(key));
    assert_eq!(
        desk.reasons_by_entry().await,
        [(ids[2].clone(), "reader-ended".to_owned())]
    );
}

/// A ledger that is away is no reader that ends, however long it is away.
#[tokio::test]
async fn a_document_that_cannot_be_taken_in_for_now_has_ended_no_reader() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    desk.make_group().await;
    let id = desk.send("job", &good()).await;
    let inbox = desk.key("inbox");
    let mut command = redis::cmd("XREADGROUP");
    command.arg(&["GROUP", "tenantry", "gone", "STREAMS", &inbox, ">"]);
    let _: redis::Value = command.query_async(&mut desk.redis).await.expect("read");
    desk.left_behind(&id, 2).await;
    let doorman = Doorman {
        refusals_first: Arc::new(AtomicUsize::new(6)),
        ..Doorman::default()
    };
    let serving = desk.serve(doorman.clone());
    desk.cleared().await;
    serving.end().await;
    assert_eq!(doorman.came().len(), 7);
    assert_eq!(desk.reasons_by_entry().await, []);
}

#[tokio::test]
async fn a_refused_document_that_cannot_be_kept_stays_and_a_long_one_is_kept_as_a_head() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let rejected = desk.key("inbox:rejected");
    let mut command = redis::cmd("SET");
    command.arg(&[&rejected, "x"]);
    command.query_async::<()>(&mut desk.redis).await.expect("SET");
    let first = desk.send("job", br#"{"kind":"nope"}"#).await;
    let key = "k".repeat(100_000);
    let long = format!(r#"{{"kind":"nope","rows":[{{"domain":"x","password":"s3cret"}}],"idempotency_key":"{key}"}}"#);
    desk.send("job", long.as_bytes()).await;
    let doorman = Doorman::default();
    let serving = desk.serve(doorman.clone());
    desk.send("job", &good()).await;
    eventually("the good one to come", async || {
        (!doorman.came().is_empty()).then_some(())
    })
    .await;
    let inbox = desk.key("inbox");
    eventually("it to be taken off", async || {
        matches!(inbox::waiting(&desk.queue).await, Ok(true)).then_some(())
    })
    .await;
    assert!(desk.number(&["XLEN", &inbox]).await >= 2);
    assert_eq!(desk.number(&["DEL", &rejected]).await, 1);
    desk.cleared().await;
    serving.end().await;
    let kept = desk.read(&rejected).await;
    assert_eq!((kept.len(), &kept[0].1[0].1), (2, &first));
    let of_long = &kept[1].1[2].1;
    let redacted = long.replace("s3cret", "<redacted>");
    assert!(redacted.starts_with(of_long.trim_end_matches('…')) && of_long.len() < 20_000);
    assert!(of_long.len() > 10_000);
}

#[tokio::test]
async fn the_largest_document_is_as_the_worker_was_told() {
    let mut desk = Desk::new(RedisServer::shared().await).await;
    let small = desk.send("job", &padded(1000)).await;
    desk.send("job", &padded(9000)).await;
    let doorman = Doorman::default();
    let serving = desk.serve_up_to(doorman.clone(), 8192);
    desk.cleared().await;
    serving.end().await;
    assert_eq!(doorman.came(), [format!("{}:inbox:{small}", desk.prefix)]);
    let (_, _, reasons) = desk.rejection().await;
    let told = reasons[0].to_string();
    assert!(told.contains("too-large") && told.contains("8192"), "{told}");
}
