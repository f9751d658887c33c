//! Plans call customers and products as Partner Center does, and ask for nothing to do so.

use serde_json::{Value, json};

use super::Office;

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
