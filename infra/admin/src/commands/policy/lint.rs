//! `tollgate policy lint`.

use clap::Args;
use policy::{Finding, Severity};
use serde_json::json;

use crate::args::Source;
use crate::error::Error;
use crate::layout::{INDENT, list, terminal, wrap};
use crate::output::{Output, escaped};

/// Show likely mistakes in a configuration.
///
/// Exits with 1 if there is an error, or, with `--deny-warnings`, a warning; otherwise with 0.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Lint {
    #[command(flatten)]
    source: Source,
    /// Exit with 1 if there is a warning. Notes do not count.
    #[arg(long)]
    deny_warnings: bool,
}

impl Lint {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        let findings = self.source.config()?.lint();
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        let [errors, warnings, notes] =
            [Severity::Error, Severity::Warning, Severity::Note].map(count);
        let json = json!({
            "errors": errors, "warnings": warnings, "notes": notes, "findings": findings,
        });
        output.print(text(&findings), &json)?;
        let denied = if self.deny_warnings { warnings } else { 0 };
        let counts = [(errors, "error"), (denied, "warning")];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }))
            .collect();
        match counts.is_empty() {
            true => Ok(()),
            false => Err(Error::refused(counts.join(", "))),
        }
    }
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing found".to_owned();
    }
    if let Some(width) = terminal() {
        return findings.iter().map(|finding| block(finding, width)).collect::<Vec<_>>().join("\n");
    }
    let mut rows = vec![["SEVERITY", "CODE", "RULE", "PROBLEM; FIX"].map(str::to_owned).to_vec()];
    rows.extend(findings.iter().map(|Finding { severity, rule, code, text, mend }| {
        let rule = rule.as_deref().unwrap_or("-").to_owned();
        vec![severity.to_string(), code.to_string(), rule, format!("{text}; {mend}")]
    }));
    list(&rows)
}

/// A finding for a terminal: its code, and under it the words, wrapped.
fn block(Finding { severity, rule, code, text, mend }: &Finding, width: usize) -> String {
    let rule = rule.as_deref().map(|rule| format!(" in rule `{rule}`")).unwrap_or_default();
    let mut lines = wrap(&escaped(&format!("{severity}: {code}{rule}")), width);
    let words = format!("{text}; {mend}");
    let words = wrap(&escaped(&words), width.saturating_sub(INDENT.len()));
    lines.extend(words.iter().map(|line| format!("{INDENT}{line}")));
    lines.join("\n")
}

const EXAMPLES: &str = "\
Examples:
  tollgate policy lint tollgate.toml
  tollgate policy lint tollgate.toml --deny-warnings
  tollgate policy lint tollgate.toml --json | jq '.findings[].code'";
