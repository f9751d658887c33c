//! Customers by their company's name, which is no key: nothing is done for one, and what is told says how to go on.

use serde_json::{Value, json};

use crate::place::{CUSTOMERS, On, Place, on_both};

const MORE: &str = "\
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE,B-1
gamma,ALPHA Ltd,Gil,Gad,gil@gamma.example,Ring 3,Berlin,,10115,DE,G-1
koeln,Köln Bau,Kai,Ko,kai@koeln.example,Ring 4,Berlin,,10115,DE,
";

on_both! {
    async fn a_name_is_a_suggestion_if_it_is_one_customers(place: Place) {
        place.write("customers.csv", format!("{CUSTOMERS}{MORE}"));
        place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
        let microsoft_id = crate::place::column(place.ledger().await.db(), "SELECT tenant_id FROM customers WHERE domain = 'beta.onmicrosoft.com'").await;
        place.write(
            "rows.csv",
            format!(
                "customer,phone\nBeta GmbH,+49 30 1\nbeta gmbh,+49 30 2\nAlpha Ltd,+49 30 3\nKo\u{308}ln Bau,+49 30 4\nBeta,+49 30 5\nB-1,+49 30 6\n\
                 GAMMA.onmicrosoft.com,+49 30 7\n{},+49 30 8\n",
                microsoft_id[0]
            ),
        );
        let told = place.tenantry(&["plan", "update-account", "rows.csv", "--skip-invalid", "--json"]).ends(1).json();
        let errors = told["errors"].as_array().expect("errors").iter();
        let errors: Vec<Value> = errors.map(|one| json!([one["line"], one["code"], one["suggestion"]])).collect();
        assert_eq!(
            errors,
            [
                json!([2, "unknown-customer", "beta.onmicrosoft.com"]),
                json!([3, "unknown-customer", "beta.onmicrosoft.com"]),
                json!([3, "duplicate-in-file", null]),
                json!([4, "ambiguous-customer", null]),
                json!([5, "unknown-customer", "koeln.onmicrosoft.com"]),
                json!([6, "unknown-customer", "beta.onmicrosoft.com"]),
                json!([9, "duplicate-in-file", null]),
            ],
            "{told:#}"
        );
        let text = place.tenantry(&["plan", "update-account", "rows.csv", "--skip-invalid"]).ends(1).out;
        assert!(
            text.contains("2 customers are called so: `alpha.onmicrosoft.com`, `gamma.onmicrosoft.com`; name the one that is meant by an id or a domain"),
            "{text}"
        );
        let run = ["run", "update-account", "rows.csv", "--skip-invalid", "--json"];
        let counts = &place.tenantry(&run).ends(1).json()["counts"];
        assert_eq!((&counts["applied"], &counts["rejected"]), (&json!(2), &json!(6)));
        // One that is let go of is suggested to nobody.
        place.needs_no_approval();
        place.tenantry(&["run", "remove-relationship", "--set", "customer=beta.onmicrosoft.com"]).ends(0);
        let told = place.tenantry(&["plan", "update-account", "--set", "customer=Beta GmbH", "--set", "phone=+49 30 1", "--json"]).ends(1).json();
        assert_eq!(told["errors"][0]["suggestion"], json!(null), "{told:#}");
    }
}
