//! Rows of `suspend-subscription`, good and bad.

use super::*;
use crate::told::told;

const ID: &str = "4f1c62c2-6e59-4d6a-9f0e-2a6d5b7c1101";

#[test]
fn a_subscription_is_suspended_or_reactivated() {
    let check =
        |cells: &[&str], expected: &[&str]| assert_eq!(told(&SuspendSubscription, cells), expected, "{cells:?}");
    check(&["A-1", ID, "", ""], &[]);
    check(&["A-1", ID, "Reactivate", "paid"], &[]);
    check(&["A-1", ID, "resume", ""], &["unknown-choice action"]);
    check(
        &["", "", "suspnd", ""],
        &[
            "required customer",
            "required subscription_id",
            "unknown-choice action > suspend",
        ],
    );
}
