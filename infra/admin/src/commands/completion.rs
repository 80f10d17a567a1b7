//! `tollgate completion`.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::error::Error;
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
    pub(crate) fn run(self, mut command: Command) -> Result<(), Error> {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "tollgate", &mut script);
        write(String::from_utf8_lossy(&script))
    }
}

const EXAMPLES: &str = "\
Examples:
  source <(tollgate completion bash)
  tollgate completion zsh > ~/.zfunc/_tollgate";
