//! What shells and `man` get to know of the command line.

use crate::place::{On, Place, read};

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_pages_are_made_of_every_command() {
    let place = Place::new(On::Sqlite).await;
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.tenantry(&["completions", shell]).ends(0).out;
        for word in ["schedules", "backfill", "idempotency-key"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // Scripts for the other shells complete no values.
        for word in ["set-seats", "awaiting-approval"] {
            assert!(
                matches!(shell, "powershell" | "elvish") || script.contains(word),
                "{shell}: {word}"
            );
        }
    }
    place.tenantry(&["man", "--out", "man"]).ends(0);
    for (page, says) in [
        ("tenantry.1", "schedules"),
        ("tenantry-run.1", "idempotency"),
        ("tenantry-schedules-explain.1", "cron"),
    ] {
        assert!(read(place.path("man").join(page)).contains(says), "{page}");
    }
    assert!(place.tenantry(&["man"]).ends(0).out.contains(".TH tenantry"));
    assert!(!place.path("tenantry.db").exists());
}
