//! Lines about subscriptions name the product and the company, as the store calls them.

use serde_json::{Value, json};

use crate::place::{On, Place, TWO_CUSTOMERS, on_both};

const E3: &str = "7ed8ea9a-0000-4000-8000-000000000001";
const AZURE: &str = "7ed8ea9a-0000-4000-8000-000000000002";
const KIOSK: &str = "7ed8ea9a-0000-4000-8000-000000000004";
const OF_BETA: &str = "7ed8ea9a-0000-4000-8000-000000000003";

fn put_in(place: &Place) {
    place.write("customers.csv", TWO_CUSTOMERS);
    let held = format!(
        "customer,subscription_id,product,product_type\n\
         A-1,{E3},Office 365 E3,legacy-license\n\
         A-1,{AZURE},Microsoft Azure,azure-legacy\n\
         A-1,{KIOSK},Exchange Online Kiosk,legacy-license\n\
         B-2,{OF_BETA},Project Plan 3,new-commerce-license\n"
    );
    place.write("held.csv", held);
    place.tenantry(&["run", "add-customer", "customers.csv"]).ends(0);
    place.tenantry(&["run", "set-subscriptions", "held.csv"]).ends(0);
}

fn of_alpha(product: &str, key: &str) -> Value {
    json!({ "kind": "subscription", "key": key, "product": product, "customer": "alpha.onmicrosoft.com",
        "customer_name": "Alpha Ltd" })
}

fn subjects(rows: &Value) -> Vec<Value> {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| row["subject"].clone()).collect()
}

fn job(place: &Place, command: &[&str]) -> String {
    let told = place.tenantry(command).json();
    told["job"].as_str().expect("a job").to_owned()
}

on_both! {
    async fn plans_jobs_and_undos_name_the_product(place: Place) {
        put_in(&place);
        // An id in another dress, one of another customer, and one in a row that is refused for its cells.
        let braced = format!("{{{}}}", AZURE.to_uppercase());
        place.write(
            "suspend.csv",
            format!(
                "customer,subscription_id,action\nA-1,{E3},\nalpha.onmicrosoft.com,{braced},\nA-1,{OF_BETA},\n\
                 A-1,{KIOSK},sometimes\n"
            ),
        );
        let text = place.tenantry(&["plan", "suspend-subscription", "suspend.csv"]).ends(1).out;
        for line in [
            format!("line 2: change {E3} (Office 365 E3, of Alpha Ltd)"),
            format!("line 3: change {braced} (Microsoft Azure, of Alpha Ltd)"),
            format!(" for {KIOSK} (Exchange Online Kiosk, of Alpha Ltd)"),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        // What another customer has is not told as this one's.
        assert!(!text.contains(&format!("{OF_BETA} (Project Plan 3")), "{text}");
        let told = place.tenantry(&["plan", "suspend-subscription", "suspend.csv", "--json"]).ends(1).json();
        let planned = subjects(&told["rows"]);
        assert_eq!(planned[0], of_alpha("Office 365 E3", E3), "{told:#}");
        assert_eq!(planned[1], of_alpha("Microsoft Azure", &braced), "{told:#}");
        assert_eq!(planned[2]["product"], Value::Null, "{told:#}");
        assert!(subjects(&told["errors"]).contains(&of_alpha("Exchange Online Kiosk", KIOSK)), "{told:#}");

        let run = ["run", "suspend-subscription", "suspend.csv", "--skip-invalid", "--json"];
        let suspended = job(&place, &run);
        let rows = place.tenantry(&["rows", &suspended, "--json"]).ends(0).out;
        let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect();
        assert_eq!(rows[0]["subject"], of_alpha("Office 365 E3", E3), "{rows:#?}");
        let report = place.tenantry(&["report", &suspended]).ends(0).out;
        assert!(report.contains(&format!("{KIOSK} (Exchange Online Kiosk, of Alpha Ltd): ")), "{report}");
        let undo = place.tenantry(&["undo", &suspended, "--plan"]).ends(0).out;
        assert!(undo.contains(&format!("row 1: undo {E3} (Office 365 E3, of Alpha Ltd)")), "{undo}");
        let undo = place.tenantry(&["undo", &suspended, "--plan", "--json"]).ends(0).json();
        assert_eq!(subjects(&undo["rows"])[1], of_alpha("Microsoft Azure", &braced), "{undo:#}");
    }

    async fn a_plan_to_approve_names_the_product_though_the_file_names_no_customer(place: Place) {
        put_in(&place);
        place.write(
            "switch.csv",
            format!(
                "subscription_id,direction,partner_tenant_id,flow,action\n\
                 {KIOSK},out,0180d5e1-945c-407b-8118-9866d29e6868,direct-to-indirect,request\n"
            ),
        );
        let submit = ["submit", "switch-subscription", "switch.csv", "--customer", "A-1", "--json"];
        let parked = job(&place, &submit);
        let plan = place.tenantry(&["plan", &parked]).ends(0).out;
        assert!(plan.contains(&format!("{KIOSK} (Exchange Online Kiosk, of Alpha Ltd)")), "{plan}");
        let plan = place.tenantry(&["plan", &parked, "--json"]).ends(0).json();
        assert_eq!(subjects(&plan["rows"]), [of_alpha("Exchange Online Kiosk", KIOSK)], "{plan:#}");
    }

    async fn a_new_name_of_a_product_is_a_change_of_the_one_that_it_has(place: Place) {
        put_in(&place);
        let new = "7ed8ea9a-0000-4000-8000-000000000009";
        place.write(
            "renamed.csv",
            format!(
                "customer,subscription_id,product,product_type\nA-1,{E3},Microsoft 365 E3,\n\
                 A-1,{new},Visio Plan 2,new-commerce-license\n"
            ),
        );
        let told = place.tenantry(&["plan", "set-subscriptions", "renamed.csv", "--json"]).ends(0).json();
        let named: Vec<(Value, Value)> = subjects(&told["rows"])
            .into_iter()
            .map(|subject| (subject["product"].clone(), subject["name"].clone()))
            .collect();
        let both = |product: &str, name: &str| (json!(product), json!(name));
        assert_eq!(
            named,
            [both("Office 365 E3", "Microsoft 365 E3"), both("Visio Plan 2", "Visio Plan 2")],
            "{told:#}"
        );
    }
}
