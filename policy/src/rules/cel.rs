//! A condition over the claims, in CEL.

mod check;
mod text;
mod types;

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, Value, parser::PrattParser};
use serde_json::{Map, Value as Json};

use self::check::{Read, check};
use self::text::Patterns;
use self::types::Used;
pub(crate) use self::types::written;
use crate::caller::{Caller, Holds, is_elsewhere, keeps_elsewhere};

/// The longest text of a condition, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// The deepest nesting of brackets and calls; the parser refuses deeper ones to save stack.
const MAX_PARSE_DEPTH: u16 = 24;

/// The most claims that a condition is evaluated over, list items and members counted one by one.
const MAX_VALUES: usize = 512;

/// The deepest nesting of claims.
const MAX_VALUE_DEPTH: usize = 16;

/// CEL's standard functions; [`check`] allows some of them.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A condition, parsed and checked once.
#[derive(Clone)]
pub(crate) struct Expression {
    text: String,
    expression: Arc<cel::IdedExpr>,
    claims: Vec<String>,
    reads_all: bool,
    bare: Vec<String>,
    compared: Vec<String>,
    patterns: Patterns,
}

impl Expression {
    /// Parses a condition.
    ///
    /// # Errors
    /// The problem and the fix, as the continuation of "condition … of rule …".
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT_BYTES {
            let bytes = text.len();
            return Err(format!(
                "has {bytes} bytes, over the limit of {MAX_TEXT_BYTES}: split it into several rules"
            ));
        }
        let parser = PrattParser::new().max_recursion_depth(MAX_PARSE_DEPTH);
        let expression = parser.parse(text).map_err(|found| {
            let placed = found.errors.iter().find(|error| error.pos.0 > 0);
            match placed.or(found.errors.first()) {
                Some(error) => {
                    let (line, column) = error.pos;
                    let message = error.msg.split_whitespace().collect::<Vec<_>>().join(" ");
                    let message = match message.strip_prefix("Syntax error: ") {
                        Some(message) if message.contains("<EOF>") => "it ends too early",
                        Some(message) => message,
                        None => &message,
                    };
                    format!("is not CEL, at line {line}, column {column}: {message}")
                }
                None => "is not CEL".to_owned(),
            }
        })?;
        let Read { claims, all: reads_all, patterns } = check(&expression)?;
        let patterns = Patterns::compile(&patterns)?;
        let Used { bare, compared } = types::check(&expression)?;
        let (text, expression) = (one_line(text), Arc::new(expression));
        Ok(Self { text, expression, claims, reads_all, bare, compared, patterns })
    }

    /// Returns the condition on one line, otherwise as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the claims that it names, sorted and without duplicates.
    pub(crate) fn claims(&self) -> &[String] {
        &self.claims
    }

    /// Returns the claims that it uses as booleans, without a comparison.
    pub(crate) fn bare(&self) -> &[String] {
        &self.bare
    }

    /// Returns the custom attributes of Cognito that it compares with a number or a boolean.
    pub(crate) fn compared(&self) -> &[String] {
        &self.compared
    }

    /// Returns the regular expressions that may match inside a text, sorted.
    pub(crate) fn unanchored(&self) -> Vec<&str> {
        self.patterns.unanchored()
    }

    /// Returns the result if it is the same for every caller: `true`, `1 == 2`.
    pub(crate) fn constant(&self) -> Option<bool> {
        if !self.claims.is_empty() {
            return None;
        }
        let mut context = empty_context();
        self.patterns.add_to(&mut context);
        match Value::resolve(&self.expression, &context) {
            Ok(Value::Bool(holds)) => Some(holds),
            _ => None,
        }
    }

    /// Evaluates it for a caller.
    ///
    /// The work is at most the number of parts that [`check`] allows times [`MAX_VALUES`].
    pub(crate) fn holds(&self, claims: &Claims<'_>) -> Holds {
        // `has(claims.groups)` would be false if the token keeps the groups elsewhere.
        if self.claims.iter().any(|claim| is_elsewhere(claims.claims, claim))
            || self.reads_all && keeps_elsewhere(claims.claims)
        {
            return Holds::Unknown;
        }
        let Some(context) = claims.context() else {
            return Holds::Unknown;
        };
        let mut context = context.borrow_mut();
        self.patterns.add_to(&mut context);
        match Value::resolve(&self.expression, &context) {
            Ok(Value::Bool(true)) => Holds::Yes,
            Ok(Value::Bool(false)) => Holds::No,
            // The error may quote a claim, so it is dropped.
            Ok(_) | Err(_) => Holds::Unknown,
        }
    }
}

/// The claims of one caller in CEL's types, converted when the first condition needs them.
pub(crate) struct Claims<'c> {
    claims: &'c Map<String, Json>,
    /// Changes as each condition adds its own patterns.
    context: OnceCell<Option<RefCell<Context<'static, 'static>>>>,
}

impl<'c> Claims<'c> {
    pub(crate) fn new(caller: &Caller<'c>) -> Self {
        Self { claims: caller.claims(), context: OnceCell::new() }
    }

    /// Returns `None` if there are more claims than a condition may use.
    fn context(&self) -> Option<&RefCell<Context<'static, 'static>>> {
        let make = || {
            let mut left = MAX_VALUES;
            let claims = self.claims.iter().map(|(name, claim)| {
                Some((name.clone(), value(claim, MAX_VALUE_DEPTH, &mut left)?))
            });
            let claims: HashMap<_, _> = claims.collect::<Option<_>>()?;
            let mut context = empty_context();
            context.add_variable_from_value("claims", claims);
            Some(RefCell::new(context))
        };
        self.context.get_or_init(make).as_ref()
    }
}

/// Returns a context with every function except `matches`.
fn empty_context() -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    text::add_split(&mut context);
    context
}

/// Formats a condition for a message: on one line, with quotes unescaped.
pub(crate) fn one_line(text: &str) -> String {
    let shown =
        |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(shown).collect()
}

/// Converts a claim to CEL's types; `None` if it is larger than a condition may use.
fn value(claim: &Json, depth: usize, left: &mut usize) -> Option<Value> {
    *left = left.checked_sub(1)?;
    let depth = depth.checked_sub(1)?;
    Some(match claim {
        Json::Null => Value::Null,
        Json::Bool(claim) => Value::Bool(*claim),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => Value::Int(integer),
            (None, Some(integer), _) => Value::UInt(integer),
            (None, None, float) => Value::Float(float?),
        },
        Json::String(claim) => Value::String(Arc::new(claim.clone())),
        Json::Array(items) => {
            let items = items.iter().map(|item| value(item, depth, left));
            Value::List(Arc::new(items.collect::<Option<Vec<_>>>()?))
        }
        Json::Object(members) => {
            let members = members
                .iter()
                .map(|(name, claim)| Some((name.clone(), value(claim, depth, left)?)));
            let members: HashMap<_, _> = members.collect::<Option<_>>()?;
            Value::Map(members.into())
        }
    })
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(text: &str) -> String {
        Expression::compile(text).unwrap_err()
    }

    fn holds(text: &str, claims: Json) -> Holds {
        let Json::Object(claims) = claims else { panic!("no object") };
        Expression::compile(text).unwrap().holds(&Claims::new(&Caller::new(&claims)))
    }

    #[test]
    fn conditions_see_the_claims() {
        let claims = || {
            json!({
                "sub": "u1", "email_verified": true, "level": 3, "big": u64::MAX, "half": 0.5,
                "scope": "orders/read orders/write",
                "cognito:groups": ["a", "b"], "address": { "country": "CH" }, "none": null,
            })
        };
        for text in [
            "true",
            "claims.email_verified",
            "claims.level >= 3 && claims.sub == 'u1'",
            "claims[\"cognito:groups\"].exists(g, g == 'b')",
            "claims[\"cognito:groups\"].all(g, g in ['a', 'b', 'c'])",
            "claims[\"cognito:groups\"].exists_one(g, g.startsWith('a'))",
            "'b' in claims[\"cognito:groups\"]",
            "!('c' in claims[\"cognito:groups\"])",
            "size(claims[\"cognito:groups\"]) == 2",
            "claims.address.country in ['CH', 'LI']",
            "has(claims.level) && !has(claims.missing)",
            "!has(claims.missing) || claims.missing",
            "claims.big > 1u",
            "claims.half < 1.0",
            "claims.none == null",
            "claims.level == 3 ? true : false",
            "claims.sub.endsWith('1') && claims.sub.contains('u') && claims.sub.size() == 2",
            "int(string(claims.level)) + 1 == 4",
            "[1].exists_one(g, g == 1) && claims.sub + 'x' == 'u1x'",
            "claims.sub.matches('^u[0-9]+$') && matches(claims.sub, '1')",
            "claims['cognito:groups'].exists(g, g.matches('^b$'))",
            "claims.scope.split(' ').exists(s, s == 'orders/read')",
            "claims.scope.split(' ')[1].split('/') == ['orders', 'write']",
            "claims.scope.split('-') == [claims.scope] && size(claims.scope.split(' ')) == 2",
            "!claims.scope.split(' ').exists(s, s.matches('x')) && claims.sub.matches('u')",
            "claims.scope.split(' ').all(s, s.split('/')[0] == 'orders')",
        ] {
            assert_eq!(holds(text, claims()), Holds::Yes, "{text}");
            assert_eq!(holds(&format!("!({text})"), claims()), Holds::No, "{text}");
        }
    }

    #[test]
    fn what_can_not_be_said_is_unknown() {
        for text in [
            "claims.missing",
            "claims.missing == 'a'",
            "!claims.missing",
            "claims.nick",
            "claims.level",
            "claims.sub > 1",
            "claims.sub.missing",
            "claims.list[7] == 1",
            "1 / 0 == 1",
            "9223372036854775807 + claims.level > 0",
            "claims.sub.exists(c, c == 'u')",
            "claims.level.matches('3')",
            "claims.missing.matches('3')",
            "claims.list.split(',') == []",
            "claims.long.matches('^a')",
            "claims.commas.split(',') != []",
        ] {
            let claims = json!({
                "sub": "u1", "nick": "n", "level": 3, "list": [], "long": "a".repeat(1025),
                "commas": ",".repeat(512),
            });
            assert_eq!(holds(text, claims), Holds::Unknown, "{text}");
        }
    }

    #[test]
    fn a_claim_that_is_kept_elsewhere_is_unknown() {
        let claims = || json!({ "sub": "u", "groups": ["a"], "_claim_names": { "groups": "s" } });
        for (text, answer) in [
            ("'a' in claims.groups", Holds::Unknown),
            ("has(claims.groups)", Holds::Unknown),
            ("claims['groups'] == []", Holds::Unknown),
            ("claims.sub == 'u' || 'b' in claims.groups", Holds::Unknown),
            ("'groups' in claims", Holds::Unknown),
            ("size(claims) > 1", Holds::Unknown),
            ("claims.exists(name, name == 'groups')", Holds::Unknown),
            ("claims[claims.sub] == 'x'", Holds::Unknown),
            ("claims.sub == 'u'", Holds::Yes),
            ("has(claims._claim_names)", Holds::Yes),
        ] {
            assert_eq!(holds(text, claims()), answer, "{text}");
        }
        assert_eq!(holds("'groups' in claims", json!({ "groups": [] })), Holds::Yes);
    }

    #[test]
    fn more_claims_than_bounded_are_not_looked_at() {
        let list = |items: usize| json!({ "a": vec![0; items] });
        assert_eq!(holds("true", list(MAX_VALUES - 1)), Holds::Yes);
        assert_eq!(holds("true", list(MAX_VALUES)), Holds::Unknown);
        let nested = |depth: usize| (1..depth).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(holds("true", json!({ "a": nested(MAX_VALUE_DEPTH) })), Holds::Yes);
        assert_eq!(holds("true", json!({ "a": nested(MAX_VALUE_DEPTH + 1) })), Holds::Unknown);
    }

    #[test]
    fn refusals_say_what_to_do() {
        let long = format!("'{}' == ''", "a".repeat(1024));
        let longest = format!("'{}' == ''", "a".repeat(1024 - 8));
        assert!(Expression::compile(&longest).is_ok());
        for (text, says) in [
            ("", "is not CEL, at line 1"),
            ("claims.sub ==", "is not CEL, at line 1, column"),
            ("claims.sub\n== 'a", "is not CEL, at line 2"),
            ("a b", "is not CEL"),
            (&long, "over the limit of 1024: split it"),
            (&"!".repeat(1000), "is not CEL"),
            (&"[".repeat(1000), "is not CEL"),
            (&format!("1{} == 1", "+1".repeat(400)), "deeper than"),
            (&format!("claims{} == 1", ".a".repeat(400)), "deeper than"),
            (&format!("1 in [{}1]", "1,".repeat(400)), "more than 256 parts"),
            ("sub == 'a'", "has the unknown name `sub`: write `claims.sub`"),
            ("claims.a.matches(claims.b)", "calls `matches` with something else than a text"),
            ("claims.a.matches('(')", "has the regular expression `(`, which is invalid"),
            ("claims.a.matches('a{1000}')", "which is too large"),
            ("claims.a.matches('(?P<x>a)(?=b)')", "which is invalid"),
            ("matches(claims.a)", "calls `matches` wrongly"),
            ("claims.a.split('') == []", "calls `split` with something else than a text"),
            ("claims.a.split(',', 2) == []", "calls `split` wrongly"),
            ("claims.a.exists(x, claims.b.matches('y'))", "write `x.matches(\"…\")`"),
            ("claims.a.exists(x, claims.b.split(',') == [])", "write `x.split(\"…\")`"),
            ("claims.a.split(',')", "has a list where"),
            (&"claims.a.matches('x') && ".repeat(5), "is not CEL"),
            (&format!("{}true", "claims.a.matches('x') && ".repeat(5)), "more than 4 `matches`"),
            ("timestamp('2020-01-01T00:00:00Z') < timestamp(claims.t)", "calls `timestamp`"),
            ("claims.a.map(x, x) == []", "`map` and `filter`"),
            ("claims.a.filter(x, true) == []", "`map` and `filter`"),
            ("claims.a.exists(x, claims.b.exists(y, x == y))", "inside another"),
            ("claims.a.all(x, true) && x", "has the unknown name `x`"),
            ("claims.a.all(x, (claims.b + claims.b).size() > 1)", "uses `+` in a loop"),
            ("claims.a.exists(x, x + '' == 'a')", "uses `+` in a loop"),
            ("claims.a.exists_one(x, [x] + [x] == [])", "uses `+` in a loop"),
            ("claims.a.exists_one(x, 1 + 1 == 2)", "uses `+` in a loop"),
            ("(claims.a + claims.a).all(x, true)", "in what it loops over"),
            ("{'a': 1} == claims", "maps"),
            ("Foo{a: 1} == claims", "maps"),
            ("dyn(1) == 1", "calls `dyn`"),
            ("claims.x.foo()", "calls `foo`"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(says), "{text}: {refusal}");
            assert!(!refusal.contains('\n'), "{refusal}");
        }
    }

    #[test]
    fn what_is_surely_not_a_boolean_is_refused() {
        for (text, says) in [
            ("claims.sub", "must be true or false, and `claims.sub` is a text: compare it"),
            ("claims['cognito:groups']", "and `claims[\"cognito:groups\"]` is a list or a text"),
            ("!claims.exp", "and `claims.exp` is a number"),
            ("claims.level >= 3 && claims.scope", "and `claims.scope` is a list or a text"),
            ("claims.level", ""),
            ("claims['custom:flag']", ""),
            ("claims.email_verified", ""),
            ("claims.address.country", ""),
            ("claims.list[0]", ""),
            ("has(claims.sub)", ""),
            ("has(claims.sub) && has(claims.exp)", ""),
            ("claims", "has all claims where a comparison is needed, such as"),
            ("'gold'", "has a text where"),
            ("3", "has a number where"),
            ("-claims.level", "has a number where"),
            ("1 + 1", "has a sum where"),
            ("[true]", "has a list where"),
            ("null", "has `null` where"),
            ("size(claims.groups)", "has a number where"),
            ("string(claims.level)", "has a text where"),
            ("claims.a ? 'x' : 'y'", "has a text where"),
            ("claims.a ? true : claims.b", ""),
            ("claims.sub == 'a' || 'b'", "has a text where"),
        ] {
            match Expression::compile(text) {
                Ok(_) => assert_eq!(says, "", "{text} passed"),
                Err(refusal) => {
                    assert!(!says.is_empty() && refusal.contains(says), "{text}: {refusal}");
                }
            }
        }
    }

    #[test]
    fn names_the_claims_whose_type_matters() {
        for (text, bare, compared) in [
            ("claims.tier", &["tier"][..], &[][..]),
            ("claims.a && !claims['custom:b'] || claims.a", &["a", "custom:b"], &[]),
            ("claims.a == true", &[], &[]),
            ("claims['custom:level'] >= 3", &[], &["custom:level"]),
            ("3 < claims['custom:level']", &[], &["custom:level"]),
            ("claims['custom:level'] == -1", &[], &["custom:level"]),
            ("has(claims.x) && (claims['custom:on'] == true)", &[], &["custom:on"]),
            ("int(claims['custom:level']) >= 3", &[], &[]),
            ("claims['custom:level'] == '3'", &[], &[]),
            ("claims.level >= 3", &[], &[]),
            ("claims.l.exists(x, claims['custom:n'] > 1)", &[], &["custom:n"]),
        ] {
            let read = Expression::compile(text).unwrap();
            assert_eq!(read.bare(), bare, "{text}");
            assert_eq!(read.compared(), compared, "{text}");
        }
    }

    #[test]
    fn bounds_are_where_they_are_said_to_be() {
        let passes = |text: &str| Expression::compile(text).is_ok();
        for (most, text) in [
            // Three parts in addition to the items: the operator, the item sought, the list.
            (253, (|n| format!("1 in [{}1]", "1,".repeat(n - 1))) as fn(usize) -> String),
            (19, |n| format!("1{} == 1", "+1".repeat(n))),
            (20, |n| format!("claims{}", ".a".repeat(n))),
        ] {
            assert!(passes(&text(most)), "{}", text(most));
            assert!(!passes(&text(most + 1)), "{}", text(most + 1));
        }
        let loops = "claims.a.exists(x, x == 1) && claims.b.all(y, y == 1)";
        assert!(passes(loops), "side by side");
        assert!(
            !passes("claims.a.exists(x, x == 1) && claims.b.all(y, x == 1)"),
            "of another loop"
        );
    }

    #[test]
    fn the_worst_that_passes_needs_little_stack() {
        // Tokio's threads have 2 MiB; a debug build needs several times what a release build does.
        let worst = || {
            for text in [
                format!("{}true{}", "(".repeat(19), ")".repeat(19)),
                format!("{}1{} == []", "[".repeat(17), "]".repeat(17)),
                format!("{}true", "!".repeat(19)),
                format!("1{} == 1", "+1".repeat(18)),
                format!("claims{} == 1", ".a".repeat(18)),
                format!("claims.a.exists(x, {}x{} == [])", "[".repeat(13), "]".repeat(13)),
            ] {
                let when = Expression::compile(&text).unwrap();
                let claims = Map::from_iter([("a".to_owned(), json!([1, 2]))]);
                when.holds(&Claims::new(&Caller::new(&claims)));
            }
        };
        let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(worst).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn names_the_claims_it_reads() {
        for (text, claims) in [
            ("claims.b == 'x' && claims['a:b'] == 'y' || has(claims.b)", &["a:b", "b"][..]),
            ("claims.l.exists(x, x == claims.y)", &["l", "y"]),
            ("claims.address.country == 'CH'", &["address"]),
            ("true", &[]),
        ] {
            assert_eq!(Expression::compile(text).unwrap().claims(), claims, "{text}");
        }
        assert_eq!(Expression::compile("1 == 2").unwrap().constant(), Some(false));
        assert_eq!(Expression::compile("claims.a").unwrap().constant(), None);
    }
}
