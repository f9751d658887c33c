//! A nightly import over the nights in which clocks change, by a worker that runs all the time.

use tenantry_ledger::JobState;
use tenantry_ledger::fires::FireState;

use super::*;
use crate::listen::Listening;
use crate::place::TWO_CUSTOMERS;

/// Milliseconds since the epoch.
fn millis(at: &str) -> i64 {
    at.parse::<jiff::Timestamp>().expect("an instant").as_millisecond()
}

/// Runs `cron` in Berlin from `start` on, with a file for each of these days, and follows the worker's clock from one of the times at
/// which it is to be due to the next. Its outcome.
async fn nights(cron: &str, start: &str, nights: &[(&str, &str)]) -> Vec<Fire> {
    let place = Place::new(On::Sqlite).await;
    std::fs::create_dir(place.path("exports")).expect("a directory");
    let file = place.path("exports/users-{date}.csv");
    let out = place.path("out/{schedule}/{date}");
    let section = format!(
        "[schedules.nightly]\nkind = \"bulk-add-users\"\ncron = \"{cron}\"\ntime_zone = \"Europe/Berlin\"\n\
         file = \"{}\"\nout = \"{}\"\n[passwords]\ndeliver = false\n",
        file.display(),
        out.display()
    );
    let clocked = Clocked::on(place, &section);
    clocked.set(millis(start) - Clock::system().now_millis());
    let customers = clocked.place.write("customers.csv", TWO_CUSTOMERS);
    clocked.run(&["run", "add-customer", &customers.display().to_string()], 0);
    for (day, _) in nights {
        let row = format!("customer,user_principal_name,first_name,last_name\nA-1,u{day}@alpha.onmicrosoft.com,U,U\n");
        clocked.place.write(&format!("exports/users-{day}.csv"), row);
    }
    let command = clocked.command(&["worker", "--log", "info"]);
    let worker = Listening::of(command, &clocked.place.path("worker.log")).await;
    eventually("the schedule is defined", async || {
        let schedules = clocked.ledger().await.schedules().await.ok()?;
        (!schedules.is_empty()).then_some(())
    })
    .await;
    for (at, (day, due)) in nights.iter().enumerate() {
        clocked.set(millis(due) - 2 * SECOND - Clock::system().now_millis());
        let fires = eventually("the night's import has ended", async || {
            let fires = clocked.fires("nightly").await;
            (fires.len() > at && fires.iter().all(|fire| fire.ended_at.is_some())).then_some(fires)
        })
        .await;
        assert_eq!(fires.len(), at + 1, "{day}: {:?}", told(&fires));
        let receipt = clocked.place.path(&format!("out/nightly/{day}/receipt.json"));
        assert!(receipt.is_file(), "{} is there", receipt.display());
    }
    let runs = "tenantry_schedule_runs_total{result=\"completed\"}";
    worker.has(runs, nights.len() as f64).await;
    for (series, value) in [
        ("tenantry_schedules{status=\"well\"}", 1.0),
        ("tenantry_schedules{status=\"overdue\"}", 0.0),
    ] {
        worker.has(series, value).await;
    }
    let succeeded = worker
        .value("tenantry_schedule_last_success_timestamp_seconds{schedule=\"nightly\"}")
        .await;
    let (_, last) = nights.last().expect("a night");
    assert!(succeeded >= Some(millis(last) as f64 / 1000.0), "{succeeded:?}");
    drop(worker);
    // The rest of the last day.
    let (_, last) = nights.last().expect("a night");
    clocked.set(millis(last) + 20 * HOUR - Clock::system().now_millis());
    clocked.drain();
    clocked.fires("nightly").await
}

/// Each of the nights has one import of its own file, at its time, which did what the file says.
fn assert_one_each(fires: &[Fire], nights: &[(&str, &str)]) {
    assert_eq!(fires.len(), nights.len(), "{:?}", told(fires));
    for (fire, (day, due)) in fires.iter().zip(nights) {
        assert_eq!(
            (fire.state, fire.job_state),
            (FireState::Ended, Some(JobState::Completed)),
            "{day}: {:?}",
            fire.detail
        );
        assert_eq!(fire.nominal, format!("{day}T02:30/1"));
        assert_eq!(fire.due, millis(due), "{day}");
        assert!(fire.made_at >= fire.due, "{day}: never before its time");
        assert!(
            fire.file
                .as_deref()
                .is_some_and(|file| file.ends_with(&format!("users-{day}.csv"))),
            "{:?}",
            fire.file
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_import_runs_once_in_the_night_that_lacks_its_hour() {
    let expected = [
        // 02:30 does not exist; 03:00 is the first moment after.
        ("2027-03-28", "2027-03-28T01:00:00Z"),
        ("2027-03-29", "2027-03-29T00:30:00Z"),
    ];
    assert_one_each(
        &nights("30 2 * * *", "2027-03-27T12:00:00Z", &expected).await,
        &expected,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_import_runs_once_in_the_night_that_has_its_hour_twice() {
    let expected = [
        ("2027-10-31", "2027-10-31T00:30:00Z"),
        ("2027-11-01", "2027-11-01T01:30:00Z"),
    ];
    assert_one_each(
        &nights("30 2 * * *", "2027-10-30T12:00:00Z", &expected).await,
        &expected,
    );
}
