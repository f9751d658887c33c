//! Who may read what is written, whatever mask the program was started with.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::GOOD;
use crate::place::{CUSTOMERS, On, Place, Run};

fn mode(path: &Path) -> u32 {
    path.metadata().expect("there").permissions().mode() & 0o777
}

impl Place {
    /// Runs the program with nothing masked.
    fn unmasked(&self, args: &[&str], results: &str) -> Run {
        let tenantry = self.command(args);
        let mut command = Command::new("sh");
        command.arg("-c").arg("umask 0; exec \"$@\"").arg("sh");
        command.arg(tenantry.get_program()).args(tenantry.get_args());
        command.current_dir(self.path(""));
        for (name, value) in tenantry.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.env("TENANTRY__RESULTS__MODE", results);
        Run::from(command.output().expect("tenantry starts"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_the_owners_alone_unless_others_are_to_read_results() {
    let place = Place::new(On::Sqlite).await;
    place.write("customers.csv", CUSTOMERS);
    place.write("users.csv", GOOD);
    place
        .unmasked(&["run", "add-customer", "customers.csv", "--out", "alone/a"], "0600")
        .ends(0);
    place
        .unmasked(&["run", "bulk-add-users", "users.csv", "--out", "group/b"], "0640")
        .ends(0);
    for (name, expected) in [
        ("tenantry.db", 0o600),
        ("alone", 0o700),
        ("alone/a", 0o700),
        ("alone/a/results.csv", 0o600),
        ("alone/a/receipt.json", 0o600),
        ("group/b", 0o750),
        ("group/b/results.csv", 0o640),
        ("group/b/receipt.json", 0o640),
    ] {
        assert_eq!(mode(&place.path(name)), expected, "{name}");
    }
    let refused = place.unmasked(&["jobs"], "0200").ends(2);
    assert!(refused.err.contains("results.mode"), "{refused:?}");
}
