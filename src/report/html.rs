//! The report as one page: no scripts, nothing loaded from anywhere, light or dark as the reader likes it.

use std::fmt::Write as _;

use super::JobReport;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d9dee4; --paper: #ffffff; --card: #f6f8fa;
  --applied: #1a7f4b; --unchanged: #7a8794; --rejected: #b35900; --failed: #c0282d; --cancelled: #8250a8; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e8ecf0; --soft: #9aa5b1; --line: #343b43; --paper: #14181d;
  --card: #1c2127; --applied: #3fb67a; --unchanged: #8b98a5; --rejected: #e08a2e; --failed: #ef6a6e; --cancelled: #b98bdc; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 60rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
.soft { color: var(--soft); } code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem; margin: 1.5rem 0 .75rem; }
.tile { background: var(--card); border-radius: .5rem; padding: .75rem 1rem; border-top: .25rem solid var(--tone); }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.bar { display: flex; height: .75rem; border-radius: .375rem; overflow: hidden; background: var(--line); }
.bar i { background: var(--tone); }
dl { display: grid; grid-template-columns: 9rem 1fr; gap: .35rem 1rem; margin: 0; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
ol.time { list-style: none; margin: 0; padding: 0 0 0 1rem; border-left: .125rem solid var(--line); }
ol.time li { margin: 0 0 .6rem; } ol.time time { color: var(--soft); margin-right: .75rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; margin: .25rem 0 1rem; } th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--line);
  vertical-align: top; } th:first-child { width: 20%; } th:nth-child(2) { width: 34%; } td:first-child { font-variant-numeric: tabular-nums; } td { overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; } h3 span { color: var(--soft); font-weight: normal; }
@media screen and (max-width: 40rem) { dl { display: block; } dd { margin: 0 0 .5rem; } thead { display: none; }
  tr, td { display: block; } tr { padding: .35rem 0; border-bottom: 1px solid var(--line); } td { border: 0; padding: .1rem 0; } td:empty { display: none; } }
@media print { :root { color-scheme: light; } body { padding: 0; } .tile, tr, li, dd { break-inside: avoid; } h2, h3, thead { break-after: avoid; }
  * { print-color-adjust: exact; } }
";

/// What our pages are known by.
const GENERATOR: &str = "<meta name=\"generator\" content=\"tenantry\">";

/// Whether a file that begins like this is a page of ours.
pub(crate) fn begins_a_page(head: &[u8]) -> bool {
    memchr::memmem::find(head, GENERATOR.as_bytes()).is_some()
}

/// The page.
pub(crate) fn page(report: &JobReport) -> String {
    let job = &report.summary;
    let mut page = String::new();
    let title = format!("{} {}", job.kind, job.state.as_str());
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{GENERATOR}\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{}: {}</h1>\n<p class=\"soft\">Job <code>{}</code></p>\n",
        escaped(&title),
        escaped(&job.kind),
        escaped(job.state.as_str()),
        job.job,
    );
    counts(&mut page, report);
    job_facts(&mut page, report);
    timeline(&mut page, report);
    errors(&mut page, report);
    page.push_str("</body>\n</html>\n");
    page
}

fn counts(page: &mut String, report: &JobReport) {
    let counts = &report.summary.counts;
    let all = [
        ("applied", counts.applied),
        ("unchanged", counts.unchanged),
        ("rejected", counts.rejected),
        ("failed", counts.failed),
        ("cancelled", counts.cancelled),
    ];
    page.push_str("<div class=\"tiles\">\n");
    for (name, count) in all.iter().filter(|(name, count)| *count > 0 || *name == "applied") {
        let _ = writeln!(
            page,
            "<div class=\"tile\" style=\"--tone: var(--{name})\"><b>{count}</b>{name}</div>"
        );
    }
    let open = counts.total - counts.finished();
    if open > 0 {
        let waiting = match report.summary.waiting {
            0 => String::new(),
            waiting => format!(", {waiting} waiting"),
        };
        let _ = writeln!(
            page,
            "<div class=\"tile\" style=\"--tone: var(--line)\"><b>{open}</b>open{waiting}</div>"
        );
    }
    let _ = write!(
        page,
        "</div>\n<div class=\"bar\" role=\"img\" aria-label=\"share of each outcome of {} rows\">",
        counts.total
    );
    for (name, count) in all.iter().filter(|(_, count)| *count > 0) {
        let _ = write!(page, "<i style=\"--tone: var(--{name}); flex: {count}\"></i>");
    }
    if open > 0 {
        let _ = write!(page, "<i style=\"--tone: transparent; flex: {open}\"></i>");
    }
    page.push_str("</div>\n");
}

fn job_facts(page: &mut String, report: &JobReport) {
    let job = &report.summary;
    page.push_str("<h2>What</h2>\n<dl>\n");
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escaped(value));
    };
    fact("Input", &format!("{} ({} rows)", job.input.name, job.input.rows));
    fact("SHA-256", &job.input.sha256);
    for note in &job.input.notes {
        fact("Note", note);
    }
    fact("Submitted by", &job.submitted_by);
    if let Some(customer) = &job.parameters.customer {
        fact("Customer", customer);
    }
    if let Some(undone) = &job.undo_of {
        fact("Takes back", &undone.to_string());
    }
    if let Some(approval) = &job.approval {
        fact("Needed approval", &approval.reasons.join("; "));
        fact("Plan", &approval.hash);
        fact("Decided by", approval.decided_by.as_deref().unwrap_or("nobody yet"));
    }
    if let Some(message) = &job.message {
        fact("Message", message);
    }
    if let Some(undo) = &job.undo {
        fact("Undo", undo);
    }
    for (name, path) in [
        ("Results", &job.results),
        ("Rejects", &job.rejects),
        ("Receipt", &job.receipt),
    ] {
        if let Some(path) = path {
            fact(name, path);
        }
    }
    for file in &job.files {
        fact("File", file);
    }
    page.push_str("</dl>\n");
}

fn timeline(page: &mut String, report: &JobReport) {
    let job = &report.summary;
    page.push_str("<h2>When</h2>\n<ol class=\"time\">\n");
    let mut event = |time: &str, what: &str| {
        let shown = time.get(..19).unwrap_or(time).replace('T', " ");
        let _ = writeln!(
            page,
            "<li><time datetime=\"{}\">{} UTC</time>{}</li>",
            escaped(time),
            escaped(&shown),
            escaped(what)
        );
    };
    event(&job.created_at, "submitted");
    if let Some(started) = &job.started_at {
        event(started, "work began");
    }
    if let Some(finished) = &job.finished_at {
        let took = report
            .took()
            .map_or(String::new(), |took| format!(" after {took}{}", report.rate()));
        event(finished, &format!("{}{took}", job.state.as_str()));
    }
    page.push_str("</ol>\n");
}

fn errors(page: &mut String, report: &JobReport) {
    page.push_str("<h2>What went wrong</h2>\n");
    if report.errors.is_empty() {
        page.push_str("<p class=\"soft\">Nothing.</p>\n");
        return;
    }
    for group in &report.errors {
        let _ = write!(
            page,
            "<h3><code>{}</code> <span>{} {}</span></h3>\n<table>\n<thead><tr><th scope=\"col\">Where</th>\
             <th scope=\"col\">About</th><th scope=\"col\">Message</th></tr></thead>\n<tbody>\n",
            escaped(&group.code),
            group.count,
            escaped(&group.outcome),
        );
        for example in &group.examples {
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&example.place()),
                escaped(&example.subject.as_ref().map_or(String::new(), ToString::to_string)),
                escaped(&example.message)
            );
        }
        let more = group.count - group.examples.len() as u64;
        if more > 0 {
            let _ = writeln!(
                page,
                "<tr><td></td><td class=\"soft\" colspan=\"2\">… and {more} more</td></tr>"
            );
        }
        page.push_str("</tbody>\n</table>\n");
    }
}

/// Text that means nothing but itself.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
