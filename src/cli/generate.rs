//! `tenantry completions` and `tenantry man`: what shells and `man` know of the command line, made of its one definition.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{CommandEnd, output};

const NAME: &str = "tenantry";

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell to complete commands in
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for each command to this directory [default: print the page of the program]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<CommandEnd> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::definition(), NAME, &mut script);
    print(&script)
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<CommandEnd> {
    let mut program = super::definition().disable_help_subcommand(true);
    program.build();
    let Some(dir) = &args.out else {
        let mut page = Vec::new();
        Man::new(program).render(&mut page)?;
        return print(&page);
    };
    let cannot = || format!("{} cannot be written", dir.display());
    fs::create_dir_all(dir).with_context(cannot)?;
    clap_mangen::generate_to(program, dir).with_context(cannot)?;
    output::say(&format!("the pages are in {}", dir.display()));
    Ok(CommandEnd::Fine)
}

fn print(text: &[u8]) -> anyhow::Result<CommandEnd> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(CommandEnd::Fine)
}
