//! What every store does with the same rows, one script for all of them: SQLite, PostgreSQL and Partner Center.

use tenantry::ledger::{Job, Ledger, Parameters};
use tenantry::plan::Limits;
use tenantry::queue::Queue;
use tenantry::store::Stores;
use tenantry::submit::{Rules, Submitted};

use crate::partner_center::{LEGACY, Office};
use crate::place::{On, Place, apply_or_wait, by, file, hand_over, outcomes, work_off_from};

const CUSTOMERS: &str = "\
domain,company_name,first_name,last_name,email,address_line1,city,state,postal_code,country
alpha,Alpha Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,,N1 9GU,GB
beta,Beta GmbH,Bea,Berg,bea@beta.example,Ring 2,Berlin,,10115,DE
";
const USERS: &str = "customer,user_principal_name,first_name,last_name,usage_location,licenses,roles\n";
const NAMED: &str = "customer,user_principal_name\n";
/// What is there in the end.
const LEFT: &str = "\
User principal name,Display name,Usage location,Licenses,Roles
five@alpha.onmicrosoft.com,five Uno,GB,SPB,
one@alpha.onmicrosoft.com,one Uno,GB,SPB,User Administrator
three@alpha.onmicrosoft.com,three Uno,GB,SPB,
two@alpha.onmicrosoft.com,two Uno,GB,,
Company name,City,Phone
Alpha Ltd,Leeds,'+44 20 7946 0000
Beta GmbH,Berlin,
";
/// A subscription that nobody has.
const NOBODYS: &str = "6f6f6f6f-0000-4000-8000-000000000000";

/// A store under test, and the ledger of its jobs.
enum Ground {
    Sql(Box<(Place, Ledger)>),
    PartnerCenter(Box<Office>),
}

impl Ground {
    async fn sql(on: On) -> Self {
        let place = Place::new(on).await;
        let ledger = place.ledger().await;
        Self::Sql(Box::new((place, ledger)))
    }

    fn ledger(&self) -> &Ledger {
        match self {
            Ground::Sql(ground) => &ground.1,
            Ground::PartnerCenter(office) => &office.ledger,
        }
    }

    fn stores(&self) -> Stores {
        match self {
            Ground::Sql(_) => Stores::default(),
            Ground::PartnerCenter(office) => office.stores.clone(),
        }
    }

    /// A subscription of a legacy offer for the first customer, and three seats of a SKU for it; the subscription's id.
    async fn sell(&self) -> String {
        match self {
            Ground::Sql(ground) => {
                let id = "7a7a7a7a-0000-4000-8000-000000000001";
                let seats = "customer,sku,seats\nalpha.onmicrosoft.com,SPB,3\n";
                apply_or_wait(&ground.1, "set-seats", seats).await;
                let held = format!(
                    "customer,subscription_id,product,product_type,quantity,status\n\
                     alpha.onmicrosoft.com,{id},Exchange,legacy-license,5,active\n"
                );
                apply_or_wait(&ground.1, "set-subscriptions", &held).await;
                id.to_owned()
            }
            Ground::PartnerCenter(office) => {
                let alpha = office.customer("Alpha Ltd").await;
                office.here.subscription(&alpha, 3).await;
                let path = office.here.subscription_to(LEGACY, &alpha, 5).await;
                path.rsplit('/').next().expect("an id").to_owned()
            }
        }
    }

    /// Cancels what brought the seats, where seats come with subscriptions.
    async fn sell_no_more(&self) {
        let Ground::PartnerCenter(office) = self else { return };
        let path = format!("/v1/customers/{}/subscriptions", office.customer("Alpha Ltd").await);
        for mut one in office.here.get(&path).await.json()["items"]
            .as_array()
            .expect("a list")
            .clone()
        {
            if one["productType"]["id"] == "OnlineServicesNCE" {
                one["status"] = "deleted".into();
                let path = format!("{path}/{}", one["id"].as_str().expect("an id"));
                office.here.patch(&path, &one).await.is(200);
            }
        }
    }

    async fn apply(&self, kind: &str, csv: &str) -> Job {
        let (parameters, limits) = (
            Parameters {
                skip_invalid: true,
                ..Parameters::default()
            },
            Limits::NONE,
        );
        let rules = Rules {
            chunk_rows: 100,
            limits,
        };
        let submitted = hand_over(self.ledger(), &self.stores(), kind, csv, parameters, rules).await;
        let (Submitted::Queued(id) | Submitted::Same(id)) = submitted else {
            panic!("{kind} was not queued")
        };
        let job = self.ledger().job(id).await.expect("asked").expect("there");
        work_off_from(self.ledger(), &self.stores(), &job).await
    }

    async fn undo(&self, job: &Job) -> Job {
        let (ledger, stores) = (self.ledger(), self.stores());
        let undoing =
            tenantry::undo::submit(ledger, &stores, &Queue::embedded(), job, &by("tester"), &Limits::NONE).await;
        let id = undoing.expect("an undo").job;
        let undo = ledger.job(id).await.expect("asked").expect("there");
        work_off_from(ledger, &stores, &undo).await
    }

    /// How every row ended: `applied`, `unchanged`, or why not.
    async fn ends(&self, job: &Job) -> Vec<String> {
        let not = outcomes(self.ledger(), job).await;
        let end = |row: i64| {
            let found = not.iter().find(|(of, ..)| *of == row);
            found.map_or("applied".to_owned(), |(_, outcome, code)| {
                if code.is_empty() { outcome.clone() } else { code.clone() }
            })
        };
        (1..=job.counts.total as i64).map(end).collect()
    }

    /// What is there now of users, and of the first customer.
    async fn holds(&self) -> String {
        let columns = "user_principal_name;display_name;usage_location;licenses;roles";
        let users = format!("what,sort,columns\nusers,user_principal_name,{columns}\n");
        let customers = "what,sort,columns\ncustomers,company_name,company_name;city;phone\n";
        let mut all = String::new();
        for rows in [users.as_str(), customers] {
            let job = self.apply("export-customers", rows).await;
            all += &String::from_utf8(file(self.ledger(), &job).await).expect("text");
        }
        // What a customer's directory comes with is the store's own affair.
        let lines = all.lines().filter(|line| !line.starts_with("admin@"));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    async fn check(&self, kind: &str, csv: &str, expected: &[&str]) -> Job {
        let job = self.apply(kind, csv).await;
        assert_eq!(self.ends(&job).await, expected, "{kind}\n{csv}");
        job
    }

    /// As [`check`](Self::check), and then taken back, done again by taking that back, and unchanged for who asks again.
    async fn check_both_ways(&self, kind: &str, csv: &str) {
        let job = self.check(kind, csv, &["applied"]).await;
        let undone = self.undo(&job).await;
        assert_eq!(self.ends(&undone).await, ["applied"], "undo of {kind}");
        let redone = self.undo(&undone).await;
        assert_eq!(self.ends(&redone).await, ["applied"], "redo of {kind}");
        self.check(kind, csv, &["unchanged"]).await;
    }
}

async fn every_kind_comes_to_the_same_end(ground: Ground) {
    const A: &str = "alpha.onmicrosoft.com";
    ground.check("add-customer", CUSTOMERS, &["applied", "applied"]).await;
    ground
        .check("add-customer", CUSTOMERS, &["unchanged", "unchanged"])
        .await;
    ground
        .check(
            "add-customer",
            &CUSTOMERS.replace("Alpha Ltd", "Alpha AG"),
            &["customer-exists", "unchanged"],
        )
        .await;
    let subscription = ground.sell().await;

    let user = |name: &str, rest: &str| format!("{A},{name}@{A},{name},Uno,{rest}\n");
    let rows = [
        user("one", "GB,SPB,User Administrator"),
        format!("nobody.example,x@{A},X,X,GB,,\n"),
        format!("{A},x@beta.onmicrosoft.com,X,X,GB,,\n"),
        user("x", "GB,NO_SUCH,"),
        user("two", ",,"),
        user("one", "GB,,"),
    ];
    let ends = [
        "applied",
        "unknown-customer",
        "foreign-domain",
        "unknown-sku",
        "applied",
        "duplicate-in-file",
    ];
    ground
        .check("bulk-add-users", &format!("{USERS}{}", rows.concat()), &ends)
        .await;
    let again = format!("{USERS}{}{}", rows[0], user("two", "FR,,"));
    ground
        .check("bulk-add-users", &again, &["unchanged", "user-exists"])
        .await;
    ground
        .check_both_ways("bulk-add-users", &format!("{USERS}{}", user("three", "GB,SPB,")))
        .await;
    ground
        .check_both_ways(
            "update-account",
            &format!("customer,city,phone\n{A},Leeds,+44 20 7946 0000\n"),
        )
        .await;
    ground
        .check(
            "update-account",
            "customer,city\nnobody.example,Leeds\n",
            &["unknown-customer"],
        )
        .await;

    let licenses = |rows: &[&str]| {
        let rows: String = rows
            .iter()
            .map(|row| format!("{A},{}\n", row.replace('@', &format!("@{A}"))))
            .collect();
        format!("customer,user_principal_name,assign,remove,usage_location\n{rows}")
    };
    let rows = licenses(&["two@,SPB,,", "four@,SPB,,", "one@,NO_SUCH,,"]);
    ground
        .check(
            "assign-licenses",
            &rows,
            &["usage-location-required", "unknown-user", "unknown-sku"],
        )
        .await;
    ground
        .check_both_ways("assign-licenses", &licenses(&["two@,SPB,,GB"]))
        .await;
    ground
        .check_both_ways("assign-licenses", &licenses(&["two@,,<all>,"]))
        .await;
    ground
        .check(
            "bulk-add-users",
            &format!("{USERS}{}", user("five", "GB,SPB,")),
            &["applied"],
        )
        .await;
    ground
        .check("assign-licenses", &licenses(&["two@,SPB,,"]), &["no-free-seats"])
        .await;

    let update = |rows: &[&str]| {
        let rows: String = rows
            .iter()
            .map(|row| format!("{A},{}\n", row.replace('@', &format!("@{A}"))))
            .collect();
        format!("customer,user_principal_name,display_name,last_name,usage_location,new_user_principal_name\n{rows}")
    };
    let rows = [
        "two@,Two the Second,<clear>,FR,",
        "four@,Four,,,",
        "three@,,,,two@",
        "five@,,,,five@beta.onmicrosoft.com",
        "two@,Two,,,",
        "one@,,,,new@",
        "three@,,,,new@",
    ];
    // The foreign domain is written whole.
    let rows = update(&rows).replace(&format!("@{A}beta"), "@beta");
    let ends = [
        "applied",
        "unknown-user",
        "user-exists",
        "foreign-domain",
        "duplicate-in-file",
        "applied",
        "duplicate-in-file",
    ];
    let updated = ground.check("update-users", &rows, &ends).await;
    let undone = ground.undo(&updated).await;
    assert_eq!(ground.ends(&undone).await, ["applied"; 2], "undo of two rows");
    ground
        .check_both_ways("update-users", &update(&["one@,One Uno,,,uno@"]))
        .await;
    // It is the same user by its new name, and by its old one nobody's.
    ground
        .check(
            "update-users",
            &update(&["one@,Somebody,,,uno@", "uno@,,,,one@"]),
            &["unknown-user", "applied"],
        )
        .await;
    ground
        .check(
            "update-users",
            &update(&["one@,one Uno,,,", "one@,one Uno,,,ONE@"]),
            &["applied", "duplicate-in-file"],
        )
        .await;
    ground
        .check("update-users", &update(&["one@,one Uno,Uno,GB,"]), &["unchanged"])
        .await;

    let named = |name: &str| format!("{NAMED}{A},{name}@{A}\n");
    ground.check("reset-passwords", &named("two"), &["applied"]).await;
    ground.check("reset-passwords", &named("two"), &["unchanged"]).await;
    ground.check("reset-passwords", &named("four"), &["unknown-user"]).await;
    ground.check_both_ways("delete-users", &named("one")).await;
    ground
        .check("assign-licenses", &licenses(&["one@,SPB,,"]), &["user-deleted"])
        .await;
    ground.check("delete-users", &named("four"), &["unknown-user"]).await;
    ground.check_both_ways("restore-users", &named("one")).await;
    ground.check("restore-users", &named("four"), &["unknown-user"]).await;

    // Which licences come back with a user is the store's own affair.
    ground.apply("assign-licenses", &licenses(&["one@,SPB,,"])).await;
    assert_eq!(ground.holds().await, LEFT);

    let suspend = |id: &str, action: &str| format!("customer,subscription_id,action\n{A},{id},{action}\n");
    ground
        .check_both_ways("suspend-subscription", &suspend(&subscription, ""))
        .await;
    ground
        .check_both_ways("suspend-subscription", &suspend(&subscription, "reactivate"))
        .await;
    ground
        .check("suspend-subscription", &suspend(NOBODYS, ""), &["unknown-subscription"])
        .await;

    let remove = |suspend: &str| format!("customer,suspend_subscriptions\n{A},{suspend}\n");
    ground.sell_no_more().await;
    ground
        .check("remove-relationship", &remove(""), &["active-subscriptions"])
        .await;
    let removed = ground.check("remove-relationship", &remove("yes"), &["applied"]).await;
    assert_eq!(ground.ends(&ground.undo(&removed).await).await, ["irreversible"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    Box::pin(every_kind_comes_to_the_same_end(Ground::sql(On::Sqlite).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    Box::pin(every_kind_comes_to_the_same_end(Ground::sql(On::Postgres).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_partner_center() {
    Box::pin(every_kind_comes_to_the_same_end(Ground::PartnerCenter(Box::new(
        Office::new().await,
    ))))
    .await;
}
