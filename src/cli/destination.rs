//! Destination and format of results, from the command line.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::delivery::Destination;
use crate::table::TableFormat;

/// Where results go, and as what.
#[derive(Debug, Args)]
pub(super) struct DestinationArgs {
    /// Directory for results, rejects and receipt.json [default: ./tenantry-out/JOB]
    #[arg(long, value_name = "DIR", value_parser = super::directory)]
    out: Option<PathBuf>,
    /// Write results and rejects as CSV or as Excel workbooks [default: as configured, else csv]
    #[arg(long)]
    format: Option<ResultsFormat>,
}

impl DestinationArgs {
    /// The directory that is named.
    pub(super) fn dir(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// With that directory.
    pub(super) fn in_dir<'d>(&self, dir: Option<&'d Path>) -> Destination<'d> {
        Destination {
            dir,
            format: self.format.map(ResultsFormat::table),
        }
    }

    /// As it was said.
    pub(super) fn destination(&self) -> Destination<'_> {
        self.in_dir(self.dir())
    }
}

/// What a table is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ResultsFormat {
    Csv,
    Xlsx,
}

impl ResultsFormat {
    pub(super) fn table(self) -> TableFormat {
        match self {
            Self::Csv => TableFormat::Csv,
            Self::Xlsx => TableFormat::Xlsx,
        }
    }
}
