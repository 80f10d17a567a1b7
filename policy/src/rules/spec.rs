//! A rule, as the configuration writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::route::RoutePattern;

/// One `[[rule]]` of the configuration, before it is checked.
///
/// A rule applies to a caller who meets **every** requirement given: `any_scope`, `all_scopes`,
/// `any_group`, `all_groups`, `issuers`, `clients`, `claims` and `when`. A rule with none of these must say
/// `everyone = true`, for every caller with a credential, or `anonymous = true`, for those without
/// one. `stages` limits where the rule applies; it is not a requirement on the
/// caller.
/// The [crate](crate#rules) has an example of every field.
///
/// ```
/// let rule: tollgate_policy::RuleSpec = toml::from_str(
///     r#"
///     name = "readers"
///     allow = ["GET /orders", "GET /orders/*"]
///     any_scope = ["orders/read"]
///     claims = { tier = ["gold", "silver"] }
///     "#,
/// )?;
/// assert_eq!(rule.name, "readers");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// The unique name of the rule in messages and logs.
    pub name: String,
    /// The routes that callers may call.
    #[serde(default)]
    pub allow: Vec<RoutePattern>,
    /// The routes that callers may not call, even if another rule allows them.
    #[serde(default)]
    pub deny: Vec<RoutePattern>,
    /// True for a rule that applies to every caller with a valid credential.
    #[serde(default)]
    pub everyone: bool,
    /// True for a rule that applies to callers without a credential, and to no others.
    #[serde(default)]
    pub anonymous: bool,
    /// At least one of these scopes.
    pub any_scope: Option<Vec<String>>,
    /// All of these scopes.
    pub all_scopes: Option<Vec<String>>,
    /// At least one of these groups.
    pub any_group: Option<Vec<String>>,
    /// All of these groups.
    pub all_groups: Option<Vec<String>>,
    /// A token of one of these issuers, by the name that [`Caller::with_issuer`] gives.
    ///
    /// [`Caller::with_issuer`]: crate::Caller::with_issuer
    pub issuers: Option<Vec<String>>,
    /// A token issued to one of these clients.
    pub clients: Option<Vec<String>>,
    /// Each of these claims, with one of its values: a string, or a list of strings.
    #[serde(default, deserialize_with = "claims")]
    pub claims: Option<BTreeMap<String, Vec<String>>>,
    /// A condition over `claims`, in CEL; see [the guide](crate::guide#conditions).
    pub when: Option<String>,
    /// The stages in which the rule applies; every stage when absent.
    pub stages: Option<Vec<String>>,
    /// The addresses from which `allow` holds, each `192.0.2.7` or `10.0.0.0/8`.
    pub source_ips: Option<Vec<String>>,
    /// True to limit `allow` to the token's `exp`, even if API Gateway caches it for longer.
    #[serde(default)]
    pub until_exp: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum Values {
    One(String),
    Many(Vec<String>),
}

fn claims<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<BTreeMap<String, Vec<String>>>, D::Error> {
    let written = BTreeMap::<String, Values>::deserialize(from)?;
    let values = |values| match values {
        Values::One(value) => vec![value],
        Values::Many(values) => values,
    };
    Ok(Some(written.into_iter().map(|(claim, written)| (claim, values(written))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        rule: Vec<RuleSpec>,
    }

    /// The message for a file whose third line is `line`, within a rule.
    fn refusal(line: &str) -> String {
        let file = format!("[[rule]]\nname = \"readers\"\n{line}\n");
        toml::from_str::<File>(&file).unwrap_err().to_string()
    }

    #[test]
    fn reads_every_field() {
        let file: File = toml::from_str(
            r#"
            [[rule]]
            name = "all"
            allow = ["GET /a", "$connect"]
            deny = ["ANY /b/*"]
            everyone = false
            anonymous = false
            any_scope = ["s1"]
            all_scopes = ["s2"]
            any_group = ["g1"]
            all_groups = ["g2"]
            issuers = ["i"]
            clients = ["c"]
            claims = { tier = "gold", "custom:plan" = ["a", "b"] }
            when = "claims.level > 2"
            stages = ["prod"]
            source_ips = ["10.0.0.0/8"]
            until_exp = true
            "#,
        )
        .unwrap();
        let list = |item: &str| Some(vec![item.to_owned()]);
        let expected = RuleSpec {
            name: "all".to_owned(),
            allow: vec!["GET /a".parse().unwrap(), "$connect".parse().unwrap()],
            deny: vec!["ANY /b/*".parse().unwrap()],
            everyone: false,
            anonymous: false,
            any_scope: list("s1"),
            all_scopes: list("s2"),
            any_group: list("g1"),
            all_groups: list("g2"),
            issuers: list("i"),
            clients: list("c"),
            claims: Some(BTreeMap::from([
                ("tier".to_owned(), vec!["gold".to_owned()]),
                ("custom:plan".to_owned(), vec!["a".to_owned(), "b".to_owned()]),
            ])),
            when: Some("claims.level > 2".to_owned()),
            stages: list("prod"),
            source_ips: list("10.0.0.0/8"),
            until_exp: true,
        };
        assert_eq!(file.rule, [expected]);
    }

    #[test]
    fn what_is_absent_stays_absent() {
        let rule: RuleSpec = toml::from_str("name = \"bare\"").unwrap();
        assert_eq!(rule, RuleSpec { name: "bare".to_owned(), ..RuleSpec::default() });
    }

    #[test]
    fn errors_point_at_the_line() {
        for (line, says) in [
            ("allow = [\"GET /a\", \"get /b\"]", "method `get` in route `get /b` is unknown"),
            ("deny = [\"GET /a*\"]", "is not the whole last segment"),
            ("any_scopes = [\"s\"]", "unknown field `any_scopes`"),
            ("any_scope = \"s\"", "expected a sequence"),
            ("claims = { tier = 1 }", "expected a string or a list of strings"),
            ("claims = { tier = [\"a\", 1] }", "expected a string or a list of strings"),
            ("everyone = \"yes\"", "expected a boolean"),
        ] {
            let refusal = refusal(line);
            assert!(refusal.contains("line 3"), "{line}: {refusal}");
            assert!(refusal.contains(says), "{line}: {refusal}");
        }
        let refusal = toml::from_str::<File>("[[rule]]\nallow = []").unwrap_err().to_string();
        assert!(refusal.contains("missing field `name`"), "{refusal}");
    }
}
