//! The findings of a doctor, as lines of at most 80 columns or as JSON.

use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use crate::error::Error;
use crate::layout::wrap;
use crate::output::{Output, escaped, write};

/// The result of one check.
pub(super) struct Finding {
    check: &'static str,
    state: State,
    text: String,
    fix: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    /// The check could not be made, or is not needed.
    Skip,
    Warn,
    Fail,
    /// A failure that may pass by itself.
    Unavailable,
}

impl State {
    const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail | Self::Unavailable => "fail",
        }
    }
}

impl Finding {
    pub(super) fn new(check: &'static str, state: State, text: impl Into<String>) -> Self {
        Self { check, state, text: text.into(), fix: None }
    }

    /// Adds the command that fixes it, or that shows what was not checked.
    pub(super) fn fix(self, command: impl Into<String>) -> Self {
        Self { fix: Some(command.into()), ..self }
    }

    /// The finding in words that wrap, and its command on lines of its own, to paste.
    fn lines(&self) -> String {
        let mut text = format!("{:<4}  {:<13}", self.state.text(), self.check);
        let mut indent = "  ".to_owned();
        for line in wrap(&escaped(&self.text), WIDTH - INDENT) {
            text.push_str(&format!("{indent}{line}\n"));
            indent = " ".repeat(INDENT);
        }
        if let Some(fix) = &self.fix {
            let label = if self.state == State::Skip { "see" } else { "fix" };
            text.push_str(&format!("      {label}: {}\n", folded(&escaped(fix))));
        }
        text
    }
}

/// The findings so far. Each is printed as soon as it is known, except in JSON.
pub(super) struct Report {
    output: Output,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self { output, findings: Vec::new() }
    }

    pub(super) fn add(&mut self, finding: Finding) -> Result<(), Error> {
        if self.output == Output::Text {
            write(finding.lines())?;
        }
        self.findings.push(finding);
        Ok(())
    }

    /// Ends the report; a failure makes the command fail.
    pub(super) fn end(self) -> Result<(), Error> {
        let worst = self.findings.iter().map(|it| it.state).max().unwrap_or(State::Ok);
        if self.output == Output::Json {
            let checks = self.findings.iter().map(|it| {
                json!({"check": it.check, "state": it.state.text(), "text": it.text, "fix": it.fix})
            });
            let checks: Vec<_> = checks.collect();
            write(format_args!("{}\n", json!({"well": worst < State::Fail, "checks": checks})))?;
        }
        let failed = self.findings.iter().filter(|it| it.state >= State::Fail).count();
        let line = format!("{failed} of {} checks failed (see above)", self.findings.len());
        match worst {
            State::Unavailable => Err(Error::unavailable(line)),
            State::Fail => Err(Error::refused(line)),
            State::Ok | State::Skip | State::Warn => Ok(()),
        }
    }
}

/// Breaks a long command before its options, so that it can still be pasted.
fn folded(command: &str) -> String {
    // A quoted word could hold ` --` too.
    if LABEL + command.width() <= WIDTH || command.contains('\'') {
        return command.to_owned();
    }
    let mut lines: Vec<String> = Vec::new();
    for part in command.split(" --") {
        match lines.last_mut() {
            None => lines.push(part.to_owned()),
            // Room for ` \` and the option's dashes.
            Some(line) if LABEL + line.width() + 5 + part.width() <= WIDTH => {
                line.push_str(&format!(" --{part}"));
            }
            Some(_) => lines.push(format!("--{part}")),
        }
    }
    lines.join(&format!(" \\\n{}", " ".repeat(LABEL)))
}

const WIDTH: usize = 80;

/// The columns before a finding's text.
const INDENT: usize = 21;

/// The columns before a finding's command.
const LABEL: usize = 11;
