//! Suggestions for cells that name nothing a customer holds.

use super::*;

fn own(subscriptions: &[(&str, &str, &str)]) -> Vec<OwnSubscription> {
    let one = |&(id, product, status): &(&str, &str, &str)| OwnSubscription {
        id: id.to_owned(),
        product: product.to_owned(),
        status: status.to_owned(),
    };
    subscriptions.iter().map(one).collect()
}

fn problem(written: &str) -> Problem {
    Problem::new(code::INVALID, "subscription_id", written, "a GUID")
}

const E3: (&str, &str, &str) = ("id-e3", "Microsoft 365 E3", "active");
const PREMIUM: (&str, &str, &str) = ("id-premium", "Microsoft 365 Business Premium", "suspended");
const BACKUP: (&str, &str, &str) = ("id-backup", "Acme Backup", "active");
const SOMEBODYS: &str = "11111111-2222-4333-8444-555555555555";

#[test]
fn common_names_of_a_subscription_give_the_customers_own() {
    let all = own(&[E3, PREMIUM, BACKUP]);
    for (written, meant) in [
        ("Microsoft 365 E3", "id-e3"),
        ("m365 e3", "id-e3"),
        ("alpen:SPE_E3", "id-e3"),
        ("spe_e3", "id-e3"),
        ("SPB", "id-premium"),
        ("alpen: SPB", "id-premium"),
        ("Business Premium", "id-premium"),
        ("acme  backup", "id-backup"),
        ("alpen:Acme Backup", "id-backup"),
        // The id of the product instead of the subscription's.
        ("05e9a617-0261-4cee-bb44-138d3ef5d965", "id-e3"),
        ("{CBDC14AB-D96C-4C30-B9F4-6ADA7CDC1D46}", "id-premium"),
    ] {
        let told = advise_subscription(problem(written), written, &all);
        assert_eq!(told.suggestion.as_deref(), Some(meant), "{written}");
        assert_eq!(told.expected, "a GUID", "{written}");
    }
}

#[test]
fn where_it_cannot_be_told_which_is_meant_they_are_listed() {
    let told = |written: &str, subscriptions: &[(&str, &str, &str)]| {
        let told = advise_subscription(problem(written), written, &own(subscriptions));
        (told.suggestion.map(String::from), told.expected)
    };
    let nothing = |more: &str| (None, format!("a GUID; the customer holds {more}"));
    assert_eq!(told("E3", &[]), nothing("no subscription"));
    // A product that is not among them.
    assert_eq!(
        told("Visio Plan 2", &[E3]),
        nothing("`id-e3` (Microsoft 365 E3, active)")
    );
    // An id says nothing of the product: the only one is meant, and of several none.
    assert_eq!(told(SOMEBODYS, &[E3]), (Some("id-e3".to_owned()), "a GUID".to_owned()));
    assert_eq!(
        told(SOMEBODYS, &[E3, BACKUP]),
        nothing("`id-e3` (Microsoft 365 E3, active) and `id-backup` (Acme Backup, active)")
    );
    let second = ("id-2", "Microsoft 365 E3", "active");
    assert_eq!(
        told("SPE_E3", &[E3, BACKUP, second]),
        nothing("`id-e3` (Microsoft 365 E3, active) and `id-2` (Microsoft 365 E3, active)")
    );
    // One that has ended is not meant where another is there.
    let ended = ("id-old", "Microsoft 365 E3", "cancelled");
    assert_eq!(told("SPE_E3", &[ended, E3]).0.as_deref(), Some("id-e3"));
    assert_eq!(told("SPE_E3", &[ended]).0.as_deref(), Some("id-old"));
    let many = [E3, BACKUP, PREMIUM, second, ended];
    assert!(
        told("Visio", &many)
            .1
            .ends_with("(Microsoft 365 Business Premium, suspended) and 2 more")
    );
}

#[test]
fn held_skus_are_suggested_before_other_skus() {
    let told = |written: &str, guessed: Option<&str>, held: &[(&str, &str)]| {
        let held = held
            .iter()
            .map(|&(part, id)| (part.to_owned(), id.to_owned()))
            .collect();
        let problem = Problem::new(code::UNKNOWN_SKU, "sku", written, "a part number").suggest(guessed);
        Holdings::Skus(held).advise(problem).suggestion.map(String::from)
    };
    let held = [
        ("ACME_BACKUP", SOMEBODYS),
        ("SPE_E5", "06ebc4ee-1bb5-47dd-8120-11324bc54e06"),
    ];
    for (written, guessed, meant) in [
        ("SPE_E4", Some("SPE_E3"), Some("SPE_E5")),
        ("alpen:ACME_BACKUP", None, Some("ACME_BACKUP")),
        ("ACME_BAKUP", None, Some("ACME_BACKUP")),
        (SOMEBODYS, None, Some("ACME_BACKUP")),
        ("M365 E5", Some("SPE_E5"), Some("SPE_E5")),
        // A guess at what it does not hold.
        ("EMSS", Some("EMS"), None),
        // What it is to hold from now on.
        ("Microsoft 365 Business Premium", Some("SPB"), Some("SPB")),
        ("alpen:SPB", Some("SPB"), Some("SPB")),
        ("acme_other", Some("ACME_OTHER"), Some("ACME_OTHER")),
        // A cell takes one.
        ("SPE_E5,ACME_BACKUP", None, None),
        // It is written so already.
        ("ACME_BACKUP", None, None),
    ] {
        assert_eq!(told(written, guessed, &held).as_deref(), meant, "{written}");
    }
    assert_eq!(told("SPE_E4", Some("SPE_E3"), &[]).as_deref(), Some("SPE_E3"));
}
