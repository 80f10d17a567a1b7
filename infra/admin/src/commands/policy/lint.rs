//! `tollgate policy lint`.

use clap::Args;
use policy::{Finding, Severity};
use serde_json::json;

use crate::args::Source;
use crate::error::Error;
use crate::output::{Output, table};

/// Show likely mistakes in the rules, and in the claims that other settings trust.
///
/// Findings outside the rules have `-` in the column RULE. Exits with 0 unless warnings are denied.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Lint {
    #[command(flatten)]
    source: Source,
    /// Exit with 1 where there is a warning; notes still pass.
    #[arg(long)]
    deny_warnings: bool,
}

impl Lint {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        let findings = self.source.config()?.lint();
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        let (warnings, notes) = (count(Severity::Warning), count(Severity::Note));
        let json = json!({"warnings": warnings, "notes": notes, "findings": findings});
        output.print(text(&findings), &json)?;
        match warnings {
            _ if !self.deny_warnings => Ok(()),
            0 => Ok(()),
            1 => Err(Error::refused("1 warning")),
            _ => Err(Error::refused(format!("{warnings} warnings"))),
        }
    }
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing found".to_owned();
    }
    let mut rows = vec![["SEVERITY", "CODE", "RULE", "WHAT; AND WHAT TO DO"].map(str::to_owned)];
    rows.extend(findings.iter().map(|Finding { severity, rule, code, text, mend }| {
        let rule = rule.as_deref().unwrap_or("-").to_owned();
        [severity.to_string(), code.to_string(), rule, format!("{text}; {mend}")]
    }));
    table(&rows)
}

const EXAMPLES: &str = "\
Examples:
  tollgate policy lint tollgate.toml
  tollgate policy lint tollgate.toml --deny-warnings
  tollgate policy lint tollgate.toml --json | jq '.findings[].code'";
