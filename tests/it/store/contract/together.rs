//! All that is wrong with a row is told in one round, whether its file tells it or the store does.

use tenantry::testing::plan::Limits;
use tenantry::testing::submit::Submitted;
use tenantry_ledger::Parameters;

use super::super::under_test::{Store, StoreUnderTest};
use super::case::refuses_the_kind;
use super::on_every_store;

/// Rows of a kind, and all that is said of them: line, code, column and value.
struct Faulty {
    kind: &'static str,
    rows: &'static str,
    told: &'static [&'static str],
}

const CASES: &[Faulty] = &[
    Faulty {
        kind: "bulk-add-users",
        rows: "\
customer,user_principal_name,first_name,usage_location,licenses,roles
nobody.example,a b@{a},Ann,XX,NO_SUCH,
{a},three@elsewhere.example,Bea,XX,NO_SUCH; SPB;NADA,Nobody Role
{a},TWO@{a},Other,XX,,
{a},four@{a},Dot,GB,SPB,
{a},five@{a},Eve,GB,SPB,
{a},six@{a},Fay,XX,SPB,
{a},FOUR@{a},Gil,,SPB,
{a},,Hal,XX,NADA,
,seven@{a},Ian,XX,,
nobody.example,eight@{a},Joy,GB,NO_SUCH; alpha:SPB; Microsoft 365 E3,
,nine@{a},Kim,GB,Business Premium,
",
        told: &[
            "2 unknown-customer customer `nobody.example`",
            "2 bad-character user_principal_name `a b@{a}`",
            "2 unknown-country usage_location `XX`",
            "3 foreign-domain user_principal_name `three@elsewhere.example`",
            "3 unknown-country usage_location `XX`",
            "3 unknown-sku licenses `NO_SUCH`",
            "3 unknown-sku licenses `NADA`",
            "3 unknown-role roles `Nobody Role`",
            "4 user-exists user_principal_name `TWO@{a}`",
            "4 unknown-country usage_location `XX`",
            "7 unknown-country usage_location `XX`",
            "7 no-free-seats licenses `SPB`",
            "8 duplicate-in-file user_principal_name `FOUR@{a}`",
            "8 usage-location-required usage_location ``",
            "8 no-free-seats licenses `SPB`",
            "9 required user_principal_name ``",
            "9 unknown-country usage_location `XX`",
            "9 unknown-sku licenses `NADA`",
            "10 required customer ``",
            "10 unknown-country usage_location `XX`",
            // Only of a known customer can be said what it holds. What nobody can hold is told.
            "11 unknown-customer customer `nobody.example`",
            "11 unknown-sku licenses `alpha:SPB`",
            "11 unknown-sku licenses `Microsoft 365 E3`",
            "12 required customer ``",
            "12 unknown-sku licenses `Business Premium`",
        ],
    },
    Faulty {
        kind: "update-users",
        rows: "\
customer,user_principal_name,usage_location,new_user_principal_name
{a},nobody@{a},XX,new@elsewhere.example
{a},one@{a},XX,new@elsewhere.example
{a},two@{a},XX,ONE@{a}
{a},ONE@{a},YY,
{a},two@{a},<clear>,
",
        told: &[
            "2 unknown-user user_principal_name `nobody@{a}`",
            "2 unknown-country usage_location `XX`",
            "2 foreign-domain new_user_principal_name `new@elsewhere.example`",
            "3 unknown-country usage_location `XX`",
            "3 foreign-domain new_user_principal_name `new@elsewhere.example`",
            "3 duplicate-in-file new_user_principal_name `new@elsewhere.example`",
            "4 unknown-country usage_location `XX`",
            "4 user-exists new_user_principal_name `ONE@{a}`",
            "5 duplicate-in-file user_principal_name `ONE@{a}`",
            "5 unknown-country usage_location `YY`",
            "6 duplicate-in-file user_principal_name `two@{a}`",
            "6 cannot-clear usage_location `<clear>`",
        ],
    },
    Faulty {
        kind: "assign-licenses",
        rows: "customer,user_principal_name,assign,usage_location\n{a},nobody@{a},NO_SUCH;SPB,XX\n{a},one@{a},NO_SUCH,XX\nnobody.example,one@{a},NO_SUCH;Visio Plan 2,GB\n",
        told: &[
            "2 unknown-user user_principal_name `nobody@{a}`",
            "2 unknown-sku assign `NO_SUCH`",
            "2 unknown-country usage_location `XX`",
            "3 unknown-sku assign `NO_SUCH`",
            "3 unknown-country usage_location `XX`",
            "4 unknown-customer customer `nobody.example`",
            "4 unknown-sku assign `Visio Plan 2`",
        ],
    },
    Faulty {
        kind: "add-customer",
        rows: "\
domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country
alpha,Other Ltd,Ada,Lovelace,ada@alpha.example,1 High Street,London,N1 9GU,XX
beta,Beta GmbH,Bea,Berg,bea-at-beta.example,Ring 2,Berlin,10115,DE
",
        told: &[
            "2 customer-exists domain `{a}`",
            "2 unknown-country country `XX`",
            "3 invalid email `bea-at-beta.example`",
        ],
    },
    Faulty {
        kind: "update-account",
        rows: "customer,country,email\nnobody.example,XX,not an address\n{b},XX,b@beta.example\n{b},DE,no\n",
        told: &[
            "2 unknown-customer customer `nobody.example`",
            "2 unknown-country country `XX`",
            "2 invalid email `not an address`",
            "3 unknown-country country `XX`",
            "4 duplicate-in-file customer `{b}`",
            "4 invalid email `no`",
        ],
    },
    Faulty {
        kind: "suspend-subscription",
        rows: "customer,subscription_id,action\n{a},{nobody},sell\n{a},{legacy},sell\n",
        told: &[
            "2 unknown-subscription subscription_id `{nobody}`",
            "2 unknown-choice action `sell`",
            "3 unknown-choice action `sell`",
        ],
    },
    Faulty {
        kind: "reset-passwords",
        rows: "customer,user_principal_name,force_change\n{a},nobody@{a},perhaps\n{a},one@{a},perhaps\n",
        told: &[
            "2 unknown-user user_principal_name `nobody@{a}`",
            "2 invalid force_change `perhaps`",
            "3 invalid force_change `perhaps`",
        ],
    },
];

on_every_store!(all_that_is_wrong_with_a_row_is_told_in_one_round);

async fn all_that_is_wrong_with_a_row_is_told_in_one_round(store: Store) {
    let env = StoreUnderTest::new(store).await;
    for case in CASES {
        if !env.takes(case.kind) {
            refuses_the_kind(&env, case.kind, case.rows).await.expect("refused");
            continue;
        }
        let before = env.state().await;
        let strict = Parameters::default();
        let submitted = env.submit_with(case.kind, case.rows, strict, None).await;
        let Ok(Submitted::Refused(mut refused)) = submitted else {
            panic!("{}: it is not refused", case.kind)
        };
        let mut told = Vec::new();
        let each = &mut |fault: &tenantry::testing::plan::RowFault| {
            let problem = &fault.problem;
            told.push(format!(
                "{} {} {} `{}`",
                fault.line, problem.code, problem.column, problem.value
            ));
            Ok(())
        };
        refused.faults.each(u64::MAX, each).expect("told");
        let mut told: Vec<String> = told.iter().map(|line| env.shorten(line)).collect();
        let mut expected = case.told.to_vec();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{} on {store:?}", case.kind);
        assert_eq!(env.state().await, before, "{}", case.kind);
        every_reject_says_all(&env, case, &told).await;
    }
}

/// What is carried out of the file leaves rejects behind that say all of it too, and name each column at fault once, however
/// often it comes.
async fn every_reject_says_all(env: &StoreUnderTest, case: &Faulty, told: &[String]) {
    for _ in 0..2 {
        let Ok(submitted) = env.submit(case.kind, case.rows, Limits::NONE).await else {
            panic!("{}: its good rows are not taken", case.kind)
        };
        let (Submitted::Queued(id) | Submitted::Same(id)) = submitted else {
            panic!("{}: its good rows are not taken", case.kind)
        };
        let job = env.ledger.job(id).await.expect("asked").expect("there");
        for line in told {
            let mut words = line.splitn(4, ' ');
            let row: u64 = words.next().and_then(|line| line.parse().ok()).expect("a line");
            let (_, column, value) = (
                words.next(),
                words.next().expect("a column"),
                words.next().unwrap_or_default(),
            );
            let message = env.message(&job, row - 1).await;
            let says = match value {
                "``" => format!("{column}: "),
                value => format!("{column}: {value}"),
            };
            assert!(message.contains(&says), "{}, line {row}: {message}", case.kind);
            let at_fault = env.at_fault(&job, row - 1).await;
            let named = at_fault.iter().filter(|at_fault| *at_fault == column);
            assert_eq!(named.count(), 1, "{}, line {row}: {column} {at_fault:?}", case.kind);
        }
    }
}
