//! Input of commands: files, standard input and other pipes, or one row from the command line.

use std::io::IsTerminal;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::output;
use crate::input::{HiddenRows, InputLimits, InputOptions, STANDARD_INPUT, SpooledInput};
use crate::plan::{PIPED, RowSource};

/// What is read: a file, or one row from the command line.
#[derive(Debug, Default, Args)]
pub(super) struct InputArgs {
    /// The sheet of an Excel workbook to read [default: the only one that is shown and whose header fits]
    #[arg(long, value_name = "NAME")]
    pub(super) sheet: Option<String>,
    /// The encoding of a file that is not UTF-8 or UTF-16, e.g. windows-1250 [default: by its letters]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub(super) encoding: Option<String>,
    /// Take quoted cells that hold lines like those of the file; mostly a quote is missing then, and the file is refused
    #[arg(long)]
    pub(super) multiline_cells: bool,
    /// How hidden rows of a sheet are handled; a kind that deletes or ends something has to be told
    #[arg(long, value_name = "include|skip", value_parser = hidden_rows)]
    pub(super) hidden_rows: Option<HiddenRows>,
    /// A cell of the one row of a job without a file, e.g. --set customer=contoso.onmicrosoft.com; may be repeated
    #[arg(long = "set", value_name = "COLUMN=VALUE")]
    pub(super) cells: Vec<String>,
}

fn hidden_rows(word: &str) -> Result<HiddenRows, String> {
    match word {
        "include" => Ok(HiddenRows::Include),
        "skip" => Ok(HiddenRows::Skip),
        _ => Err("expected `include` or `skip`".to_owned()),
    }
}

fn encoding(name: &str) -> Result<String, String> {
    crate::input::encoding::named(name).map(|encoding| encoding.name().to_owned())
}

impl InputArgs {
    /// Whether a row is given without a file.
    pub(super) fn has_cells(&self) -> bool {
        !self.cells.is_empty()
    }

    /// The first column given without a file whose value is a secret.
    pub(super) fn secret_column(&self) -> Option<&str> {
        let mut columns = self.cells.iter().filter_map(|cell| cell.split_once('='));
        columns.find_map(|(column, _)| tenantry_jobs::header::holds_secrets(column.trim()).then(|| column.trim()))
    }

    /// What is to be read: the file, standard input for `-`, or the row. A pipe is read here to its end, which takes as long as
    /// somebody writes to it, and ends when `stop` does.
    pub(super) async fn source(
        &self,
        file: Option<&Path>,
        stop: Option<&CancellationToken>,
    ) -> anyhow::Result<RowSource> {
        let Some(file) = file else {
            return self.row();
        };
        let options = InputOptions {
            sheet: self.sheet.clone(),
            encoding: self.encoding.clone(),
            multiline_cells: self.multiline_cells,
            hidden_rows: self.hidden_rows,
            whole: false,
        };
        Ok(match spooled(file, stop).await? {
            Some(rows) => RowSource::Spooled { rows, options },
            None => RowSource::Path {
                path: file.to_owned(),
                options,
            },
        })
    }

    /// The row as a CSV text.
    fn row(&self) -> anyhow::Result<RowSource> {
        let mut cells = Vec::new();
        for cell in &self.cells {
            let (column, value) = cell
                .split_once('=')
                .ok_or_else(|| anyhow::anyhow!("--set {cell}: expected COLUMN=VALUE"))?;
            cells.push((column.trim(), value));
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(cells.iter().map(|(column, _)| *column))?;
        writer.write_record(cells.iter().map(|(_, value)| *value))?;
        Ok(RowSource::Bytes {
            name: crate::plan::SET.to_owned(),
            data: writer.into_inner()?.into(),
            multiline_cells: true,
        })
    }
}

/// Whether the path stands for what can be read only once: standard input, a named pipe, or what a shell puts in the place of
/// `<(COMMAND)`.
pub(super) fn is_piped(path: &Path) -> bool {
    is_standard_input(path) || is_pipe(path)
}

pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new(PIPED)
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| there.file_type().is_fifo())
}

/// What messages call the file.
pub(super) fn name(path: &Path) -> String {
    if is_standard_input(path) {
        STANDARD_INPUT.to_owned()
    } else {
        path.display().to_string()
    }
}

/// All that comes through the pipe that the path stands for; `None` if it stands for none.
pub(super) async fn spooled(path: &Path, stop: Option<&CancellationToken>) -> anyhow::Result<Option<SpooledInput>> {
    if !is_piped(path) {
        return Ok(None);
    }
    let is_standard_input = is_standard_input(path);
    if is_standard_input && std::io::stdin().is_terminal() {
        output::say("reading standard input; Ctrl-D ends it");
    }
    let most = InputLimits::default().spooled_bytes;
    let (sender, receiver) = oneshot::channel();
    let pipe = path.to_owned();
    // A thread that nobody waits for: one of the runtime's would hold up the end of the process for as long as nothing comes.
    std::thread::Builder::new()
        .name("read-pipe".to_owned())
        .spawn(move || {
            let read = if is_standard_input {
                SpooledInput::standard_input(most)
            } else {
                SpooledInput::pipe(&pipe, most)
            };
            // A command that has stopped wants no more of it.
            let _ = sender.send(read);
        })
        .context("no thread to read with can be started")?;
    let name = name(path);
    let read = match stop {
        Some(stop) => stop.run_until_cancelled(receiver).await,
        None => Some(receiver.await),
    };
    let Some(read) = read else {
        bail!("{name}: stopped before its end; nothing of it was submitted");
    };
    let read = read.map_err(|_| anyhow!("{name}: it cannot be read"))?;
    // As one of planning, so that it is shown like the others.
    Ok(Some(read.map_err(crate::plan::PlanError::from)?))
}
