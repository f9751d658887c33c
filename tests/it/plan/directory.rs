//! Files of users in the property names of Microsoft Graph and of Entra.

use serde_json::json;

use crate::place::Place;

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_are_enabled_may_sign_in() {
    let place = Place::with_customer().await;
    place.write(
        "list.csv",
        "id,displayName,userPrincipalName,givenName,surname,mail,businessPhones,accountEnabled\n\
         1,Ida Ek,ida@alpha.onmicrosoft.com,Ida,Ek,i@x.example,+44 20 7946 0018,True\n\
         2,Bo Ek,bo@alpha.onmicrosoft.com,Bo,Ek,,,False\n\
         3,Kim Ek,kim@alpha.onmicrosoft.com,Kim,Ek,,,FALSCH\n\
         4,Uma Ek,uma@alpha.onmicrosoft.com,Uma,Ek,,,\n",
    );
    let run = [
        "run",
        "bulk-add-users",
        "list.csv",
        "--customer",
        "A-1",
        "--no-passwords",
    ];
    place.tenantry(&run).ends(0);
    place.write(
        "same.csv",
        "customer,user_principal_name,block_sign_in,office_phone\n\
         A-1,ida@alpha.onmicrosoft.com,no,+44 20 7946 0018\nA-1,bo@alpha.onmicrosoft.com,yes,\n\
         A-1,kim@alpha.onmicrosoft.com,yes,\nA-1,uma@alpha.onmicrosoft.com,no,\n",
    );
    let same = ["plan", "update-users", "same.csv", "--json"];
    let same = place.tenantry(&same).ends(0).json();
    assert_eq!(same["totals"]["unchanged"], 4, "{same}");
    place.write(
        "on.csv",
        "userPrincipalName,accountEnabled\nbo@alpha.onmicrosoft.com,yes\nida@alpha.onmicrosoft.com,maybe\n",
    );
    let plan = ["plan", "update-users", "on.csv", "--customer", "A-1", "--json"];
    let told = place.tenantry(&plan).ends(1).json();
    assert_eq!(
        told["rows"][0]["changes"],
        json!([{ "field": "block_sign_in", "old": "yes", "new": "no" }])
    );
    let fault = &told["errors"][0];
    assert_eq!(
        (&fault["header"], &fault["value"]),
        (&json!("accountEnabled"), &json!("maybe"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_bulk_deletion_is_one() {
    let place = Place::with_customer().await;
    place.write("users.csv", "user_principal_name\nida@alpha.onmicrosoft.com\n");
    let run = [
        "run",
        "bulk-add-users",
        "users.csv",
        "--customer",
        "A-1",
        "--no-passwords",
    ];
    place.tenantry(&run).ends(0);
    place.write(
        "leavers.csv",
        "version:v1.0\r\nUser name [userPrincipalName] Required\r\nida@alpha.onmicrosoft.com\r\n",
    );
    let plan = ["plan", "delete-users", "leavers.csv", "--customer", "A-1"];
    let plan = place.tenantry(&plan).ends(0).out;
    assert!(
        plan.contains("line 3: delete ida@alpha.onmicrosoft.com (of Alpha Ltd) (destructive)"),
        "{plan}"
    );
}
