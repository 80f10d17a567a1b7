//! `tollgate token inspect`.

use authorizer::{Code, Config, Decoded, Revocations, Verifier, decode};
use clap::Args;
use serde_json::{Map, Value, json};
use throttle::{SystemClock, Timestamp};

use crate::args::ConfigFile;
use crate::context::Context;
use crate::error::Error;
use crate::layout::facts;
use crate::read::secret;
use crate::time::moment;

/// Verify a token on standard input as the authorizer does.
///
/// Shows each check and the token's claims. Exits with 0 for a valid token, 1 for a refused one, 3
/// if the issuer's keys or the table of revocations are unavailable.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Inspect {
    #[command(flatten)]
    config: ConfigFile,
}

/// The result of each check of a token.
struct Findings {
    checks: Vec<(&'static str, String)>,
    /// The authorizer's code and words for what failed.
    refusal: Option<(Code, String)>,
}

impl Inspect {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let config = self.config.read()?;
        let token = secret("token")?;
        let decoded = decode(&token)
            .map_err(|refusal| Error::refused(format!("the token can't be shown: {refusal}")))?;
        let findings = verify(context, config, &token, &decoded).await?;

        let rows: Vec<_> = findings
            .checks
            .iter()
            .map(|(check, result)| [(*check).to_owned(), result.clone()])
            .collect();
        let text = format!(
            "{}\n\nheader  {}\nclaims  {}{}",
            facts(&rows),
            pretty(&decoded.header),
            pretty(&decoded.claims),
            times(&decoded.claims)
        );
        let checks: Map<_, _> = findings
            .checks
            .iter()
            .map(|(check, result)| ((*check).to_owned(), result.as_str().into()))
            .collect();
        let json = json!({
            "good": findings.refusal.is_none(),
            "refusal": findings.refusal.as_ref().map(|(code, detail)| json!({
                "code": code.as_str(), "detail": detail,
            })),
            "checks": checks,
            "header": decoded.header,
            "claims": decoded.claims,
        });
        context.output.print(text, &json)?;
        match findings.refusal {
            None => Ok(()),
            Some((code, detail)) if code.is_callers_fault() => {
                Err(Error::refused(format!("the token is refused, {}: {detail}", code.as_str())))
            }
            Some((code, detail)) => {
                let code = code.as_str();
                Err(Error::unavailable(format!("the token can't be verified, {code}: {detail}")))
            }
        }
    }
}

async fn verify(
    context: &Context,
    config: Config,
    token: &str,
    decoded: &Decoded,
) -> Result<Findings, Error> {
    let stranger = !config.issuers.iter().any(|issuer| issuer.is_of(&decoded.claims));
    let clock = SystemClock::new();
    let verifier = Verifier::new(config.issuers, clock).map_err(|error| {
        Error::unavailable(format!("no client for key sets could be made: {error}"))
    })?;
    let outcome = verifier.verify(token).await.outcome;
    let claims = match outcome {
        Err(refusal) => {
            let failed = match refusal.code() {
                Code::Malformed => "form",
                // Before the issuer is known, nothing that it says of algorithms can be asked.
                Code::Header => "header",
                _ if stranger => "issuer",
                Code::Key | Code::Unavailable => "key",
                Code::Signature => "signature",
                _ => "claims",
            };
            return Ok(Findings::failing(failed, refusal.code(), refusal.detail()));
        }
        Ok(claims) => claims,
    };
    let Some(revocation) = config.revocation else {
        return Ok(Findings::good("not configured"));
    };
    let revocations = table::Revocations::new(context.client.clone(), revocation.table.clone());
    match Revocations::new(revocations, revocation, clock).check(&claims).await.outcome {
        Ok(None) => Ok(Findings::good("ok")),
        Ok(Some(kind)) => {
            let detail = format!("the token is revoked, by its {}", kind.name());
            Ok(Findings::failing("revocation", Code::Revoked, &detail))
        }
        Err(refusal) => Ok(Findings::failing("revocation", refusal.code(), refusal.detail())),
    }
}

impl Findings {
    fn good(revocation: &str) -> Self {
        let checks = CHECKS.map(|check| match check {
            "revocation" => (check, revocation.to_owned()),
            check => (check, "ok".to_owned()),
        });
        Self { checks: checks.into(), refusal: None }
    }

    /// All before the one that fails held, and none after it was made.
    fn failing(failed: &str, code: Code, detail: &str) -> Self {
        let mut reached = true;
        let checks = CHECKS.map(|check| {
            let result = match (check == failed, reached) {
                (true, _) => format!("FAILED: {detail}"),
                (false, true) => "ok".to_owned(),
                (false, false) => "-".to_owned(),
            };
            reached &= check != failed;
            (check, result)
        });
        Self { checks: checks.into(), refusal: Some((code, detail.to_owned())) }
    }
}

fn pretty(members: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(members).unwrap_or_default()
}

/// The claims that are moments, in a form that people read; a fraction is cut off.
fn times(claims: &Map<String, Value>) -> String {
    let seconds = |value: &Value| {
        let number = value.as_number()?;
        number.as_u64().or_else(|| number.to_string().split_once('.')?.0.parse().ok())
    };
    let mut lines = String::new();
    for name in ["auth_time", "iat", "nbf", "exp"] {
        if let Some(secs) = claims.get(name).and_then(seconds) {
            lines.push_str(&format!("\n{name:<9} is {}", moment(Timestamp::from_secs(secs))));
        }
    }
    lines
}

const CHECKS: [&str; 7] = ["form", "header", "issuer", "key", "signature", "claims", "revocation"];

const EXAMPLE: &str = "\
Example:
  echo \"$TOKEN\" | tollgate token inspect --config tollgate.toml";
