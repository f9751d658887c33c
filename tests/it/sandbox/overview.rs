//! The page for people, and who may ask for what is the sandbox's own.

use std::time::Duration;

use serde_json::json;
use tenantry_sandbox::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Here, fresh_id};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_operations_customers_and_calls() {
    let here = Here::new().await;
    here.seed(2).await;
    let id = fresh_id();
    let call = here.request("GET", "/v1/customers?size=1").header("MS-RequestId", &id);
    let list = Here::send(call).await.is(200).json();
    here.fault(&json!({ "operation": "create-user", "fault": "error-503", "times": 3 }))
        .await;
    let evil = json!({ "quirks": ["no-bom"] });
    here.fault(&evil).await;
    let page = Here::send(here.client.get(format!("{}/sandbox", here.base)))
        .await
        .is(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let name = list["items"][0]["companyProfile"]["domain"].as_str().expect("a domain");
    for text in [
        name,
        &id,
        "GET /v1/customers",
        "create-user",
        "error-503",
        "no-bom",
        "customers/{}/applicationconsents",
        "/webhooks/v1/registration",
        "curl",
    ] {
        assert!(page.text.contains(text), "{text}");
    }
    assert!(!page.text.contains("<script"));
    let calls = here.get("/sandbox/calls").await.is(200).json();
    assert_eq!(
        (&calls[0]["request_id"], &calls[0]["status"]),
        (&json!(id), &json!(200))
    );
    assert_eq!(calls[0]["path"], "/v1/customers");
    // What somebody else wrote stays text.
    here.get("/v1/customers/%3Cscript%3E").await.is(400);
    let page = Here::send(here.client.get(format!("{}/sandbox", here.base)))
        .await
        .is(200);
    assert!(page.text.contains("&lt;script&gt;") && !page.text.contains("<script"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandboxes_own_paths_are_for_this_machine_alone() {
    let here = Here::new().await;
    let faults = format!("{}/sandbox/faults", here.base);
    let body = json!({ "quirks": ["no-bom"] });
    for (header, value) in [
        ("host", "attacker.example"),
        ("origin", "https://attacker.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = here.client.post(&faults).header(header, value).json(&body);
        Here::send(request).await.is(403);
    }
    assert_eq!(here.get("/sandbox/faults").await.json()["quirks"], json!([]));
    let own = here.client.post(&faults).header("origin", &here.base).json(&body);
    Here::send(own).await.is(200);
    // A code is not entered by somebody else's page either.
    let entered = here
        .client
        .post(format!("{}/devicelogin", here.base))
        .header("origin", "https://attacker.example");
    Here::send(entered.body("code=X")).await.is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_lines_may_come_in_pieces() {
    let here = Here::new().await;
    let mut line = tokio::net::TcpStream::connect(here.base.trim_start_matches("http://"))
        .await
        .expect("connected");
    for piece in [
        "P",
        "UT /sandbox/none HTTP/1.1\r\nhost: localhost\r\n",
        "content-length: 2\r\nconnection: close\r\n\r\n{",
        "}",
    ] {
        line.write_all(piece.as_bytes()).await.expect("sent");
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let mut answer = String::new();
    line.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

/// What comes back for the pieces of a request, when the rest of it never comes; nothing if the connection ends without.
async fn unfinished(here: &Here, pieces: &[&str]) -> String {
    let mut line = tokio::net::TcpStream::connect(here.base.trim_start_matches("http://"))
        .await
        .expect("connected");
    for piece in pieces {
        line.write_all(piece.as_bytes()).await.expect("sent");
    }
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(crate::servers::PATIENCE, line.read_to_end(&mut answer)).await;
    // It may end with a reset as well.
    drop(ended.expect("the connection ends"));
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_bodies_that_do_not_come_are_not_waited_for() {
    let here = Here::with(Options {
        patience: Duration::from_millis(300),
        ..Options::default()
    })
    .await;
    assert_eq!(unfinished(&here, &[]).await, "");
    assert_eq!(unfinished(&here, &["PR"]).await, "");
    let head = unfinished(&here, &["GET /v1/customers HTTP/1.1\r\nhost: x\r\n"]).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    let body = "POST /v1/customers HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
    let told = unfinished(&here, &[body]).await;
    assert!(told.starts_with("HTTP/1.1 408"), "{told}");
    here.get("/v1/customers").await.is(200);
}
