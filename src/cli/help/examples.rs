//! Examples of every command, for `--help`, manual pages and the reference. Lines that begin with `#` say what the next one does.

/// Examples of a command, which is named by its words: `schedules next`.
pub(super) fn of(command: &str) -> Option<&'static str> {
    EXAMPLES
        .iter()
        .find(|(name, _)| *name == command)
        .map(|(_, examples)| *examples)
}

const EXAMPLES: &[(&str, &str)] = &[
    (
        "",
        "\
tenantry template bulk-add-users --sample > users.csv
tenantry plan bulk-add-users users.csv
tenantry run bulk-add-users users.csv --no-passwords",
    ),
    (
        "run",
        "\
# Results, rejects and receipt go to ./tenantry-out/JOB
tenantry run bulk-add-users users.csv --no-passwords
# Apply the valid rows of a workbook that has invalid ones
tenantry run set-seats seats.xlsx --skip-invalid --out results
# One row without a file
tenantry run update-account --set customer=nordwind.example --set city=Oslo",
    ),
    (
        "plan",
        "\
tenantry plan delete-users leavers.csv
# Keep the plan, and apply exactly that
tenantry plan delete-users leavers.csv --out plan.json
# The plan of a job that awaits approval
tenantry plan 5f0c91d2",
    ),
    (
        "apply",
        "\
tenantry apply plan.json
# Continue a queued, paused or waiting job here
tenantry apply 5f0c91d2",
    ),
    (
        "submit",
        "\
# Print the job's ID; a worker does the work
tenantry submit set-seats seats.csv
tenantry submit set-seats seats.csv --wait --out results
# Begin in the evening
tenantry submit set-seats seats.csv --at 2026-12-24T18:00+01:00",
    ),
    (
        "wait",
        "\
tenantry wait 5f0c91d2
tenantry wait 5f0c91d2 8a41e07b --timeout 30m",
    ),
    (
        "worker",
        "\
tenantry worker
# Stop when no job is left
tenantry worker --drain
# With health and metrics
tenantry worker --listen 127.0.0.1:9464",
    ),
    (
        "jobs",
        "\
tenantry jobs --state awaiting-approval
tenantry jobs --kind bulk-add-users --limit 5 --json
tenantry jobs --watch",
    ),
    (
        "show",
        "\
tenantry show 5f0c91d2
tenantry show 5f0c91d2 --json",
    ),
    (
        "report",
        "\
tenantry report 5f0c91d2
tenantry report 5f0c91d2 --html report.html",
    ),
    (
        "rows",
        "\
tenantry rows 5f0c91d2
tenantry rows 5f0c91d2 --outcome rejected",
    ),
    (
        "results",
        "\
tenantry results 5f0c91d2 > results.csv
# All files that `run` writes, of a job that a worker did
tenantry results 5f0c91d2 --out results
# A file that the job made
tenantry results 5f0c91d2 --file customers.csv",
    ),
    (
        "rejects",
        "\
tenantry rejects 5f0c91d2 > rejects.csv
tenantry rejects 5f0c91d2 --save rejects.xlsx",
    ),
    (
        "reveal",
        "\
tenantry reveal 5f0c91d2 --identity key.txt --out passwords.csv",
    ),
    (
        "approve",
        "\
# Shows the plan and asks
tenantry approve 5f0c91d2 --by anna
# With a signature by an enrolled key
tenantry approve 5f0c91d2 --key ~/.ssh/id_ed25519",
    ),
    (
        "reject",
        "\
tenantry reject 5f0c91d2 --by anna --reason 'not these customers'",
    ),
    ("pause", "tenantry pause 5f0c91d2"),
    ("resume", "tenantry resume 5f0c91d2"),
    ("cancel", "tenantry cancel 5f0c91d2"),
    ("retry", "tenantry retry 5f0c91d2"),
    (
        "undo",
        "\
# Show what can be reverted, then revert it
tenantry undo 5f0c91d2 --plan
tenantry undo 5f0c91d2",
    ),
    (
        "transfer accepted",
        "tenantry transfer accepted 6b1b8a04-7d16-4b52-9f6a-0a3c1f0f7f10",
    ),
    (
        "transfer declined",
        "tenantry transfer declined 6b1b8a04-7d16-4b52-9f6a-0a3c1f0f7f10",
    ),
    (
        "transfer requested",
        "\
tenantry transfer requested 6b1b8a04-7d16-4b52-9f6a-0a3c1f0f7f10 \\
  --customer nordwind.example --flow azure-plan \\
  --partner 0f0c5d8e-6f0a-4f43-9a51-3f1f5a0b7c11",
    ),
    (
        "transfer withdrawn",
        "tenantry transfer withdrawn 6b1b8a04-7d16-4b52-9f6a-0a3c1f0f7f10",
    ),
    (
        "customers",
        "\
tenantry customers --search nord
tenantry customers --country DE --sort company_name --limit 20
tenantry customers --csv > customers.csv",
    ),
    (
        "users",
        "\
tenantry users --search anna
tenantry users --customer nordwind.example --where licenses=SPB
tenantry users --customer nordwind.example --csv > users.csv",
    ),
    (
        "subscriptions",
        "\
tenantry subscriptions --customer nordwind.example
tenantry subscriptions --where status=suspended --json",
    ),
    (
        "schedules",
        "\
tenantry schedules
tenantry schedules next --within 7d",
    ),
    ("schedules show", "tenantry schedules show nightly"),
    (
        "schedules next",
        "\
tenantry schedules next
tenantry schedules next --within 7d",
    ),
    ("schedules explain", "tenantry schedules explain '0 3 * * mon-fri'"),
    ("schedules plan", "tenantry schedules plan nightly"),
    ("schedules run", "tenantry schedules run nightly"),
    (
        "schedules skip",
        "tenantry schedules skip nightly --due 2026-12-24T03:00",
    ),
    (
        "schedules pause",
        "tenantry schedules pause nightly --because 'the new price list is not ready'",
    ),
    ("schedules resume", "tenantry schedules resume nightly"),
    (
        "schedules backfill",
        "\
# List the times, then fire them
tenantry schedules backfill nightly --from 2026-12-01 --to 2026-12-05
tenantry schedules backfill nightly --from 2026-12-01 --to 2026-12-05 --yes",
    ),
    (
        "schedules add",
        "\
tenantry schedules add nightly kind=export-customers cron='0 3 * * *' \\
  time_zone=Europe/Berlin set.what=customers",
    ),
    ("schedules edit", "tenantry schedules edit nightly cron='30 3 * * *'"),
    ("schedules remove", "tenantry schedules remove nightly"),
    (
        "folders",
        "\
tenantry folders
tenantry folders show new-users",
    ),
    ("folders show", "tenantry folders show new-users"),
    ("folders explain", "tenantry folders explain /srv/drop/users.csv"),
    ("folders scan", "tenantry folders scan new-users"),
    ("folders retry", "tenantry folders retry 5f0c91d2"),
    ("folders release", "tenantry folders release new-users"),
    ("folders adopt", "tenantry folders adopt new-users"),
    ("folders check", "tenantry folders check new-users"),
    ("workers", "tenantry workers"),
    (
        "policy",
        "\
tenantry policy
tenantry policy set limits.destructive_rows 10",
    ),
    ("policy set", "tenantry policy set limits.destructive_rows 10"),
    ("policy reset", "tenantry policy reset limits.destructive_rows"),
    (
        "approvers",
        "\
tenantry approvers
tenantry approvers add anna --key anna.pub",
    ),
    ("approvers add", "tenantry approvers add anna --key anna.pub"),
    ("approvers revoke", "tenantry approvers revoke anna"),
    (
        "audit",
        "\
tenantry audit
tenantry audit log --job 5f0c91d2
tenantry audit verify",
    ),
    ("audit log", "tenantry audit log --job 5f0c91d2 --limit 20"),
    (
        "audit verify",
        "\
tenantry audit verify --deep
tenantry audit verify --file audit.jsonl --anchors anchors.txt",
    ),
    (
        "audit export",
        "\
tenantry audit export > audit.jsonl
tenantry audit export --since 2026-11-01T00:00:00Z --format csv > november.csv",
    ),
    (
        "init",
        "\
tenantry init
tenantry init /srv/tenantry --ledger postgres://app@db.example/tenantry",
    ),
    (
        "doctor",
        "\
tenantry doctor
tenantry doctor --deep",
    ),
    ("migrate", "tenantry migrate"),
    ("backup", "tenantry backup /srv/backup/tenantry-2026-11-29.db"),
    ("keygen", "tenantry keygen --out key.txt"),
    (
        "sandbox",
        "\
tenantry sandbox --seed 20
# With throttling and lost replies
tenantry sandbox --port 8099 --rate-limit 10/s --fault cut-after-commit=0.05",
    ),
    ("kinds", "tenantry kinds"),
    (
        "template",
        "\
tenantry template bulk-add-users > users.csv
tenantry template bulk-add-users --sample
tenantry template bulk-add-users --explain",
    ),
    (
        "completions",
        "\
tenantry completions bash > ~/.bash_completion
tenantry completions zsh > ~/.zfunc/_tenantry",
    ),
    (
        "man",
        "\
tenantry man | man -l -
tenantry man --out ~/.local/share/man/man1",
    ),
];
