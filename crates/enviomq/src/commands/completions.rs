//! `enviomq completions`: what the shell needs to complete our words.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Outcome;
use crate::cli::{Cli, localized};
use crate::context::Context;
use crate::failure::Exit;
use crate::output;

pub(crate) fn run(context: &Context, shell: Shell) -> Outcome {
    let mut command = localized(Cli::command(), context.language);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "enviomq", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Ok)
}
