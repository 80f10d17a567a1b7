//! The part of CEL that a condition may use, so that its cost is known before it runs.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

/// The deepest nesting of a condition. Each level of evaluation takes up to 50 KiB of stack
/// in a debug build.
const MAX_DEPTH: usize = 20;

/// The most names, literals, operators and calls of a condition.
const MAX_PARTS: usize = 256;

/// Operators and functions whose cost is at most the length of their arguments.
const FUNCTIONS: [&str; 28] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
    // Part of the expansion of `all` and `exists`.
    operators::NOT_STRICTLY_FALSE,
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "string",
    "double",
    MATCHES,
    SPLIT,
];

/// Functions whose second argument is a literal, and that copy or search the first.
const MATCHES: &str = "matches";
const SPLIT: &str = "split";

/// The most patterns of a condition.
const MAX_PATTERNS: usize = 4;

const CLAIMS: &str = "claims";

/// The claims that a condition reads.
#[derive(Debug)]
pub(super) struct Read {
    /// The claims that it names, sorted and each once.
    pub(super) claims: Vec<String>,
    /// True if it reads `claims` as a whole, or by a computed name.
    pub(super) all: bool,
    /// The regular expressions that it matches with.
    pub(super) patterns: Vec<String>,
}

/// Refuses expressions that could cost more than a constant times the claims. Returns the claims
/// read.
///
/// `exists`, `all` and `exists_one` loop over a list and must not be nested. `map` and `filter` are
/// refused because they build lists, and so is `+` in a loop or in a loop's range.
pub(super) fn check(expression: &IdedExpr) -> Result<Read, String> {
    let (claims, patterns, uses) = (Vec::new(), Vec::new(), 0);
    let mut checker = Checker { parts: 0, loop_names: None, looped: false, claims, patterns, uses };
    checker.expression(expression, 0)?;
    let Checker { mut claims, patterns, uses, .. } = checker;
    // Each use of `claims` that names one claim is in the list.
    let all = uses > claims.len();
    claims.sort_unstable();
    claims.dedup();
    Ok(Read { claims, all, patterns })
}

struct Checker<'e> {
    parts: usize,
    /// The names that the surrounding loop defines, if there is one.
    loop_names: Option<[&'e str; 2]>,
    /// True within a loop or its range.
    looped: bool,
    /// The claims that it names, one per use.
    claims: Vec<String>,
    /// The regular expressions, one per use.
    patterns: Vec<String>,
    /// The number of uses of the variable `claims`.
    uses: usize,
}

impl<'e> Checker<'e> {
    fn expression(&mut self, expression: &'e IdedExpr, depth: usize) -> Result<(), String> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(format!("has more than {MAX_PARTS} parts: split it into several rules"));
        }
        if depth > MAX_DEPTH {
            return Err(format!(
                "is nested deeper than {MAX_DEPTH}: use fewer brackets and shorter chains"
            ));
        }
        let depth = depth + 1;
        match &expression.expr {
            Expr::Unspecified => Err("is not CEL".to_owned()),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => {
                self.uses += usize::from(name == CLAIMS);
                self.name(name)
            }
            Expr::Select(select) => {
                self.note_claim(claim_of(expression));
                self.expression(&select.operand, depth)
            }
            Expr::List(list) => list.elements.iter().try_for_each(|e| self.expression(e, depth)),
            Expr::Call(call) => {
                if !FUNCTIONS.contains(&call.func_name.as_str()) {
                    return Err(format!(
                        "calls `{}`: a condition has operators, `size`, `contains`, `startsWith`, \
                         `endsWith`, `matches`, `split`, `int`, `double`, `string`, `has`, `all`, \
                         `exists` and `exists_one`",
                        call.func_name.escape_debug()
                    ));
                }
                if self.looped && call.func_name == operators::ADD && !self.counts(call) {
                    return Err(
                        "uses `+` in a loop, or in what it loops over, where it would copy \
                                text and lists again and again: compare each part by itself"
                            .to_owned(),
                    );
                }
                if [MATCHES, SPLIT].contains(&call.func_name.as_str()) {
                    self.text_function(call)?;
                }
                self.note_claim(claim_of(expression));
                let mut parts = call.target.as_deref().into_iter().chain(&call.args);
                parts.try_for_each(|part| self.expression(part, depth))
            }
            Expr::Comprehension(each) => {
                if self.loop_names.is_some() {
                    return Err("has a loop inside another: let `all`, `exists` and `exists_one` \
                                stand side by side"
                        .to_owned());
                }
                if matches!(each.accu_init.expr, Expr::List(_) | Expr::Map(_)) {
                    return Err("uses `map` and `filter`, which build lists: use `all`, `exists` \
                                or `exists_one`"
                        .to_owned());
                }
                self.looped = true;
                self.expression(&each.iter_range, depth)?;
                self.loop_names = Some([each.iter_var.as_str(), each.accu_var.as_str()]);
                for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                    self.expression(part, depth)?;
                }
                self.loop_names = None;
                self.looped = false;
                Ok(())
            }
            Expr::Map(_) | Expr::Struct(_) => {
                Err("writes maps, which a condition can't: compare their members".to_owned())
            }
        }
    }

    /// Returns true for the `count + 1` in the expansion of `exists_one`, which adds only numbers.
    fn counts(&self, call: &CallExpr) -> bool {
        let one = |part: &IdedExpr| match &part.expr {
            Expr::Literal(LiteralValue::Int(number)) => *number.inner() == 1,
            _ => false,
        };
        match (call.args.as_slice(), self.loop_names) {
            ([sum, step], Some([_, count])) => {
                matches!(&sum.expr, Expr::Ident(name) if name == count) && one(step)
            }
            _ => false,
        }
    }

    /// Checks `text.matches("…")` and `text.split("…")`.
    ///
    /// In a loop the text must be the loop's own variable, so that each text is read only once.
    fn text_function(&mut self, call: &CallExpr) -> Result<(), String> {
        let name = call.func_name.as_str();
        let mut given = call.target.as_deref().into_iter().chain(&call.args);
        let (Some(text), Some(argument), None) = (given.next(), given.next(), given.next()) else {
            return Err(format!("calls `{name}` wrongly: write `claims.a.{name}(\"…\")`"));
        };
        let Some(argument) = literal(argument).filter(|argument| !argument.is_empty()) else {
            return Err(format!(
                "calls `{name}` with something else than a text in quotes, which must not be \
                 empty: write `claims.a.{name}(\"…\")`"
            ));
        };
        if let Some([item, _]) = self.loop_names
            && !matches!(&text.expr, Expr::Ident(own) if own == item)
        {
            return Err(format!(
                "calls `{name}` in a loop with another text than the loop's: write \
                 `{item}.{name}(\"…\")`"
            ));
        }
        if name == MATCHES {
            self.patterns.push(argument.to_owned());
            if self.patterns.len() > MAX_PATTERNS {
                return Err(format!("has more than {MAX_PATTERNS} `matches`: split the rule"));
            }
        }
        Ok(())
    }

    fn name(&self, name: &str) -> Result<(), String> {
        let of_loop = self.loop_names.is_some_and(|names| names.contains(&name));
        if of_loop || name == CLAIMS {
            return Ok(());
        }
        let name = name.escape_debug();
        Err(format!(
            "has the unknown name `{name}`: write `claims.{name}`, or put a text in quotes"
        ))
    }

    fn note_claim(&mut self, claim: Option<&str>) {
        self.claims.extend(claim.map(str::to_owned));
    }
}

/// Returns the claim that an expression names: `claims.tier`, `claims["tier"]` or `has(claims.tier)`.
pub(super) fn claim_of(expression: &IdedExpr) -> Option<&str> {
    let (of, claim) = match &expression.expr {
        Expr::Select(select) => (&*select.operand, Some(select.field.as_str())),
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [of, index] => (of, literal(index)),
            _ => return None,
        },
        _ => return None,
    };
    claim.filter(|_| matches!(&of.expr, Expr::Ident(name) if name == CLAIMS))
}

fn literal(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
