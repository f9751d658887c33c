//! Audit records: what is left of a call whose answer was lost, where the thing itself does not show it.
//!
//! Every changing call leaves one, with the correlation id it came with; ours follow from the request id. A record is proof.
//! That there is none proves nothing: when records appear is documented nowhere, and not all of them have the id.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::auth::TokenKind;
use super::client::{Call, Operation, correlation_id};
use super::paging::ListPages;
use super::session::Session;
use super::text::text;

const AUDIT_RECORDS: Operation = Operation::new("audit-records", "GET", TokenKind::App);
/// Records of a page; the service gives no more.
const RECORDS: &str = "500";
/// Earlier than this nothing may be asked for, in milliseconds before now.
const KEPT: i64 = 89 * 24 * 3600 * 1000;

/// Whether there is a record of this call about a customer having succeeded. Who cannot look, sees none.
pub(super) async fn audited(session: &Session, customer: &str, request_id: Uuid, since_millis: i64) -> bool {
    let sought = correlation_id(request_id).to_string();
    let earliest = since_millis.max(session.client().now_millis() - KEPT);
    let day = Timestamp::from_millisecond(earliest).unwrap_or(Timestamp::UNIX_EPOCH);
    let filter = json!({ "Field": "CustomerId", "Value": customer, "Operator": "equals" });
    let first = Call::new(AUDIT_RECORDS, "/auditrecords")
        .query("startDate", day.strftime("%Y-%m-%d").to_string())
        .query("size", RECORDS)
        .query("filter", filter.to_string());
    // The answer counts against the partner's limit only.
    let mut pages = ListPages::new(AUDIT_RECORDS, first, "", "/auditrecords");
    let is_it = |record: &Value| {
        text(record, "originalCorrelationId").eq_ignore_ascii_case(&sought)
            && text(record, "operationStatus").eq_ignore_ascii_case("succeeded")
    };
    loop {
        match pages.next(session.client()).await {
            Ok(Some(records)) if records.iter().any(is_it) => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => {
                tracing::debug!("audit records cannot be looked at: {error}");
                return false;
            }
        }
    }
}
