//! Lists of what a store holds: the same files of the same customers.

use super::case::{Again, Case, PLAIN, check_all};
use super::{Store, StoreUnderTest, on_every_store};
use crate::place::file;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "lists",
        kind: "export-customers",
        rows: "\
what,customer,search,field,sort,columns,format,name
customers,,,,company_name,company_name;city,csv,one
customers,{a},,,,company_name,json,two
users,,alpha,domain,,user_principal_name,csv,three
subscriptions,{b},,,quantity,subscription_id;status,xlsx,four
",
        ends: &["applied", "applied", "applied", "applied"],
        again: Again::Same,
        ..PLAIN
    },
    Case {
        what: "what there is not",
        kind: "export-customers",
        rows: "\
what,customer,sort,columns,format,name
customers,nobody.example,,,,one
customers,,cty,,,two
users,,,user_principal_nam,,three
customers,,,,pdf,four
",
        ends: &[
            "unknown-customer customer: `nobody.example`",
            "unknown-choice sort: `cty`",
            "unknown-choice columns: `user_principal_nam`",
            "unknown-choice format: `pdf`",
        ],
        ..PLAIN
    },
];

async fn all(store: Store) {
    Box::pin(check_all(store, CASES)).await;
}

on_every_store!(all);

/// Rows and the file that each makes.
const FILES: [(&str, &str); 5] = [
    (
        "what,sort,columns\ncustomers,-company_name,company_name;primary_domain_name;first_name;last_name;email;phone;city;country\n",
        "Company name,Primary domain name,First name,Last name,Email,Phone,City,Country\n\
        Beta GmbH,{b},Bea,Berg,bea@beta.example,,Berlin,DE\n\
        Alpha Ltd,{a},Ada,Lovelace,ada@alpha.example,,London,GB\n",
    ),
    (
        "what,search,field,columns,format\ncustomers,alp,name,company_name;city,json\n",
        "[\n{\"company_name\":\"Alpha Ltd\",\"city\":\"London\"}\n]\n",
    ),
    (
        "what,customer,sort,columns\nusers,{a},user_principal_name,user_principal_name;display_name;usage_location;licenses;roles\n",
        "User principal name,Display name,Usage location,Licenses,Roles\n\
        one@{a},One Uno,GB,SPB,User Administrator\n\
        two@{a},Two Due,,,\n",
    ),
    (
        "what,customer,sort,columns\nsubscriptions,{a},-quantity,subscription_id;quantity;status;company_name\n",
        "Subscription ID,Quantity,Status,Company name\n\
        {legacy},5,active,Alpha Ltd\n\
        {nce},3,active,Alpha Ltd\n\
        {azure},1,active,Alpha Ltd\n",
    ),
    ("what,country,columns\ncustomers,FR,company_name\n", "Company name\n"),
];

mod files {
    use super::*;

    async fn hold_the_records_of_the_store(store: Store) {
        let env = StoreUnderTest::new(store).await;
        for (rows, expected) in FILES {
            let job = env.applies("export-customers", rows).await;
            let text = String::from_utf8(file(&env.ledger, &job).await).expect("text");
            // What a customer's directory comes with is the store's own affair.
            let lines = text.lines().filter(|line| !line.starts_with("admin@"));
            let text: String = lines.flat_map(|line| [line, "\n"]).collect();
            assert_eq!(env.shorten(&text), expected, "{rows}");
        }
    }

    on_every_store!(hold_the_records_of_the_store);
}
