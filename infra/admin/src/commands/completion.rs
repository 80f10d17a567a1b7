//! `tollgate completion`.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::exit::Failed;
use crate::output::write;

/// Print a script that completes commands in a shell.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completion {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "tollgate", &mut script);
        write(String::from_utf8_lossy(&script))
    }
}

const EXAMPLES: &str = "\
Examples:
  source <(tollgate completion bash)
  tollgate completion zsh > ~/.zfunc/_tollgate";
