//! `GET /sandbox`: the sandbox for people, on one page without scripts.

use std::fmt::Write;

use super::calls::RecentCall;
use super::name_of;
use crate::page::{escaped, page};
use crate::record::{self, CUSTOMER};
use crate::reply::HttpReply;
use crate::request::HttpRequest;
use crate::{PARTNER, Shared, lock, routes};
use tenantry_foundation::db::DbError;

/// Customers that are shown; more are found over the API.
const CUSTOMERS: i64 = 50;

/// The page.
pub(super) async fn overview(shared: &Shared, request: &HttpRequest) -> Result<HttpReply, (u16, String)> {
    let customers = shared.db.read(|tx| {
        let rest = format!("WHERE t.relationship <> 'none' ORDER BY t.id LIMIT {CUSTOMERS}");
        let found = record::select(tx, &CUSTOMER, &rest, &[])?;
        let row = |one: &record::Resource| {
            [
                one.text("companyProfile.companyName"),
                one.text("companyProfile.domain"),
                one.text("id"),
            ]
            .map(str::to_owned)
        };
        Ok::<Vec<[String; 3]>, DbError>(found.iter().map(row).collect())
    });
    let customers = customers.await.map_err(|error| (500, error.to_string()))?;
    let mut body = String::new();
    signing_in(&mut body, shared, &request.base);
    rows(&mut body, "Customers", &["company", "domain", "id"], customers);
    calls(&mut body, &lock(&shared.calls).recent());
    trouble(&mut body, shared, &request.base);
    let served = routes::all().map(|one| [one.method.to_string(), one.address(), one.name.to_owned()]);
    rows(
        &mut body,
        "Operations",
        &["method", "path", "name in scripts of faults"],
        served,
    );
    Ok(page("tenantry sandbox", &body))
}

/// A table under a heading, or that there is nothing.
fn rows<const N: usize>(
    body: &mut String,
    title: &str,
    heads: &[&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    let _ = write!(body, "<h2>{title}</h2>");
    let mut some = String::new();
    for row in rows {
        some.push_str("<tr>");
        for cell in row {
            let _ = write!(some, "<td>{}</td>", escaped(&cell));
        }
        some.push_str("</tr>");
    }
    if some.is_empty() {
        body.push_str("<p>None.</p>");
        return;
    }
    body.push_str("<table><tr>");
    for head in heads {
        let _ = write!(body, "<th>{head}</th>");
    }
    let _ = write!(body, "</tr>{some}</table>");
}

fn signing_in(body: &mut String, shared: &Shared, base: &str) {
    let base = escaped(base);
    let _ = write!(
        body,
        "<p>The API is at <code>{base}/v1/</code>, tokens at <code>{base}/{PARTNER}/oauth2/token</code>, and what clients \
         read about signing in at <code>{base}/{PARTNER}/v2.0/.well-known/openid-configuration</code>. \
         Codes of devices are entered <a href=\"/devicelogin\">here</a>.</p>"
    );
    body.push_str(match shared.options.client_secret {
        Some(_) => "<p>Any client id gets a token, with the secret that the sandbox was started with.</p>",
        None => "<p>Any client id and secret get a token.</p>",
    });
    if shared.options.token.is_some() {
        body.push_str("<p>The token that the sandbox was started with is accepted as well.</p>");
    }
    let _ = write!(
        body,
        "<pre>TOKEN=$(curl -s {base}/{PARTNER}/oauth2/token -d 'grant_type=refresh_token&amp;refresh_token=any&amp;client_id=any' \
         | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')\n\
         curl -H \"Authorization: Bearer $TOKEN\" '{base}/v1/customers?size=5'\n\
         curl -H \"Authorization: Bearer $TOKEN\" '{base}/v1/auditrecords'</pre>"
    );
}

fn calls(body: &mut String, recent: &[RecentCall]) {
    let row = |call: &RecentCall| {
        let RecentCall {
            at,
            method,
            path,
            status,
            request_id,
        } = call;
        [
            at.clone(),
            format!("{method} {path}"),
            status.to_string(),
            request_id.clone(),
        ]
    };
    rows(
        body,
        "Calls, the newest first",
        &["at", "call", "status", "request id"],
        recent.iter().map(row),
    );
    body.push_str(
        "<p>The same as JSON: <a href=\"/sandbox/calls\">calls</a>, <a href=\"/sandbox/counters\">counters</a>.</p>",
    );
}

fn trouble(body: &mut String, shared: &Shared, base: &str) {
    let trouble = lock(&shared.trouble);
    let text = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let chances = trouble
        .chances
        .iter()
        .map(|(fault, chance)| [text(name_of(fault)), format!("{chance} of all calls")]);
    let scripts = trouble.scripts.iter().map(|script| {
        let of = script.operation.as_deref().unwrap_or("any call");
        [
            text(name_of(&script.fault)),
            format!("{} times at {of}, after {}", script.times, script.skip),
        ]
    });
    let quirks = trouble
        .quirks
        .iter()
        .map(|quirk| [text(name_of(quirk)), "always".to_owned()]);
    rows(
        body,
        "Faults and oddities",
        &["name", "when"],
        chances.chain(scripts).chain(quirks).collect::<Vec<_>>(),
    );
    let base = escaped(base);
    let _ = write!(
        body,
        "<pre>curl -d '{{\"operation\": \"create-user\", \"fault\": \"error-503\", \"times\": 2}}' {base}/sandbox/faults\n\
         curl -d '{{\"quirks\": [\"no-bom\"]}}' {base}/sandbox/faults\ncurl -X DELETE {base}/sandbox/faults</pre>"
    );
}
