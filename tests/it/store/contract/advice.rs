//! A cell that names nothing its customer holds is told by what the customer does hold.

use tenantry::testing::plan::RowFault;
use tenantry::testing::submit::Submitted;
use tenantry_ledger::Parameters;

use super::super::under_test::{Store, StoreUnderTest};
use super::on_every_store;

/// The id of a SKU that only its holder knows.
const BACKUP: &str = "0f3a7a52-9f3e-4d53-8a8e-5b1f5d2c7e11";

/// Code, column, value and what else is told of every fault of rows of a kind.
async fn told(env: &StoreUnderTest, kind: &str, rows: &str) -> Vec<String> {
    let strict = Parameters::default();
    let Ok(Submitted::Refused(mut refused)) = env.submit_with(kind, rows, strict, None).await else {
        panic!("{kind}: it is not refused: {rows}")
    };
    let mut told = Vec::new();
    let each = &mut |fault: &RowFault| {
        let problem = &fault.problem;
        let near = problem.suggestion.as_deref().unwrap_or("-");
        told.push(format!(
            "{} {} `{}` > {near} | {}",
            problem.code, problem.column, problem.value, problem.expected
        ));
        Ok(())
    };
    refused.faults.each(u64::MAX, each).expect("told");
    told.iter().map(|line| env.shorten(line)).collect()
}

#[track_caller]
fn check(told: &[String], expected: &[(&str, &str)], what: &str) {
    assert_eq!(told.len(), expected.len(), "{what}: {told:#?}");
    for (line, (start, also)) in told.iter().zip(expected) {
        assert!(
            line.starts_with(start) && line.contains(also),
            "{what}: {start} {also}\n{told:#?}"
        );
    }
}

on_every_store!(subscriptions_of_the_customer_are_suggested);

async fn subscriptions_of_the_customer_are_suggested(store: Store) {
    let env = StoreUnderTest::new(store).await;
    let rows = "\
customer,subscription_id
{a},Microsoft 365 Business Premium
{a},alpha:SPB
{a},m365 business premium
{a},cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46
{a},Visio Plan 2
{b},{nobody}
{b},{nce}
nobody.example,SPB
";
    let expected = [
        ("invalid subscription_id `Microsoft 365 Business Premium` > {nce} |", ""),
        ("invalid subscription_id `alpha:SPB` > {nce} |", ""),
        ("invalid subscription_id `m365 business premium` > {nce} |", ""),
        (
            "unknown-subscription subscription_id `cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46` > {nce} |",
            "",
        ),
        ("invalid subscription_id `Visio Plan 2` > - |", "; the customer holds `"),
        ("unknown-subscription subscription_id `{nobody}` > {legacy-b} |", ""),
        // Whose it is instead, not every store can tell, and what product it is neither.
        ("", "{legacy-b}"),
        ("unknown-customer customer `nobody.example`", ""),
        ("invalid subscription_id `SPB` > - |", ""),
    ];
    check(&told(&env, "suspend-subscription", rows).await, &expected, "suspend");

    // What is another partner's cannot be told by what is ours.
    let rows = "\
customer,subscription_id,direction,flow,partner_tenant_id,partner_name,customer_email
{a},alpha:SPB,out,direct-to-indirect,{other},Other,
{a},alpha:SPB,in,new-commerce,{other},Other,it@alpha.example
";
    if env.takes("switch-subscription") {
        let expected = [
            ("invalid subscription_id `alpha:SPB` > {nce} |", ""),
            ("invalid subscription_id `alpha:SPB` > - |", ""),
        ];
        check(&told(&env, "switch-subscription", rows).await, &expected, "switch");
    }
    let rows = "\
customer,subscription_id,product,product_type
{b},Exchange Online,Exchange Online,legacy-license
{b},{legacy},Exchange Online,legacy-license
";
    if env.takes("set-subscriptions") {
        let expected = [
            ("invalid subscription_id `Exchange Online` > {legacy-b} |", ""),
            (
                "foreign-subscription subscription_id `{legacy}` > {legacy-b} |",
                "held by {a}",
            ),
        ];
        check(&told(&env, "set-subscriptions", rows).await, &expected, "set");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_of_part_numbers_that_the_customer_holds() {
    for store in [Store::Sqlite, Store::Postgres] {
        let env = StoreUnderTest::new(store).await;
        let seats = format!("customer,sku,sku_id,seats\n{{a}},ACME_BACKUP,{BACKUP},4\n{{a}},SPE_E5,,2\n");
        env.applies("set-seats", &seats).await;
        let rows = format!(
            "\
customer,sku,sku_id,seats
{{a}},alpha:ACME_BACKUP,,5
{{a}},ACME_BAKUP,,6
{{a}},{BACKUP},,7
{{a}},SPE_E4,,8
{{b}},SPE_E4,,8
{{a}},EMSS,,9
{{a}},Microsoft 365 E3,,10
{{a}},ACME_BKP,{BACKUP},11
{{a}},ACME_BACKUP,{{nobody}},12
"
        );
        let expected = [
            ("invalid sku `alpha:ACME_BACKUP` > ACME_BACKUP |", ""),
            ("unknown-sku sku `ACME_BAKUP` > ACME_BACKUP |", ""),
            ("invalid sku `0f3a7a52-9f3e-4d53-8a8e-5b1f5d2c7e11` > ACME_BACKUP |", ""),
            ("unknown-sku sku `SPE_E4` > SPE_E5 |", ""),
            // Who holds none may come to hold any.
            ("unknown-sku sku `SPE_E4` > SPE_E3 |", ""),
            ("unknown-sku sku `EMSS` > - |", ""),
            ("invalid sku `Microsoft 365 E3` > SPE_E3 |", ""),
            (
                "conflicting sku `ACME_BKP` > ACME_BACKUP |",
                "under another part number",
            ),
            (
                "conflicting sku_id `{nobody}` > 0f3a7a52-9f3e-4d53-8a8e-5b1f5d2c7e11 |",
                "under another id",
            ),
        ];
        check(&told(&env, "set-seats", &rows).await, &expected, "seats");
        // What is held under that name and id is set as before.
        env.applies("set-seats", &seats.replace(",4", ",5").replace(",2", ",3"))
            .await;
    }
}
