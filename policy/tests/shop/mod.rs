//! Rules as a shop might have them, for what is measured.

use tollgate_policy::{RuleSpec, Rules};

/// The prefix of each resource, up to the stage.
pub(crate) const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod";

/// So many rules, of which a caller with the scope `even` meets every second.
///
/// Each allows three routes of its own; every tenth denies one as well. There is one claim in a
/// path, and neither a condition in CEL nor one of IAM.
pub(crate) fn rules(count: usize) -> Rules {
    let route = |text: String| text.parse().ok();
    let spec = |n: usize| {
        let allow = [
            route(format!("GET,POST /resource-{n}")),
            route(format!("GET /resource-{n}/*")),
            (n == 0).then(|| route("GET /users/{sub}/*".to_owned())).flatten(),
        ];
        let deny = (n.is_multiple_of(10)).then(|| route(format!("GET /resource-{n}/export")));
        RuleSpec {
            name: format!("rule-{n:03}"),
            allow: allow.into_iter().flatten().collect(),
            deny: deny.flatten().into_iter().collect(),
            any_scope: Some(vec![if n.is_multiple_of(2) { "even" } else { "odd" }.to_owned()]),
            ..RuleSpec::default()
        }
    };
    // 200 rules make more than API Gateway's 8 KB; what they cost is the question here.
    Rules::compile_within((0..count).map(spec).collect(), usize::MAX).unwrap()
}
