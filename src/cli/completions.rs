//! `esker completions`: what shells complete.

use crate::cli::exit::Exit;
use crate::cli::{Outcome, definitions};
use std::io::Write;

/// Print a script that makes a shell complete commands and options
///
/// For bash: esker completions bash > /usr/share/bash-completion/completions/esker
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

pub fn run(args: &Args) -> Outcome {
    // Into memory first: the generator does not take a closed pipe well.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definitions(), "esker", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Ok)
}
