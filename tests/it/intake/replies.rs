//! Every document that asks is told once how its job ended, whichever document the job was made of.

use std::collections::HashMap;

use super::*;
use crate::contention::mixture::Dice;

const USERS: &str = "customer,user_principal_name,first_name,last_name\nA-1,one@alpha.onmicrosoft.com,One,One\n";

/// A worker that takes in and does all there is; how it ends.
async fn drain(place: &Place, server: &RedisServer, desk: &Desk, failpoint: &str) -> bool {
    let mut worker = place.hurried(&["worker", "--drain"]);
    worker
        .env("TENANTRY__QUEUE__URL", server.url())
        .env("TENANTRY__QUEUE__PREFIX", &desk.prefix);
    if !failpoint.is_empty() {
        worker.env("TENANTRY_FAILPOINT", failpoint);
    }
    let mut worker = Running(worker.spawn().expect("tenantry starts"));
    let ended = eventually("the worker to drain", async || worker.0.try_wait().expect("asked")).await;
    ended.success()
}

/// What a stream was told.
async fn told(desk: &mut Desk, stream: &str) -> Vec<Value> {
    let told = desk.read(stream).await;
    let outcomes = told.iter().map(|one| serde_json::from_str(&one.1[0].1).expect("JSON"));
    outcomes.collect()
}

async fn send(desk: &mut Desk, document: &Value) -> String {
    desk.send("job", document.to_string().as_bytes()).await
}

fn phone(phone: &str, key: Option<&str>, to: Option<&str>) -> Value {
    let mut document = json!({ "kind": "update-account", "rows": [{ "customer": "A-1", "phone": phone }] });
    for (name, value) in [("idempotency_key", key), ("reply_to", to)] {
        if let Some(value) = value {
            document[name] = value.into();
        }
    }
    document
}

on_both! {
    async fn documents_of_one_key_are_all_answered(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        crate::place::apply(&place.ledger().await, "add-customer", crate::place::CUSTOMERS).await;
        let [one, two, three] = ["one", "two", "three"].map(|name| format!("{}-{name}", desk.prefix));
        let first = send(&mut desk, &phone("+49 30 1", Some("k-7"), Some(&one))).await;
        let second = send(&mut desk, &phone("+49 30 1", Some("k-7"), Some(&two))).await;
        let again = send(&mut desk, &phone("+49 30 1", Some("k-7"), Some(&two))).await;
        assert!(drain(&place, server, &desk, "").await);
        // They are taken in together, and any of them may have made the job.
        let answered = [told(&mut desk, &one).await, told(&mut desk, &two).await];
        assert_eq!((answered[0].len(), answered[1].len()), (1, 2), "{answered:?}");
        let job = answered[0][0]["job"].clone();
        let entry = |reply: &Value| reply["entry"].as_str().expect("an id").to_owned();
        let mut entries: Vec<String> = answered[1].iter().map(entry).collect();
        entries.sort_unstable();
        assert_eq!((entry(&answered[0][0]), entries), (first, vec![second, again]));
        let mut made = 0;
        for one in answered.iter().flatten() {
            let found = (&one["job"], &one["state"], &one["idempotency_key"]);
            assert_eq!(found, (&job, &json!("completed"), &json!("k-7")), "{one}");
            made += usize::from(one["repetition_of"].is_null());
            assert!(one["repetition_of"].is_null() || one["repetition_of"] == job, "{one}");
        }
        assert_eq!(made, 1);
        // One that comes long after the end is told as well, and so is one of a job that nobody had asked about.
        let late = send(&mut desk, &phone("+49 30 1", Some("k-7"), Some(&three))).await;
        send(&mut desk, &phone("+49 30 2", Some("k-8"), None)).await;
        assert!(drain(&place, server, &desk, "").await);
        let asks = send(&mut desk, &phone("+49 30 2", Some("k-8"), Some(&three))).await;
        assert!(drain(&place, server, &desk, "").await);
        let answered = told(&mut desk, &three).await;
        let entries: Vec<&Value> = answered.iter().map(|one| &one["entry"]).collect();
        assert_eq!(entries, [&json!(late), &json!(asks)]);
        assert!(answered.iter().all(|one| one["repetition_of"] == one["job"]), "{answered:?}");
        assert_eq!((told(&mut desk, &one).await.len(), told(&mut desk, &two).await.len()), (1, 2));
        // A key that stands for something else is refused, and the sender that used it so is told.
        let other = send(&mut desk, &phone("+49 30 3", Some("k-7"), Some(&one))).await;
        assert!(drain(&place, server, &desk, "").await);
        let refused = told(&mut desk, &one).await.remove(1);
        assert_eq!((&refused["entry"], &refused["reasons"][0]["code"]), (&json!(other), &json!("key-reused")));
        // Users who were made without passwords are said to be; jobs of other kinds say nothing of them.
        let user = json!({ "customer": "A-1", "user_principal_name": "new@alpha.onmicrosoft.com", "display_name": "New" });
        send(&mut desk, &json!({ "kind": "bulk-add-users", "rows": [user], "reply_to": three })).await;
        assert!(drain(&place, server, &desk, "").await);
        let answered = told(&mut desk, &three).await;
        assert_eq!((answered[0].get("passwords"), &answered[2]["passwords"]), (None, &json!("none")), "{answered:?}");
    }

    async fn documents_of_the_same_content_are_all_answered_each_with_its_own_key_and_rows(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        let ledger = place.ledger().await;
        crate::place::apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        crate::place::apply(&ledger, "bulk-add-users", USERS).await;
        let [one, two] = ["one", "two"].map(|name| format!("{}-{name}", desk.prefix));
        let document = |key: &str, to: &str, rows: bool| {
            let rows_sent = json!([{ "customer": "A-1", "user_principal_name": "one@alpha.onmicrosoft.com" },
                { "customer": "A-1", "user_principal_name": "nobody@alpha.onmicrosoft.com" }]);
            json!({ "kind": "delete-users", "rows": rows_sent, "parameters": { "skip_invalid": true },
                "idempotency_key": key, "reply_to": to, "reply_rows": rows })
        };
        let first = send(&mut desk, &document("a", &one, false)).await;
        assert!(drain(&place, server, &desk, "").await);
        let second = send(&mut desk, &document("b", &two, true)).await;
        assert!(drain(&place, server, &desk, "").await);
        let (waits, also) = (told(&mut desk, &one).await.remove(0), told(&mut desk, &two).await.remove(0));
        assert_eq!((&waits["state"], &also["state"]), (&json!("awaiting-approval"), &json!("awaiting-approval")));
        assert_eq!((&also["entry"], &also["idempotency_key"], &also["repetition_of"]), (&json!(second), &json!("b"), &waits["job"]));
        let (job, hash) = (waits["job"].as_str().expect("an id"), waits["approval"]["hash"].as_str().expect("a hash"));
        place.tenantry(&["approve", job, "--hash", hash, "--by", "supervisor"]).ends(0);
        assert!(drain(&place, server, &desk, "").await);
        let (ended, also) = (told(&mut desk, &one).await.remove(1), told(&mut desk, &two).await.remove(1));
        assert_eq!((&ended["entry"], &ended["state"], ended.get("rows")), (&json!(first), &json!("completed"), None));
        assert_eq!((&also["entry"], &also["idempotency_key"], &also["job"]), (&json!(second), &json!("b"), &ended["job"]));
        assert_eq!((&also["rows"][0]["code"], &also["rows_left_out"]), (&json!("unknown-user"), &json!(0)), "{also}");
    }

    async fn every_document_that_asks_is_told_wherever_workers_are_killed(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        crate::place::apply(&place.ledger().await, "add-customer", crate::place::CUSTOMERS).await;
        let seed = u64::from(std::process::id());
        let mut dice = Dice::new(seed);
        for failpoint in ["", "planning@3", "before-finish@3", "before-commit@2", "after-record@2", "before-replied@1", "after-commit@2"] {
            let mut asked: HashMap<String, String> = HashMap::new();
            for _ in 0..16 {
                let to = (dice.roll(4) > 0).then(|| format!("{}-to-{}", desk.prefix, dice.roll(3)));
                let key = (dice.roll(3) > 0).then(|| format!("{failpoint}-{}", dice.roll(3)));
                let number = key.as_deref().map_or_else(|| format!("+49 30 {}", dice.roll(3)), |key| format!("+49 31 {}", key.len()));
                let entry = send(&mut desk, &phone(&number, key.as_deref(), to.as_deref())).await;
                asked.extend(to.map(|to| (entry, to)));
            }
            if !failpoint.is_empty() {
                drain(&place, server, &desk, failpoint).await;
            }
            assert!(drain(&place, server, &desk, "").await);
            let mut times: HashMap<(String, String), usize> = HashMap::new();
            for number in 0..3 {
                let stream = format!("{}-to-{number}", desk.prefix);
                for one in told(&mut desk, &stream).await {
                    assert_eq!(one["state"], "completed", "{one}");
                    *times.entry((one["entry"].as_str().expect("an id").to_owned(), stream.clone())).or_default() += 1;
                }
                redis::cmd("DEL").arg(&stream).query_async::<()>(&mut desk.redis).await.expect("DEL");
            }
            for (entry, to) in &asked {
                let times = times.remove(&(entry.clone(), to.clone())).unwrap_or_default();
                assert!(if failpoint.is_empty() { times == 1 } else { times >= 1 }, "seed {seed}, {failpoint}: {entry} {times} times");
            }
            assert!(times.is_empty(), "seed {seed}, {failpoint}: told and not asked for: {times:?}");
        }
    }
}

on_both! {
    /// An attacker who writes to the ledger's database cannot have an outcome sent to where documents come in.
    async fn a_reply_stream_in_the_ledger_is_no_way_into_streams_of_ours(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        let ledger = place.ledger().await;
        crate::place::apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let to = format!("{}-replies", desk.prefix);
        send(&mut desk, &phone("+49 30 1", None, Some(&to))).await;
        // Its job is recorded, and no worker has told the outcome.
        drain(&place, server, &desk, "before-replied").await;
        for name in ["inbox", "inbox:rejected", "tickets:1"] {
            let stream = format!("{}:{name}", desk.prefix);
            let sql = "UPDATE jobs SET reply_to = $1, replied_at = NULL, reply_until = 0 WHERE kind = 'update-account'";
            let param = stream.clone().into();
            assert!(ledger.db().write(move |tx| tx.exec(sql, &[param])).await.expect("written") > 0);
            assert!(drain(&place, server, &desk, "").await);
            assert_eq!(told(&mut desk, &stream).await, [] as [Value; 0], "{name}");
        }
    }
}
