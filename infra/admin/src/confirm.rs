//! Confirmation of commands that cannot be undone.

use std::io::{BufRead, IsTerminal, Read, stdin};

use clap::Args;

use crate::error::Error;
use crate::output::question;

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Dry {
    /// Show what would be done, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Confirm {
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    dry: Dry,
}

impl Confirm {
    /// Returns true for `--dry-run`.
    pub(crate) const fn dry_run(self) -> bool {
        self.dry.dry_run
    }

    /// Returns true for `--yes`.
    pub(crate) const fn is_sure(self) -> bool {
        self.yes
    }

    /// Requires `--yes` or interactive confirmation of something unlikely; `fix` says what else to
    /// do.
    pub(crate) fn insist(self, why: &str, fix: &str) -> Result<(), Error> {
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            return Err(Error::refused(format!("{why}; {fix}")));
        }
        confirmed(&format!("{why}. Type yes to do it all the same: "))
    }

    /// Requires `--yes` or interactive confirmation; `what` begins with a verb: `delete the plan`.
    pub(crate) fn require(self, what: &str) -> Result<(), Error> {
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            return Err(Error::misuse(format!(
                "to {what} can't be undone: add --yes to do it, or --dry-run to see what it does"
            )));
        }
        confirmed(&format!("To {what} can't be undone. Type yes to do it: "))
    }
}

fn confirmed(question: &str) -> Result<(), Error> {
    match ask(question) {
        Ok(answer) if answer == "yes" => Ok(()),
        _ => Err(Error::refused("not confirmed: nothing was done")),
    }
}

/// Asks on the terminal, and returns the line that is typed.
pub(crate) fn ask(text: &str) -> Result<String, Error> {
    question(text);
    let mut answer = String::new();
    match stdin().lock().take(LONGEST).read_line(&mut answer) {
        Ok(0) => Err(Error::refused("no answer: nothing was done")),
        Ok(_) => Ok(answer.trim().to_owned()),
        Err(error) => Err(Error::misuse(format!("can't read the answer: {error}"))),
    }
}

const LONGEST: u64 = 4_096;
