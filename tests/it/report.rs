//! Reports of jobs: what they tell, and that their page is safe and needs nothing else.

use crate::place::{Place, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_groups_faults_and_its_page_runs_nothing() {
    let place = Place::with_customer().await;
    let mut users = "customer,user_principal_name,first_name\n".to_owned();
    for n in 0..5 {
        users.push_str(&format!("A-1,<script>alert({n})</script>,\"<img id=x>\"\n"));
    }
    users.push_str("A-1,good@alpha.onmicrosoft.com,Good\nnobody,other@alpha.onmicrosoft.com,Other\n");
    let file = place.write("users <b>&.csv", users);
    let run = [
        "run",
        "bulk-add-users",
        &file.display().to_string(),
        "--skip-invalid",
        "--json",
    ];
    let job = place.tenantry(&run).ends(1).json();
    let job = job["job"].as_str().expect("a job").to_owned();
    let text = place.tenantry(&["report", &job]).ends(0).out;
    assert!(
        text.contains("5 rows rejected: ") && text.contains("… and 2 more"),
        "{text}"
    );
    assert!(text.contains("1 row rejected: unknown-customer"), "{text}");
    let told = place.tenantry(&["report", &job, "--json"]).ends(0).json();
    let groups = told["errors"].as_array().expect("groups");
    assert_eq!((groups.len(), &groups[0]["count"]), (2, &5.into()));
    assert_eq!(groups[0]["examples"].as_array().map(Vec::len), Some(3));
    place.tenantry(&["report", &job, "--html", "report.html"]).ends(0);
    let page = read(place.path("report.html"));
    for forbidden in ["<script", "<img", "<b>&", "http", "src=", "url("] {
        let found = page
            .find(forbidden)
            .map(|at| page[at..].chars().take(40).collect::<String>());
        assert!(found.is_none(), "{forbidden}: {found:?}");
    }
    assert!(
        page.contains("users &lt;b&gt;&amp;.csv") && page.contains("&lt;script&gt;"),
        "escaped, not lost"
    );
    assert!(
        page.contains("@media screen and (prefers-color-scheme: dark)") && page.contains("@media print"),
        "paper is white"
    );
    let nowhere = place
        .tenantry(&["report", &job, "--html", "no/such/report.html"])
        .ends(2);
    assert!(
        nowhere.err.contains("no/such/report.html cannot be written"),
        "{}",
        nowhere.err
    );
}
