//! Plans call customers and products as Partner Center does, and ask for nothing to do so.

use serde_json::{Value, json};

use super::Office;
use crate::place::read;

fn subjects(rows: &Value) -> Vec<Value> {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| row["subject"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_refused_rows_name_company_and_product() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    let path = office.here.subscription(&alpha, 5).await;
    let others = [
        office.here.subscription(&alpha, 2).await,
        office.here.subscription(&alpha, 3).await,
    ];
    let product = office.here.get(&path).await.json()["offerName"].clone();
    let product = product.as_str().expect("a name");
    let id = |path: &str| path.rsplit('/').next().expect("an id").to_owned();
    let dressed = format!("{{{}}}", id(&path).to_uppercase());
    let [refused, not_betas] = others.map(|path| id(&path));
    // By whatever name of the customer, refused for its cells, and of a customer that does not hold it.
    office.place.write(
        "suspend.csv",
        format!(
            "customer,subscription_id,action\n{alpha},{dressed},\nalpha.onmicrosoft.com,{refused},sometimes\n\
             {beta},{not_betas},\n"
        ),
    );
    let of_alpha = |key: &str| {
        json!({ "kind": "subscription", "key": key, "product": product, "customer": "alpha.onmicrosoft.com",
            "customer_name": "Alpha Ltd" })
    };
    let told = office
        .tenantry(&["plan", "suspend-subscription", "suspend.csv", "--json"])
        .ends(1)
        .json();
    let planned = subjects(&told["rows"]);
    assert_eq!(planned[0], of_alpha(&dressed), "{told:#}");
    assert_eq!(planned[1], of_alpha(&refused), "{told:#}");
    assert_eq!(planned[2]["customer_name"], "Beta GmbH", "{told:#}");
    assert_eq!(planned[2]["product"], Value::Null, "{told:#}");
    let errors = subjects(&told["errors"]);
    assert_eq!(errors[0], planned[1], "{told:#}");
    assert_eq!(errors[1], planned[2], "{told:#}");
    let text = office
        .tenantry(&["plan", "suspend-subscription", "suspend.csv"])
        .ends(1)
        .out;
    assert!(
        text.contains(&format!("line 2: change {dressed} ({product}, of Alpha Ltd)")),
        "{text}"
    );

    // Users and customers as well.
    office.here.user(&alpha, "ida", "alpha").await;
    office.place.write(
        "leavers.csv",
        format!("customer,user_principal_name\n{alpha},ida@alpha.onmicrosoft.com\n"),
    );
    let text = office.tenantry(&["plan", "delete-users", "leavers.csv"]).ends(0).out;
    assert!(
        text.contains("line 2: delete ida@alpha.onmicrosoft.com (of Alpha Ltd)"),
        "{text}"
    );
    office.place.write("end.csv", format!("customer\n{beta}\n"));
    let text = office.tenantry(&["plan", "remove-relationship", "end.csv"]).ends(0).out;
    assert!(
        text.contains("end the relationship with Beta GmbH (beta.onmicrosoft.com)"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_jobs_name_company_and_product_without_asking_again() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    let path = office.here.subscription(&alpha, 5).await;
    let product = office.here.get(&path).await.json()["offerName"].clone();
    let product = product.as_str().expect("a name");
    let id = path.rsplit('/').next().expect("an id");
    let other = office.here.subscription(&beta, 2).await;
    let not_alphas = other.rsplit('/').next().expect("an id");
    office.place.write(
        "suspend.csv",
        format!("customer,subscription_id\n{alpha},{id}\nALPHA.onmicrosoft.com,{not_alphas}\n"),
    );
    let run = ["run", "suspend-subscription", "suspend.csv", "--skip-invalid", "--json"];
    let suspended = office.tenantry(&run).ends(1).json()["job"].clone();
    let suspended = suspended.as_str().expect("a job");
    office.here.user(&alpha, "ida", "alpha").await;
    office.place.write(
        "leavers.csv",
        format!("customer,user_principal_name\n{alpha},ida@alpha.onmicrosoft.com\n"),
    );
    office.tenantry(&["policy", "reset", "approval.required"]).ends(0);
    let submit = ["submit", "delete-users", "leavers.csv", "--json"];
    let parked = office.tenantry(&submit).ends(0).json()["job"].clone();
    let parked = parked.as_str().expect("a job");

    // What was recorded is read without the service.
    let counters = async || office.here.get("/sandbox/counters").await.json()["operations"].clone();
    let asked = counters().await;
    let of_alpha = json!({ "kind": "subscription", "key": id, "product": product, "customer": "alpha.onmicrosoft.com",
        "customer_name": "Alpha Ltd" });
    let rows = office.tenantry(&["rows", suspended, "--json"]).ends(0).out;
    let rows: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).expect("JSON"))
        .collect();
    assert_eq!(rows[0]["subject"], of_alpha, "{rows:#?}");
    let report = office.tenantry(&["report", suspended]).ends(0).out;
    assert!(report.contains(&format!("{not_alphas} (of Alpha Ltd): ")), "{report}");
    let shown = office.tenantry(&["show", suspended]).ends(0).out;
    assert!(
        shown.contains("as long as nobody else changes the same fields"),
        "{shown}"
    );
    let plan = office.tenantry(&["plan", parked]).ends(0).out;
    assert!(
        plan.contains("delete ida@alpha.onmicrosoft.com (of Alpha Ltd)"),
        "{plan}"
    );
    assert_eq!(counters().await, asked);
    let undo = office.tenantry(&["undo", suspended, "--plan"]).ends(0).out;
    assert!(
        undo.contains(&format!("row 1: undo {id} ({product}, of Alpha Ltd)")),
        "{undo}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_repeat_a_key_name_company_and_product() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    let path = office.here.subscription(&alpha, 5).await;
    let product = office.here.get(&path).await.json()["offerName"].clone();
    let product = product.as_str().expect("a name");
    let id = path.rsplit('/').next().expect("an id");
    // The customer once by its id and once by its domain; Beta does not hold it.
    office.place.write(
        "suspend.csv",
        format!(
            "customer,subscription_id\n{alpha},{id}\nalpha.onmicrosoft.com,{id}\n{beta},{id}\n{alpha},{}\n",
            id.to_uppercase()
        ),
    );
    let of_alpha = |key: &str| {
        json!({ "kind": "subscription", "key": key, "product": product, "customer": "alpha.onmicrosoft.com",
            "customer_name": "Alpha Ltd" })
    };
    let plan = ["plan", "suspend-subscription", "suspend.csv"];
    let told = office.tenantry(&[&plan[..], &["--json"]].concat()).ends(1).json();
    let repeats = |row: &&Value| row["code"] == "duplicate-in-file";
    let errors = told["errors"].as_array().expect("errors");
    let repeated: Vec<&Value> = errors.iter().filter(repeats).map(|error| &error["subject"]).collect();
    assert_eq!(repeated[0], &of_alpha(id), "{told:#}");
    assert_eq!(
        *repeated.last().expect("the last"),
        &of_alpha(&id.to_uppercase()),
        "{told:#}"
    );
    let rows = subjects(&told["rows"]);
    assert_eq!(
        (&rows[1], &rows[3]),
        (&of_alpha(id), &of_alpha(&id.to_uppercase())),
        "{told:#}"
    );
    let text = office.tenantry(&plan).ends(1).out;
    let of_line = |line: u32| {
        text.lines()
            .find(|told| told.starts_with(&format!("suspend.csv:{line}:")))
    };
    for line in [3, 5] {
        let told = of_line(line).unwrap_or_default();
        assert!(told.ends_with(&format!(" ({product}, of Alpha Ltd)")), "{text}");
    }

    let run = [
        "run",
        "suspend-subscription",
        "suspend.csv",
        "--skip-invalid",
        "--json",
        "--out",
        "out",
    ];
    let job = office.tenantry(&run).ends(1).json()["job"].clone();
    let job = job.as_str().expect("a job");
    let called = format!("({product}, of Alpha Ltd)");
    let rows = office
        .tenantry(&["rows", job, "--outcome", "rejected", "--json"])
        .ends(0)
        .out;
    let rows: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).expect("JSON"))
        .collect();
    assert_eq!(rows[0]["subject"], of_alpha(id), "{rows:#?}");
    for file in ["results.csv", "rejects.csv"] {
        let table = read(office.place.path("out").join(file));
        let repeated = table.lines().filter(|row| row.contains("duplicate-in-file"));
        assert!(
            repeated.filter(|row| row.contains(&called)).count() >= 2,
            "{file}\n{table}"
        );
    }
    let report = office.tenantry(&["report", job]).ends(0).out;
    assert!(report.contains(&format!("row 2, line 3, {id} {called}: ")), "{report}");
    let undo = office.tenantry(&["undo", job, "--plan", "--json"]).ends(0).json();
    assert_eq!(undo["rows"][0]["subject"], of_alpha(id), "{undo:#}");
}
