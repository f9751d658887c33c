//! Jobs of other programs in the ledger: recorded once, done, and told of.

use super::*;

on_both! {
    async fn gathered_documents_are_done_in_the_order_of_the_stream_and_refused_one_by_one(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        let ledger = place.ledger().await;
        crate::place::apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let document = |customer: &str, phone: usize| {
            json!({ "kind": "update-account", "rows": [{ "customer": customer, "phone": format!("+49 30 {phone:04}") }] }).to_string()
        };
        for number in 0..90 {
            // Every tenth is refused, in one way or the other.
            let text = match number % 20 {
                9 => "{".to_owned(),
                19 => document("nobody", number),
                _ => document("A-1", number),
            };
            desk.send("job", text.as_bytes()).await;
        }
        let mut worker = place.hurried(&["worker", "--drain"]);
        worker.env("TENANTRY__QUEUE__URL", server.url()).env("TENANTRY__QUEUE__PREFIX", &desk.prefix);
        assert!(worker.status().expect("tenantry starts").success());
        desk.cleared().await;
        let rejected = desk.read(&desk.key("inbox:rejected")).await;
        assert_eq!(rejected.len(), 9);
        let asked = ledger.db().read(|tx| tx.query_first("SELECT phone, version FROM customers", &[])).await;
        let row = asked.expect("asked").expect("there");
        assert_eq!((row.text(0).expect("text"), row.int(1).expect("a number")), ("+49 30 0088", 82), "each was done, the last one last");
    }

    async fn the_ledgers_door_records_once_and_reports_faults_of_rows(place: Place) {
        let server = RedisServer::shared().await;
        let desk = Desk::new(server).await;
        let door = LedgerDoor::new(&app(&place, &desk, server.url()).await.service);
        let parse = |document: &Value| JobDocument::parse(document.to_string().as_bytes(), &desk.prefix).expect("well formed");

        let document = json!({ "kind": "add-customer", "rows": [customer()] });
        let first = door.submit(parse(&document), "k:1".to_owned()).await.expect("accepted");
        let again = door.submit(parse(&document), "k:1".to_owned()).await.expect("accepted");
        assert_eq!((first.job, first.is_new, again.is_new), (again.job, true, false));
        let second = json!({ "kind": "add-customer", "rows": [customer()], "parameters": { "skip_invalid": true } });
        let other = door.submit(parse(&second), "k:2".to_owned()).await.expect("accepted");
        assert_ne!(first.job, other.job);
        let jobs = place.ledger().await.jobs(JobFilter { limit: 10, ..JobFilter::default() }).await.expect("jobs");
        assert_eq!(jobs.len(), 2);
        assert!(jobs.iter().any(|job| job.input_name == "k:1" && job.submitted_by == "inbox"));

        let refused = async |document: Value| match door.submit(parse(&document), "k:3".to_owned()).await {
            Err(Refusal::Invalid(reasons)) => reasons,
            other => panic!("refused, not {other:?}"),
        };
        let mut faulty = customer();
        faulty["country"] = "UK".into();
        faulty["email"] = "nobody".into();
        let mut reasons = refused(json!({ "kind": "add-customer", "rows": [customer(), faulty] })).await;
        reasons.sort_by(|a, b| a.path.cmp(&b.path));
        let found: Vec<_> = reasons.iter().map(|reason| (reason.path.as_str(), reason.value.as_str())).collect();
        assert!(found.contains(&("$.rows[1].country", "UK")) && found.contains(&("$.rows[1].email", "nobody")), "{found:?}");
        let subjects = reasons.iter().filter_map(|reason| reason.subject.as_deref());
        assert!(subjects.map(|subject| subject.kind.as_str()).eq(reasons.iter().map(|_| "customer")), "{reasons:?}");

        let reasons = refused(json!({ "kind": "add-customer", "csv": "domain,contry\nx,GB\n" })).await;
        assert!(reasons.iter().all(|reason| reason.path == "$.csv" && reason.line == Some(1)), "{reasons:?}");
        assert!(reasons.iter().any(|reason| reason.suggestion.as_deref() == Some("country")), "{reasons:?}");
        let reasons = refused(json!({ "kind": "add-customer", "csv": format!("{}\n\"x", CUSTOMER.map(|(column, _)| column).join(",")) })).await;
        assert_eq!(reasons[0].code, "unclosed-quote");
        // A quote that swallows rows is found as in files, unless the sender says that it is meant so.
        let swallowed = "customer,address_line2\nx,\"Dock 12\ny,\"\"Store\"\"\nz,Dock 14\"\n";
        let swallowing = json!({ "kind": "update-account", "csv": swallowed, "parameters": { "skip_invalid": true } });
        let reasons = refused(swallowing.clone()).await;
        assert_eq!((reasons[0].code.as_str(), reasons[0].line), ("stray-quote", Some(2)), "{reasons:?}");
        let mut meant = swallowing;
        meant["multiline_cells"] = true.into();
        door.submit(parse(&meant), "k:4".to_owned()).await.expect("accepted, with a row to reject");
        let reused = json!({ "kind": "add-customer", "rows": [customer(), customer()], "idempotency_key": "k:1", "parameters": { "skip_invalid": true } });
        assert_eq!(refused(reused).await[0].path, "$.idempotency_key");
    }

    async fn a_job_from_another_program_is_done_and_its_outcome_told(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        let replies = format!("{}-replies", desk.prefix);
        let document = json!({ "kind": "add-customer", "rows": [customer()], "reply_to": replies, "submitted_by": "billing" });
        let id = desk.send("job", document.to_string().as_bytes()).await;
        let mut worker = place.command(&["worker", "--drain"]);
        worker.env("TENANTRY__QUEUE__URL", server.url()).env("TENANTRY__QUEUE__PREFIX", &desk.prefix);
        let mut worker = Running(worker.spawn().expect("tenantry starts"));
        let ended = eventually("the worker to drain", async || worker.0.try_wait().expect("asked")).await;
        assert!(ended.success(), "{ended:?}");
        let told = desk.read(&replies).await;
        let outcome: Value = serde_json::from_str(&told[0].1[0].1).expect("JSON");
        assert_eq!(outcome["state"], "completed", "{outcome}");
        assert_eq!(outcome["counts"]["applied"], 1);
        assert_eq!(outcome["submitted_by"], "billing");
        assert_eq!(outcome["input"]["name"], format!("{}:inbox:{id}", desk.prefix));
        assert_eq!((&outcome["entry"], &outcome["idempotency_key"]), (&json!(id), &Value::Null), "{outcome}");
        assert!(outcome.get("rows").is_none(), "nobody asked for them: {outcome}");
        assert!(!inbox::waiting(&desk.queue).await.expect("asked"));
    }

    async fn a_sender_is_told_that_its_job_awaits_approval_and_then_how_it_ended(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        let replies = format!("{}-replies", desk.prefix);
        let ledger = place.ledger().await;
        crate::place::apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let users = "customer,user_principal_name,first_name,last_name\nA-1,one@alpha.onmicrosoft.com,One,One\n";
        crate::place::apply(&ledger, "bulk-add-users", users).await;
        let row = json!({ "customer": "A-1", "user_principal_name": "one@alpha.onmicrosoft.com" });
        let document = json!({ "kind": "delete-users", "rows": [row], "reply_to": replies, "submitted_by": "billing", "idempotency_key": "order-7" });
        let entry = desk.send("job", document.to_string().as_bytes()).await;
        let prefix = desk.prefix.clone();
        let drain = async || {
            let mut worker = place.command(&["worker", "--drain"]);
            worker.env("TENANTRY__QUEUE__URL", server.url()).env("TENANTRY__QUEUE__PREFIX", &prefix);
            let mut worker = Running(worker.spawn().expect("tenantry starts"));
            let ended = eventually("the worker to drain", async || worker.0.try_wait().expect("asked")).await;
            assert!(ended.success(), "{ended:?}");
        };
        drain().await;
        let told = desk.read(&replies).await;
        assert_eq!(told.len(), 1, "{told:?}");
        let waits: Value = serde_json::from_str(&told[0].1[0].1).expect("JSON");
        assert_eq!(waits["state"], "awaiting-approval", "{waits}");
        assert_eq!((&waits["entry"], &waits["idempotency_key"]), (&json!(entry), &json!("order-7")), "{waits}");
        let (job, hash) = (waits["job"].as_str().expect("an id"), waits["approval"]["hash"].as_str().expect("a hash"));
        place.tenantry(&["approve", job, "--hash", hash, "--by", "supervisor"]).ends(0);
        drain().await;
        let told = desk.read(&replies).await;
        let outcome: Value = serde_json::from_str(&told[1].1[0].1).expect("JSON");
        assert_eq!((told.len(), &outcome["state"], &outcome["job"]), (2, &json!("completed"), &json!(job)), "{outcome}");
        assert_eq!((&outcome["entry"], &outcome["idempotency_key"]), (&json!(entry), &json!("order-7")), "{outcome}");
    }

    async fn rows_that_were_not_applied_are_told_on_request(place: Place) {
        let server = RedisServer::shared().await;
        let mut desk = Desk::new(server).await;
        let replies = format!("{}-replies", desk.prefix);
        let ledger = place.ledger().await;
        crate::place::apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let row = |phone: String| json!({ "customer": "A-1", "phone": phone });
        let nobody = |n: usize| json!({ "customer": format!("nobody-{n}"), "phone": "+49 30 1" });
        let send = async |desk: &mut Desk, rows: Vec<Value>, key: &str| {
            let document = json!({ "kind": "update-account", "rows": rows, "parameters": { "skip_invalid": true },
                "reply_to": replies, "reply_rows": true, "idempotency_key": key });
            desk.send("job", document.to_string().as_bytes()).await
        };
        let few = send(&mut desk, vec![nobody(0), row("+49 30 7".to_owned()), nobody(1)], "few").await;
        let many = send(&mut desk, (0..1_200).map(nobody).collect(), "many").await;
        let mut worker = place.command(&["worker", "--drain"]);
        worker.env("TENANTRY__QUEUE__URL", server.url()).env("TENANTRY__QUEUE__PREFIX", &desk.prefix);
        let mut worker = Running(worker.spawn().expect("tenantry starts"));
        let ended = eventually("the worker to drain", async || worker.0.try_wait().expect("asked")).await;
        assert!(ended.success(), "{ended:?}");
        let told = desk.read(&replies).await;
        let outcomes: Vec<Value> = told.iter().map(|one| serde_json::from_str(&one.1[0].1).expect("JSON")).collect();
        let of = |entry: &str| outcomes.iter().find(|one| one["entry"] == entry).expect("told");
        let (few, many) = (of(&few), of(&many));
        assert_eq!((&few["counts"]["applied"], &few["counts"]["rejected"]), (&json!(1), &json!(2)), "{few}");
        let rows = few["rows"].as_array().expect("rows");
        let told: Vec<(&Value, &Value, &Value)> = rows.iter().map(|row| (&row["row"], &row["outcome"], &row["code"])).collect();
        let refused = (json!("rejected"), json!("unknown-customer"));
        assert_eq!(told, [(&json!(1), &refused.0, &refused.1), (&json!(3), &refused.0, &refused.1)]);
        assert!(rows[0]["message"].as_str().is_some_and(|message| message.contains("nobody-0")), "{few}");
        assert_eq!(rows[0]["subject"]["key"], "nobody-0", "whom it is about: {few}");
        assert_eq!(few["rows_left_out"], 0);
        let (rows, left) = (many["rows"].as_array().expect("rows").len() as u64, many["rows_left_out"].as_u64());
        assert!(rows > 0 && rows <= 1_000, "{rows}");
        assert_eq!(left, Some(1_200 - rows));
        assert!(many.to_string().len() < 270 << 10);
    }
}

/// The only job with a third row kills the worker that carries it out. Taken in by the first worker, it is carried out as it comes in and
/// leaves no trace; from then on it is recorded first, and found to be at fault as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_kills_its_worker_fails_alone() {
    let place = Place::new(On::Sqlite).await;
    let server = RedisServer::shared().await;
    let mut desk = Desk::new(server).await;
    let ledger = place.ledger().await;
    crate::place::apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
    let row = |name: usize| json!({ "customer": "A-1", "user_principal_name": format!("u{name}@alpha.onmicrosoft.com"), "first_name": "U", "last_name": "U" });
    for rows in [vec![row(1)], vec![row(2), row(3), row(4)], vec![row(5)]] {
        let document = json!({ "kind": "bulk-add-users", "rows": rows });
        desk.send("job", document.to_string().as_bytes()).await;
    }
    let (mut deaths, mut recorded) = (0, Vec::new());
    let drain = || {
        let mut worker = place.hurried(&["worker", "--drain"]);
        worker
            .env("TENANTRY__QUEUE__URL", server.url())
            .env("TENANTRY__QUEUE__PREFIX", &desk.prefix)
            .env("TENANTRY__PASSWORDS__DELIVER", "false")
            .env("TENANTRY_FAILPOINT", "row:3")
            .stderr(std::process::Stdio::null());
        Running(worker.spawn().expect("tenantry starts"))
    };
    while eventually("a worker to end", {
        let mut worker = drain();
        async move || worker.0.try_wait().expect("asked")
    })
    .await
    .code()
    .is_none()
    {
        deaths += 1;
        recorded.push(crate::place::tables::jobs(&ledger).await.len());
        assert!(deaths < 20, "workers die for ever");
    }
    assert_eq!(
        recorded[..2],
        [1, 4],
        "the first death leaves nothing, and then all are recorded"
    );
    assert!((4..20).contains(&deaths), "{deaths}");
    let mut ends: Vec<_> = crate::place::tables::jobs(&ledger)
        .await
        .into_iter()
        .map(|job| (job.seq, job.state.as_str(), job.counts.failed))
        .collect();
    ends.sort_unstable();
    let ends: Vec<_> = ends
        .into_iter()
        .skip(1)
        .map(|(_, state, failed)| (state, failed))
        .collect();
    assert_eq!(ends, [("completed", 0), ("failed", 1), ("completed", 0)]);
    assert_eq!(ledger.verify_audit(None).await.expect("verified").fault_count, 0);
}
