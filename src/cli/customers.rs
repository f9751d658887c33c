//! `tenantry customers`: what the store holds, on the terminal.

use std::io::Write;

use clap::Args;
use tenantry_jobs::{ExportColumn, RowCells};
use tokio::sync::mpsc;

use super::CommandEnd;
use super::output;
use super::text_table::TextTable;
use crate::app::App;
use crate::service::ListError;
use crate::store::listing::RowBatch;

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

pub(super) async fn customers(args: &CustomersArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let kind = super::kind("export-customers")?;
    let cells: Vec<Option<&str>> = kind.columns().iter().map(|column| args.cell(column.name)).collect();
    // The same checks as a row of `export-customers` goes through.
    let asked = kind.request(&RowCells::new(&cells)).map_err(|faulty| {
        let problems: Vec<String> = faulty.problems.iter().map(|problem| format!("--{problem}")).collect();
        anyhow::anyhow!(problems.join("\n"))
    })?;
    let tenantry_jobs::Request::Export(export) = asked else {
        anyhow::bail!("`export-customers` asks for something else");
    };
    let listed = app.service.list(&export, args.limit, async |columns, rows| {
        print(rows, columns, json).await
    });
    let left_out = listed.await.map_err(|error| match error {
        ListError::Problem(problem) => anyhow::anyhow!("--{problem}"),
        error => error.into(),
    })?;
    if let Some(left_out) = left_out {
        output::say(&left_out);
    }
    Ok(CommandEnd::Fine)
}

async fn print(
    mut batches: mpsc::Receiver<RowBatch>,
    columns: Vec<&'static ExportColumn>,
    json: bool,
) -> std::io::Result<()> {
    let mut out = output::out();
    if json {
        while let Some(rows) = batches.recv().await {
            for cells in rows {
                crate::export::object(&mut out, &columns, &cells)?;
                writeln!(out)?;
            }
        }
        return out.flush();
    }
    let mut table = TextTable::new(out, columns.iter().map(|column| column.title));
    while let Some(rows) = batches.recv().await {
        for cells in rows {
            table.row(cells)?;
        }
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
