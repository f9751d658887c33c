//! Lists of what Partner Center holds, as files and on the terminal: the same ones as the SQL store makes of the same
//! customers.

use serde_json::{Value, json};
use tenantry_foundation::clock::Clock;
use tenantry_ledger::Ledger;
use tenantry_sandbox::{Options, Quirk};

use super::Office;
use crate::place::{apply, file, outcomes};
use crate::sandbox::Here;

async fn seeded(customers: u32) -> Office {
    let office = Office::new().await;
    office.here.seed(customers).await;
    office
}

impl Office {
    async fn export(&self, row: &str) -> String {
        let job = self.apply("export-customers", row).await;
        String::from_utf8(file(&self.ledger, &job).await).expect("text")
    }

    /// What the SQL store makes of the same customers.
    async fn as_sql(&self, row: &str) -> String {
        let ledger = Ledger::open(&self.here.state(), 2, Clock::system())
            .await
            .expect("opened");
        let job = apply(&ledger, "export-customers", row).await;
        String::from_utf8(file(&ledger, &job).await).expect("text")
    }

    fn listed(&self, args: &[&str]) -> crate::place::Run {
        self.tenantry(&[&["customers"], args].concat())
    }

    pub(super) async fn calls(&self, operation: &str) -> u64 {
        let counters = self.here.get("/sandbox/counters").await.json();
        counters["operations"][operation]["calls"].as_u64().unwrap_or(0)
    }
}

const CUSTOMER_COLUMNS: &str = "microsoft_id;company_name;primary_domain_name;relationship;first_name;last_name;email;phone;address_line1;city;state;postal_code;country;culture;language;users";
const SUBSCRIPTION_COLUMNS: &str = "microsoft_id;subscription_id;subscription;quantity;status;reseller;company_name;primary_domain_name;product_type;auto_renew;term_ends;cancellable_until";
const USER_COLUMNS: &str = "microsoft_id;primary_domain_name;user_principal_name;display_name;first_name;last_name;usage_location;licenses;roles;status;company_name";

#[tokio::test(flavor = "multi_thread")]
async fn files_are_those_of_the_sql_store() {
    let office = seeded(7).await;
    for (what, columns, sorts) in [
        ("customers", CUSTOMER_COLUMNS, ["", "company_name", "-users"]),
        (
            "subscriptions",
            SUBSCRIPTION_COLUMNS,
            ["-quantity", "-term_ends", "subscription"],
        ),
        ("users", USER_COLUMNS, ["", "-display_name", "roles"]),
    ] {
        for (sort, format) in sorts.into_iter().zip(["csv", "json", "csv"]) {
            let row = format!("what,columns,sort,format\n{what},{columns},{sort},{format}\n");
            let made = office.export(&row).await;
            assert_eq!(made, office.as_sql(&row).await, "{row}");
            assert!(made.lines().count() > 7, "{made}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn default_columns_that_are_not_kept_are_empty_and_others_are_refused() {
    let office = seeded(1).await;
    let id = "a8397b1d-cdaf-8000-8000-000000000800";
    assert_eq!(
        office.export("what\ncustomers\n").await,
        format!(
            "Microsoft ID,Company name,Primary domain name,Relationship,Tags\n{id},Pine Bakery 0,pinebakery0.onmicrosoft.com,Cloud Reseller,\n"
        )
    );
    let subscription = "a8397b1d-cdaf-8000-8000-000000002000,Power BI Pro,10,active,";
    assert_eq!(
        office.export("what\nsubscriptions\n").await,
        format!("Microsoft ID,Subscription ID,Subscription,Quantity,Status,Reseller\n{id},{subscription}\n")
    );
    let users = [
        "alan.haas0@pinebakery0.onmicrosoft.com,Alan Haas,Alan,Haas,FR,,Global Administrator,",
        "alan.ivanova1@pinebakery0.onmicrosoft.com,Alan Ivanova,Alan,Ivanova,FR,POWER_BI_PRO,,",
        "hedy.dupont2@pinebakery0.onmicrosoft.com,Hedy Dupont,Hedy,Dupont,FR,,,",
        "grace.kumar3@pinebakery0.onmicrosoft.com,Grace Kumar,Grace,Kumar,FR,,,",
        "linus.berg4@pinebakery0.onmicrosoft.com,Linus Berg,Linus,Berg,FR,,,",
        "radia.berg5@pinebakery0.onmicrosoft.com,Radia Berg,Radia,Berg,FR,POWER_BI_PRO,,",
        "linus.jensen6@pinebakery0.onmicrosoft.com,Linus Jensen,Linus,Jensen,FR,POWER_BI_PRO,,",
    ];
    let made = office.export("what\nusers\n").await;
    let mut lines = made.lines();
    let header = "Microsoft ID,Primary domain name,User principal name,Display name,First name,Last name,Usage location,Licenses,Roles,Sign-in blocked";
    assert_eq!(lines.next(), Some(header));
    let expected = users.map(|user| format!("{id},pinebakery0.onmicrosoft.com,{user}"));
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    let refused = "what,columns,sort,tag,name\n\
        customers,company_name;tags,,,a\n\
        customers,,external_id,,b\n\
        customers,,,vip,c\n\
        users,job_title,,,d\n\
        users,,block_sign_in,,e\n";
    let job = office.apply("export-customers", refused).await;
    let codes: Vec<String> = outcomes(&office.ledger, &job)
        .await
        .into_iter()
        .map(|(_, _, code)| code)
        .collect();
    assert_eq!(codes, ["not-kept"; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_the_same_customers_as_in_the_sql_store() {
    let office = seeded(40).await;
    let customers = office.here.get("/v1/customers").await.json();
    let customers = customers["items"].as_array().expect("a list");
    let [one, other] = [&customers[3], &customers[17]];
    let text = |customer: &Value, name: &str| customer["companyProfile"][name].as_str().expect("a text").to_owned();
    let id = one["id"].as_str().expect("an id");
    let name = text(one, "companyName");
    let first = name.split(' ').next().expect("a word").to_uppercase();
    for row in [
        format!("search,field,match\n{first},,\n"),
        format!("search,field,match\n{first},name,\n"),
        format!("search,field,match\n{},domain,\n", &text(other, "domain")[..4]),
        format!("search,field,match\n{},domain,contains\n", &text(other, "domain")[2..6]),
        format!("search,field,match\n{},id,starts-with\n", &id[..12]),
        format!("search,field,match\n{},any,contains\n", &id[20..]),
        "country\nDE\n".to_owned(),
        "country,sort\nGB,-primary_domain_name\n".to_owned(),
        format!("customer\n{id}\n"),
        format!("customer\n{}\n", text(other, "domain")),
        "relationship\nCloud Reseller\n".to_owned(),
        "relationship\nadvisor\n".to_owned(),
    ] {
        let (header, values) = row.split_once('\n').expect("two lines");
        let columns = "microsoft_id;company_name;primary_domain_name;country";
        let row = format!("columns,{header}\n{columns},{values}");
        assert_eq!(office.export(&row).await, office.as_sql(&row).await, "{row}");
    }
    let before = office.calls("get-customer").await;
    office.export("search,field\nal,name\n").await;
    assert_eq!(office.calls("get-customer").await, before, "lists say enough");
    let unknown = office.apply("export-customers", "customer\nnobody.example\n").await;
    assert_eq!(outcomes(&office.ledger, &unknown).await[0].2, "unknown-customer");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_over_many_pages() {
    let options = Options {
        quirks: vec![Quirk::DanglingToken],
        ..Options::default()
    };
    let office = Office::beside(Here::with(options).await).await;
    office.here.seed(1_203).await;
    let row = "columns\nprimary_domain_name;relationship\n";
    let made = office.export(row).await;
    assert_eq!(made.lines().count(), 1_204);
    assert_eq!(made, office.as_sql(row).await);
    let customer = office.here.customer("many").await;
    for n in 0..230 {
        office.here.user(&customer, &format!("user{n}"), "many").await;
    }
    let row = format!("what,customer,columns,sort\nusers,{customer},user_principal_name,user_principal_name\n");
    let users = office.export(&row).await;
    assert_eq!(users.lines().count(), 232, "the administrator, too");
    assert_eq!(users, office.as_sql(&row).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_throttled_or_lost_are_asked_for_again() {
    let office = seeded(520).await;
    let row = "columns,sort\nmicrosoft_id;country,country\n";
    let expected = office.as_sql(row).await;
    for (operation, fault, skip) in [
        ("list-customers", "error-429", 1),
        ("list-customers", "cut-before-commit", 1),
        ("list-customers", "error-503", 0),
        ("get-customer", "error-429", 300),
        ("get-customer", "error-500", 519),
    ] {
        office
            .here
            .fault(&json!({ "operation": operation, "fault": fault, "skip": skip, "times": 2 }))
            .await;
        assert_eq!(office.export(row).await, expected, "{operation} {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_that_cannot_be_read_is_left_out_and_named() {
    let office = seeded(3).await;
    // In lists it is there, and asked about by itself it is not.
    let there = Ledger::open(&office.here.state(), 2, Clock::system())
        .await
        .expect("opened");
    let hide = "UPDATE customers SET tenant_id = upper(tenant_id) WHERE domain = 'pinebakery0.onmicrosoft.com'";
    there.db().write(move |tx| tx.exec(hide, &[])).await.expect("done");
    let job = office.apply("export-customers", "what\nusers\n").await;
    let made = String::from_utf8(file(&office.ledger, &job).await).expect("text");
    assert!(
        made.contains("hazelschools1") && !made.contains("pinebakery0"),
        "{made}"
    );
    let rows = office.ledger.chunk_rows(&job, 0).await.expect("asked").expect("kept");
    let said = rows.record(1, 2).message;
    assert!(
        said.contains(" users in users.csv; left out: users of pinebakery0.onmicrosoft.com ("),
        "{said}"
    );
    let all = "UPDATE customers SET tenant_id = upper(tenant_id)";
    there.db().write(move |tx| tx.exec(all, &[])).await.expect("done");
    let job = office.apply("export-customers", "what,name\nusers,again\n").await;
    assert_eq!(job.state.as_str(), "paused", "nobody lets us read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_can_be_a_workbook() {
    let office = seeded(3).await;
    let job = office
        .apply("export-customers", "what,format,name\nsubscriptions,xlsx,book\n")
        .await;
    assert_eq!(job.counts.applied, 1);
    let data = file(&office.ledger, &job).await;
    assert_eq!(&data[..2], b"PK");
    let rows = office.ledger.chunk_rows(&job, 0).await.expect("asked").expect("kept");
    assert_eq!(rows.record(1, 2).message, "6 subscriptions in book.xlsx");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_shows_the_same() {
    let office = seeded(30).await;
    let json = office
        .listed(&["--json", "--sort", "-company_name", "--limit", "5"])
        .ends(0);
    let rows: Vec<Value> = json
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows.len(), 5);
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["company_name"].as_str().expect("a name"))
        .collect();
    assert!(
        names.is_sorted_by(|one, next| one.to_lowercase() >= next.to_lowercase()),
        "{names:?}"
    );
    let table = office
        .tenantry(&[
            "users",
            "--customer",
            names_domain(&rows[0]),
            "--columns",
            "user_principal_name;licenses",
        ])
        .ends(0);
    assert!(table.out.starts_with("User principal name"), "{}", table.out);
    let refused = office.listed(&["--tag", "vip"]).ends(2);
    assert!(refused.err.contains("tag"), "{}", refused.err);
}

fn names_domain(row: &Value) -> &str {
    row["primary_domain_name"].as_str().expect("a domain")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_names_two_customers_is_refused() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    let header = "Microsoft ID,Primary domain name,City\n";
    let rows = [
        format!("{alpha},beta.onmicrosoft.com,Leeds\n"),
        format!("{beta},Beta.OnMicrosoft.com,Leeds\n"),
        format!("{alpha},,York\n"),
    ];
    let job = office
        .apply("update-account", &(header.to_owned() + &rows.concat()))
        .await;
    let told: Vec<_> = outcomes(&office.ledger, &job).await;
    let codes: Vec<&str> = told.iter().map(|(_, _, code)| code.as_str()).collect();
    assert_eq!((codes, job.counts.applied), (vec!["conflicting"], 2), "{told:?}");
    let removal = format!("Microsoft ID,Primary domain name\n{beta},alpha.onmicrosoft.com\n");
    let job = office.apply("remove-relationship", &removal).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "conflicting");
}
