//! What `tenantry sandbox` prints works as it stands.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::{On, Place, Run, Running, unconfigured};

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_to_try_work_as_they_are_printed() {
    let place = Place::new(On::Sqlite).await;
    for options in [
        &[][..],
        &["--client-secret", "it's one & two"],
        &["--token", "rehearsal"],
    ] {
        let args = [&["sandbox", "--seed", "2"], options].concat();
        let mut command = place.command(&args);
        let mut running = Running(command.stdout(Stdio::piped()).spawn().expect("it starts"));
        let mut lines = BufReader::new(running.0.stdout.take().expect("its output")).lines();
        let mut lines = std::iter::from_fn(|| lines.next().map(|line| line.expect("read")));
        let mut script = lines
            .find_map(|line| line.strip_prefix("try").map(str::to_owned))
            .expect("a line to try");
        for line in lines {
            script.push_str(&format!("\n{line}"));
            if line.contains("tenantry customers") {
                break;
            }
        }
        let program = Path::new(env!("CARGO_BIN_EXE_tenantry"))
            .parent()
            .expect("its directory");
        let script = format!("PATH={}:$PATH\n{script}", program.display());
        let mut shell = Command::new("sh");
        unconfigured(&mut shell, place.dir.path());
        shell.args(["-ec", &script]).current_dir(place.dir.path());
        shell.env("TENANTRY__LEDGER__URL", &place.url);
        let ended = Run::from(shell.output().expect("a shell"));
        assert_eq!(ended.code, 0, "{options:?}: {ended:#?}\n{script}");
        assert!(ended.out.contains("\"totalCount\":2"), "{ended:#?}");
        assert!(ended.out.contains("Primary domain name"), "{ended:#?}");
    }
}
