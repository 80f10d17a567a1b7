//! Types of a condition's parts, as far as they are known without a token.
//!
//! Claims that the standards define have known types. All others may have any.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::check::claim_of;

const TEXT: &str = "a text";
const NUMBER: &str = "a number";

/// Claims that are texts in every token that has them.
const TEXTS: [&str; 14] = [
    "azp",
    "client_id",
    "cognito:username",
    "email",
    "event_id",
    "iss",
    "jti",
    "name",
    "origin_jti",
    "phone_number",
    "preferred_username",
    "sub",
    "token_use",
    "username",
];

/// Claims that are numbers in every token that has them.
const NUMBERS: [&str; 5] = ["auth_time", "exp", "iat", "nbf", "updated_at"];

/// Claims that hold several texts, in a list or in one text.
const SEVERAL: [&str; 5] = ["aud", "cognito:groups", "cognito:roles", "scope", "scp"];

/// Comparisons, which give a boolean.
const COMPARISONS: [&str; 6] = [
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
];

/// Other calls that give a boolean.
const TESTS: [&str; 6] =
    [operators::IN, operators::NOT_STRICTLY_FALSE, "contains", "startsWith", "endsWith", "matches"];

/// Calls that give a number.
const COUNTS: [&str; 7] = [
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    "size",
    "int",
    "double",
];

/// The claims that a condition uses in a way that depends on their type.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Claims that are used as booleans.
    pub(super) bare: Vec<String>,
    /// Custom attributes of Cognito that are compared with a number or a boolean.
    pub(super) compared: Vec<String>,
}

/// Refuses a condition that cannot give a boolean; returns the claims whose type matters.
///
/// `check` has already bounded the depth.
pub(super) fn check(expression: &IdedExpr) -> Result<Used, String> {
    let mut used = Used::default();
    boolean(expression, &mut used)?;
    comparisons(expression, &mut used);
    for claims in [&mut used.bare, &mut used.compared] {
        claims.sort_unstable();
        claims.dedup();
    }
    Ok(used)
}

/// Checks an expression whose value is used as a boolean.
fn boolean(expression: &IdedExpr, used: &mut Used) -> Result<(), String> {
    if let Expr::Call(call) = &expression.expr {
        let logical = [operators::LOGICAL_AND, operators::LOGICAL_OR, operators::LOGICAL_NOT];
        let name = call.func_name.as_str();
        if logical.contains(&name) || name == operators::CONDITIONAL {
            return call.args.iter().try_for_each(|part| boolean(part, used));
        }
    }
    if let Some(claim) = claim_of(expression).filter(|_| !is_test(expression)) {
        return match type_of_claim(claim) {
            Some(found) => {
                let claim = written(claim);
                let example = match found {
                    TEXT => format!("{claim} == \"…\""),
                    NUMBER => format!("{claim} > 0"),
                    _ => format!("\"…\" in {claim}"),
                };
                Err(format!(
                    "must be true or false, and `{claim}` is {found}: compare it, as in `{example}`"
                ))
            }
            None => {
                used.bare.push(claim.to_owned());
                Ok(())
            }
        };
    }
    match type_of(&expression.expr) {
        Some(found) => Err(format!(
            "must be true or false, and has {found} where a comparison is needed, such as \
             `claims.level >= 3`"
        )),
        None => Ok(()),
    }
}

/// Returns the type of an expression that is certainly not a boolean.
fn type_of(expression: &Expr) -> Option<&'static str> {
    match expression {
        Expr::Literal(LiteralValue::Boolean(_)) => None,
        Expr::Literal(LiteralValue::String(_) | LiteralValue::Bytes(_)) => Some(TEXT),
        Expr::Literal(LiteralValue::Null) => Some("`null`"),
        Expr::Literal(_) => Some(NUMBER),
        Expr::Ident(name) if name == "claims" => Some("all claims"),
        Expr::List(_) => Some("a list"),
        Expr::Call(CallExpr { func_name, .. }) => {
            let name = func_name.as_str();
            let is_boolean = COMPARISONS.contains(&name) || TESTS.contains(&name);
            if is_boolean || name == operators::INDEX {
                None
            } else if COUNTS.contains(&name) || name == operators::NEGATE {
                Some(NUMBER)
            } else if name == "string" {
                Some(TEXT)
            } else if name == "split" {
                Some("a list")
            } else if name == operators::ADD {
                Some("a sum")
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Finds custom attributes that are compared with a number or a boolean.
fn comparisons(expression: &IdedExpr, used: &mut Used) {
    match &expression.expr {
        Expr::Call(call) => {
            if let (true, [a, b]) =
                (COMPARISONS.contains(&call.func_name.as_str()), call.args.as_slice())
            {
                for (claim, other) in [(a, b), (b, a)] {
                    let claim = claim_of(claim).filter(|claim| claim.starts_with("custom:"));
                    used.compared
                        .extend(claim.filter(|_| is_unlike_text(other)).map(str::to_owned));
                }
            }
            call.target.iter().for_each(|part| comparisons(part, used));
            call.args.iter().for_each(|part| comparisons(part, used));
        }
        Expr::Select(select) => comparisons(&select.operand, used),
        Expr::List(list) => list.elements.iter().for_each(|part| comparisons(part, used)),
        Expr::Comprehension(each) => {
            for part in [&each.iter_range, &each.loop_cond, &each.loop_step, &each.result] {
                comparisons(part, used);
            }
        }
        _ => {}
    }
}

/// Returns true for an expression that is certainly a number or a boolean.
fn is_unlike_text(expression: &IdedExpr) -> bool {
    let is_boolean = matches!(expression.expr, Expr::Literal(LiteralValue::Boolean(_)));
    is_boolean || type_of(&expression.expr) == Some(NUMBER)
}

/// Returns true for `has(claims.a)`.
fn is_test(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Select(select) if select.test)
}

fn type_of_claim(claim: &str) -> Option<&'static str> {
    if TEXTS.contains(&claim) {
        Some(TEXT)
    } else if NUMBERS.contains(&claim) {
        Some(NUMBER)
    } else if SEVERAL.contains(&claim) {
        Some("a list or a text")
    } else {
        None
    }
}

/// Formats a claim as a condition writes it: `claims.tier`, `claims["custom:tier"]`.
pub(crate) fn written(claim: &str) -> String {
    let plain = claim.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match plain {
        true => format!("claims.{claim}"),
        false => format!("claims[\"{}\"]", claim.escape_debug()),
    }
}
