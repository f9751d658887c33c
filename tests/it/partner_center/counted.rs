//! What is counted of rows that Partner Center carries out, which are recorded a few at a time.

use super::killed::command;
use super::kinds::with_users;
use crate::listen::Listening;

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_once_wherever_they_are_carried_out() {
    let (office, _) = with_users().await;
    let users = "customer,user_principal_name\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com\nalpha.onmicrosoft.com,two@alpha.onmicrosoft.com\n";
    office.submit("delete-users", users).await;
    let log = office.place.path("worker.log");
    let listening = Listening::of(command(&office, &["worker"]), &log).await;
    listening
        .has(
            "tenantry_jobs_finished_total{state=\"completed\",kind=\"delete-users\"}",
            1.0,
        )
        .await;
    for (series, value) in [
        ("tenantry_rows_total{kind=\"delete-users\",outcome=\"applied\"}", 2.0),
        (
            "tenantry_chunk_duration_seconds_count{kind=\"delete-users\",store=\"partner-center\"}",
            1.0,
        ),
        ("tenantry_job_duration_seconds_count{kind=\"delete-users\"}", 1.0),
        (
            "tenantry_partner_center_requests_total{operation=\"delete-user\",status=\"2xx\"}",
            2.0,
        ),
        (
            "tenantry_partner_center_request_duration_seconds_count{method=\"write\"}",
            2.0,
        ),
        ("tenantry_partner_center_customers_blocked", 0.0),
        ("tenantry_partner_center_intents_unknown", 0.0),
    ] {
        listening.has(series, value).await;
    }
}
