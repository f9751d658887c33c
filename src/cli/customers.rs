//! `tenantry customers`, `users` and `subscriptions`: what the store holds, on the terminal.
//!
//! Customers are chosen by the store. Which of their users or subscriptions are shown is decided here, row by row, as they are
//! read, by columns that need not be shown themselves.

mod chosen;

use std::io::{self, Write};

use clap::Args;
use tenantry_jobs::{ExportColumn, ExportFormat, ExportOf, RowCells};
use tokio::sync::mpsc;

use self::chosen::Chosen;
use super::text_table::TextTable;
use super::{CommandEnd, output};
use crate::app::App;
use crate::export::ListWriter;
use crate::service::ListError;
use crate::store::listing::RowBatch;
use crate::table::Form;

#[derive(Debug, Args)]
pub(super) struct CustomersArgs {
    /// Only customers whose name, domain or GUID begins with this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Where to search: any, name, domain or id
    #[arg(long, value_name = "FIELD", default_value = "", requires = "search")]
    field: String,
    /// Find the text anywhere, not only at the beginning
    #[arg(long, requires = "search")]
    contains: bool,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
#[command(mut_arg("search", |arg| arg.help("Only users of whose sign-in name or display name a word begins with this text")))]
pub(super) struct UsersArgs {
    #[command(flatten)]
    rows: SearchedListArgs,
}

#[derive(Debug, Args)]
#[command(mut_arg("search", |arg| arg.help("Only subscriptions of whose product or GUID a word begins with this text")))]
pub(super) struct SubscriptionsArgs {
    #[command(flatten)]
    rows: SearchedListArgs,
}

/// What is asked of the rows below customers.
#[derive(Debug, Args)]
struct SearchedListArgs {
    /// Only rows of which a word begins with this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Find the text anywhere, not only at the beginning of a word
    #[arg(long, requires = "search")]
    contains: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// What every list is asked for.
#[derive(Debug, Args)]
struct ListArgs {
    /// Only this customer: GUID, domain or external ID
    #[arg(long, value_name = "CUSTOMER", default_value = "")]
    customer: String,
    /// Only customers with this relationship; `none` for former customers
    #[arg(long, value_name = "RELATIONSHIP", default_value = "")]
    relationship: String,
    /// Only customers in this country
    #[arg(long, value_name = "CODE", default_value = "")]
    country: String,
    /// Only customers with this tag
    #[arg(long, value_name = "TAG", default_value = "")]
    tag: String,
    /// Only rows with this value in a column, or among the values of a list such as licences; may be repeated
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    conditions: Vec<String>,
    /// Column to sort by; `-` in front sorts descending
    #[arg(long, value_name = "COLUMN", default_value = "", allow_hyphen_values = true)]
    sort: String,
    /// Columns to show, separated by `;`
    #[arg(long, value_name = "COLUMNS", default_value = "")]
    columns: String,
    /// At most this many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print CSV, with the columns that an export has
    #[arg(long)]
    csv: bool,
}

/// A list that is asked for.
struct ListQuery<'a> {
    what: ExportOf,
    /// What the store looks for in customers.
    search: &'a str,
    field: &'a str,
    contains: bool,
    list: &'a ListArgs,
}

#[derive(Debug, Clone, Copy)]
enum ListForm {
    Text,
    Json,
    Csv(Form),
}

pub(super) async fn customers(args: &CustomersArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let what = ExportOf::Customers;
    let asked = ListQuery {
        what,
        search: &args.search,
        field: &args.field,
        contains: args.contains,
        list: &args.list,
    };
    asked.show(Chosen::by(what, &args.list.conditions)?, app, json).await
}

pub(super) async fn users(args: &UsersArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    rows(ExportOf::Users, &args.rows, app, json).await
}

pub(super) async fn subscriptions(args: &SubscriptionsArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    rows(ExportOf::Subscriptions, &args.rows, app, json).await
}

async fn rows(what: ExportOf, args: &SearchedListArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let asked = ListQuery {
        what,
        search: "",
        field: "",
        contains: false,
        list: &args.list,
    };
    let chosen = Chosen::by(what, &args.list.conditions)?.searched(&args.search, args.contains);
    asked.show(chosen, app, json).await
}

/// The columns of a table for people. Files have those of Partner Center, which begin with GUIDs.
fn shown_columns(what: ExportOf, is_of_one_customer: bool) -> &'static [&'static str] {
    match (what, is_of_one_customer) {
        (ExportOf::Customers, _) => &["company_name", "primary_domain_name", "relationship", "tags"],
        (ExportOf::Users, _) => &["user_principal_name", "display_name", "licenses", "status"],
        (ExportOf::Subscriptions, false) => &["primary_domain_name", "subscription", "quantity", "status"],
        (ExportOf::Subscriptions, true) => &["subscription_id", "subscription", "quantity", "status"],
    }
}

impl ListQuery<'_> {
    async fn show(&self, chosen: Chosen, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
        let kind = super::kind("export-customers")?;
        let cells: Vec<Option<&str>> = kind.columns().iter().map(|column| self.cell(column.name)).collect();
        // The same checks as a row of `export-customers` goes through.
        let request = kind.request(&RowCells::new(&cells)).map_err(|faulty| {
            let problems: Vec<String> = faulty.problems.iter().map(|problem| format!("--{problem}")).collect();
            anyhow::anyhow!(problems.join("\n"))
        })?;
        let tenantry_jobs::Request::Export(mut export) = request else {
            anyhow::bail!("`export-customers` asks for something else");
        };
        let form = match (json, self.list.csv) {
            (true, true) => anyhow::bail!("--json and --csv ask for two formats; leave one of them out"),
            (true, false) => ListForm::Json,
            (false, true) => ListForm::Csv(Form {
                format: crate::table::TableFormat::Csv,
                ..app.config.results.form()
            }),
            (false, false) => ListForm::Text,
        };
        if matches!(form, ListForm::Text) && !export.names_columns {
            export.columns = shown_columns(self.what, !self.list.customer.is_empty()).to_vec();
        }
        if chosen.has_conditions() {
            // A column that the store does not keep is empty, which would look like an answer.
            let mut asked = export.clone();
            asked.columns = chosen.conditions();
            asked.names_columns = true;
            let nothing = app.service.list(&asked, Some(0), async |_, _| Ok(())).await;
            nothing.map_err(|error| told(error, "where"))?;
        }
        let shown = export.columns.len();
        let chosen = chosen.places(&mut export.columns);
        let limit = self.list.limit;
        let of_store = limit.filter(|_| chosen.takes_all());
        let listed = app.service.list(&export, of_store, async |columns, rows| {
            let taken = ChosenRows {
                rows,
                chosen: &chosen,
                shown,
                left: limit.unwrap_or(u64::MAX),
            };
            print(taken, &columns[..shown], form).await
        });
        if let Some(left_out) = listed.await.map_err(|error| told(error, ""))? {
            output::warn(&left_out);
        }
        Ok(CommandEnd::Fine)
    }

    /// What was given for a column of `export-customers`.
    fn cell(&self, column: &str) -> Option<&str> {
        let list = self.list;
        Some(match column {
            "what" => self.what.as_str(),
            "customer" => &list.customer,
            "search" => self.search,
            "field" => self.field,
            "match" if self.contains => "contains",
            "relationship" => &list.relationship,
            "country" => &list.country,
            "tag" => &list.tag,
            "sort" => &list.sort,
            "columns" => &list.columns,
            _ => return None,
        })
    }
}

/// An error by the option that it is about.
fn told(error: ListError, option: &str) -> anyhow::Error {
    match error {
        ListError::Problem(problem) if option.is_empty() => anyhow::anyhow!("--{problem}"),
        ListError::Problem(problem) => {
            let text = problem.to_string();
            let (_, what) = text.split_once(": ").unwrap_or(("", &text));
            anyhow::anyhow!("--{option}: {what}")
        }
        error => error.into(),
    }
}

/// The rows of a list that are chosen, with the columns that are shown.
struct ChosenRows<'c> {
    rows: mpsc::Receiver<RowBatch>,
    chosen: &'c chosen::ChosenPlaces,
    shown: usize,
    left: u64,
}

impl ChosenRows<'_> {
    /// Some more of them; `None` at the end.
    async fn next(&mut self) -> Option<RowBatch> {
        if self.left == 0 {
            return None;
        }
        let mut batch = self.rows.recv().await?;
        batch.retain(|cells| self.chosen.takes(cells));
        batch.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= batch.len() as u64;
        for cells in &mut batch {
            cells.truncate(self.shown);
        }
        Some(batch)
    }
}

async fn print(mut rows: ChosenRows<'_>, columns: &[&'static ExportColumn], form: ListForm) -> io::Result<()> {
    let mut out = output::out();
    match form {
        ListForm::Json => {
            while let Some(batch) = rows.next().await {
                for cells in batch {
                    crate::export::object(&mut out, columns, &cells)?;
                    writeln!(out)?;
                }
            }
            out.flush()
        }
        ListForm::Csv(form) => {
            let mut csv = ListWriter::new(out, ExportFormat::Csv, columns.to_vec(), form)?;
            while let Some(batch) = rows.next().await {
                for cells in batch {
                    csv.write(&cells)?;
                }
            }
            csv.finish()?.flush()
        }
        ListForm::Text => {
            let mut table = TextTable::new(out, columns.iter().map(|column| column.title));
            while let Some(batch) = rows.next().await {
                for cells in batch {
                    table.row(cells)?;
                }
            }
            table.end()
        }
    }
}
