//! `tenantry customers`: what the store holds, on the terminal.

use std::io::Write;

use clap::Args;
use tenantry_jobs::{ExportColumn, Row};
use tokio::sync::mpsc;

use super::End;
use super::output;
use crate::app::App;
use crate::service::ListError;

#[derive(Debug, Args)]
pub(super) struct CustomersArgs {
    /// What to list: customers, subscriptions or users
    #[arg(long, value_name = "WHAT", default_value = "customers")]
    what: String,
    /// Only customers whose name, domain or GUID begins with this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Where to search: any, name, domain or id
    #[arg(long, value_name = "FIELD", default_value = "")]
    field: String,
    /// Find the text anywhere, not only at the beginning
    #[arg(long)]
    contains: bool,
    /// Only this customer: GUID, domain or external id
    #[arg(long, value_name = "CUSTOMER", default_value = "")]
    customer: String,
    /// Only customers with this relationship; `none` for those of the past
    #[arg(long, value_name = "RELATIONSHIP", default_value = "")]
    relationship: String,
    /// Only customers in this country
    #[arg(long, value_name = "CODE", default_value = "")]
    country: String,
    /// Only customers with this tag
    #[arg(long, value_name = "TAG", default_value = "")]
    tag: String,
    /// Column to sort by; `-` in front to begin with the last
    #[arg(long, value_name = "COLUMN", default_value = "", allow_hyphen_values = true)]
    sort: String,
    /// Columns to show, separated by `;`
    #[arg(long, value_name = "COLUMNS", default_value = "")]
    columns: String,
    /// At most this many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// Rows looked at for the widths of the table's columns.
const SAMPLE: usize = 200;
/// No column is wider than this because of one long value.
const WIDEST: usize = 48;

pub(super) async fn customers(args: &CustomersArgs, app: &App, json: bool) -> anyhow::Result<End> {
    let kind = super::kind("export-customers")?;
    let cells: Vec<Option<&str>> = kind.columns().iter().map(|column| args.cell(column.name)).collect();
    // The same checks as a row of `export-customers` goes through.
    let asked = kind.request(&Row::new(&cells)).map_err(|faulty| {
        let problems: Vec<String> = faulty.problems.iter().map(|problem| format!("--{problem}")).collect();
        anyhow::anyhow!(problems.join("\n"))
    })?;
    let tenantry_jobs::Request::Export(export) = asked else {
        anyhow::bail!("`export-customers` asks for something else");
    };
    let limit = args.limit.unwrap_or(u64::MAX);
    let listed = app
        .service
        .list(&export, async |columns, rows| print(rows, columns, limit, json).await);
    let left_out = listed.await.map_err(|error| match error {
        ListError::Problem(problem) => anyhow::anyhow!("--{problem}"),
        error => error.into(),
    })?;
    if let Some(left_out) = left_out {
        output::say(&left_out);
    }
    Ok(End::Fine)
}

async fn print(
    mut rows: mpsc::Receiver<Vec<String>>,
    columns: Vec<&'static ExportColumn>,
    limit: u64,
    json: bool,
) -> std::io::Result<()> {
    let mut table = Table::new(columns, json);
    let mut count = 0;
    while count < limit
        && let Some(cells) = rows.recv().await
    {
        table.row(cells)?;
        count += 1;
    }
    table.end()
}

impl CustomersArgs {
    /// What was given for a column of `export-customers`.
    fn cell(&self, column: &str) -> Option<&str> {
        Some(match column {
            "what" => &self.what,
            "customer" => &self.customer,
            "search" => &self.search,
            "field" => &self.field,
            "match" if self.contains => "contains",
            "relationship" => &self.relationship,
            "country" => &self.country,
            "tag" => &self.tag,
            "sort" => &self.sort,
            "columns" => &self.columns,
            _ => return None,
        })
    }
}

struct Table {
    columns: Vec<&'static ExportColumn>,
    json: bool,
    out: std::io::BufWriter<std::io::Stdout>,
    /// The first rows, until the widths are known.
    first: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl Table {
    fn new(columns: Vec<&'static ExportColumn>, json: bool) -> Self {
        Self {
            columns,
            json,
            out: output::out(),
            first: Vec::new(),
            widths: Vec::new(),
        }
    }

    fn row(&mut self, cells: Vec<String>) -> std::io::Result<()> {
        if self.json {
            crate::export::object(&mut self.out, &self.columns, &cells)?;
            return writeln!(self.out);
        }
        if self.widths.is_empty() {
            self.first.push(cells);
            if self.first.len() < SAMPLE {
                return Ok(());
            }
            return self.begin();
        }
        self.line(&cells)
    }

    /// Prints the header and the rows so far.
    fn begin(&mut self) -> std::io::Result<()> {
        let first = std::mem::take(&mut self.first);
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        self.widths = (0..titles.len())
            .map(|at| {
                let widest = first.iter().map(|cells| shown(&cells[at]).chars().count()).max();
                widest.unwrap_or(0).min(WIDEST).max(titles[at].chars().count())
            })
            .collect();
        self.line(&titles)?;
        first.iter().try_for_each(|cells| self.line(cells))
    }

    fn line(&mut self, cells: &[String]) -> std::io::Result<()> {
        let last = cells.len().saturating_sub(1);
        for (at, cell) in cells.iter().enumerate() {
            let cell = shown(cell);
            if at == last {
                writeln!(self.out, "{cell}")?;
            } else {
                write!(self.out, "{cell:<width$}  ", width = self.widths[at])?;
            }
        }
        Ok(())
    }

    fn end(mut self) -> std::io::Result<()> {
        if !self.json && self.widths.is_empty() {
            self.begin()?;
        }
        self.out.flush()
    }
}

/// On one line, and nothing in it a terminal would act on.
fn shown(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
