//! The question at a terminal: an approver is shown the plan, and types `yes`.

use crate::place::Place;
use crate::place::terminal::at_terminal;

const QUESTION: &str = "Type `yes` to let it run:";

#[tokio::test(flavor = "multi_thread")]
async fn approve_shows_the_plan_and_asks() {
    let place = Place::with_customer().await;
    place.write("users.csv", super::GOOD);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    place.write(
        "leavers.csv",
        "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\n",
    );
    let submitted = place
        .tenantry(&["submit", "delete-users", "leavers.csv", "--json"])
        .json();
    let job = submitted["job"].as_str().expect("a job").to_owned();
    let approve = || place.command(&["approve", &job, "--by", "anna"]);
    for no in ["\n", "y\n", "no\n", "\u{4}"] {
        let (code, seen) = at_terminal(approve(), QUESTION, no).await;
        assert_eq!(code, Some(2), "{seen}");
        assert!(seen.contains("nothing was decided"), "{seen}");
        assert!(
            seen.contains("delete a@alpha.onmicrosoft.com") && seen.contains("(destructive)"),
            "{seen}"
        );
    }
    let waits = place.tenantry(&["show", &job, "--json"]).json();
    assert_eq!(waits["state"], "awaiting-approval");
    let (code, seen) = at_terminal(approve(), QUESTION, "yes\n").await;
    assert_eq!(code, Some(0), "{seen}");
    let done = place.tenantry(&["apply", &job, "--json"]).ends(0).json();
    assert_eq!(done["counts"]["applied"], 1);
    // Where nobody sees what is shown, nobody is asked.
    let refused = place.tenantry(&["approve", &job, "--by", "anna"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}
