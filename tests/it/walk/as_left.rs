//! What was changed and changed back is as it was left, and is taken back; what is another than it was is kept.

use super::undo;
use crate::place::{On, Place, apply, on_both, outcomes};

const USERS: &str = "customer,user_principal_name,first_name,last_name
A-1,one@alpha.onmicrosoft.com,One,Uno
A-1,two@alpha.onmicrosoft.com,Two,Due
A-1,three@alpha.onmicrosoft.com,Three,Tre
";
const TWO: &str = "customer,user_principal_name
A-1,one@alpha.onmicrosoft.com
A-1,two@alpha.onmicrosoft.com
";

fn title(title: &str) -> String {
    format!("customer,user_principal_name,job_title\nA-1,two@alpha.onmicrosoft.com,{title}\n")
}

on_both! {
    async fn a_deletion_that_was_undone_is_no_change(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let made = apply(&ledger, "bulk-add-users", USERS).await;
        for _ in 0..2 {
            let deleted = apply(&ledger, "delete-users", TWO).await;
            undo(&ledger, &deleted).await;
        }
        let undone = undo(&ledger, &made).await;
        assert_eq!(undone.counts.applied, 3, "{:?}", outcomes(&ledger, &undone).await);
    }

    async fn nor_are_a_restored_user_and_an_edit_that_was_undone(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let made = apply(&ledger, "bulk-add-users", USERS).await;
        apply(&ledger, "delete-users", TWO).await;
        apply(&ledger, "restore-users", TWO).await;
        let edited = apply(&ledger, "update-users", &title("Boss")).await;
        undo(&ledger, &edited).await;
        // By hand, there and back.
        apply(&ledger, "update-users", &title("Chief")).await;
        apply(&ledger, "update-users", &title("<clear>")).await;
        let undone = undo(&ledger, &made).await;
        assert_eq!(undone.counts.applied, 3, "{:?}", outcomes(&ledger, &undone).await);
    }

    async fn a_change_that_lasts_keeps_the_user(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let made = apply(&ledger, "bulk-add-users", USERS).await;
        let deleted = apply(&ledger, "delete-users", TWO).await;
        undo(&ledger, &deleted).await;
        apply(&ledger, "update-users", &title("Boss")).await;
        let deleted = apply(&ledger, "delete-users", TWO).await;
        undo(&ledger, &deleted).await;
        let undone = undo(&ledger, &made).await;
        assert_eq!((undone.counts.applied, undone.counts.rejected), (2, 1));
        let rows = ledger.chunk_rows(&undone, 0).await.expect("asked").expect("kept");
        assert_eq!(rows.record(2, 3).code, "edited-since");
        // Another one who has the name by now is no business of the undo.
        let again = undo(&ledger, &made).await;
        assert_eq!(again.counts.applied, 0, "{:?}", outcomes(&ledger, &again).await);
    }

    async fn a_new_password_keeps_the_user_although_nothing_else_differs(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", crate::place::CUSTOMERS).await;
        let made = apply(&ledger, "bulk-add-users", USERS).await;
        apply(&ledger, "reset-passwords", TWO).await;
        let undone = undo(&ledger, &made).await;
        assert_eq!((undone.counts.applied, undone.counts.rejected), (1, 2));
    }
}
