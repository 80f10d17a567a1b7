//! Aliases of claims that are inside objects.

use policy::is_elsewhere;
use serde_json::{Map, Value};

use super::ClaimPath;

/// The claim that names the claims that a token keeps elsewhere.
const CLAIM_NAMES: &str = "_claim_names";

/// Writes the claim of each path under its alias, as if the token had it at its top level.
///
/// No other code reads the paths: for the checks, the rules, the limits and the context, an alias
/// is a claim like any other. If the token has a claim of that name, the alias replaces it. If the
/// alias's claim is missing, so is the alias.
///
/// A path can lead into a text or a list, or begin in a claim that the token keeps elsewhere. Then
/// the value is unknown, so the alias is added to `_claim_names`: it never satisfies an allow and
/// always triggers a deny.
pub(crate) fn resolve(members: &mut Map<String, Value>, paths: &[ClaimPath]) {
    // An alias never begins another path, so the order does not matter.
    for path in paths {
        let found = match path.find(members) {
            Ok(_) if is_elsewhere(members, path.root()) => Err(()),
            found => found.map(Option::<&Value>::cloned),
        };
        let alias = &path.alias;
        members.remove(alias);
        match found {
            Ok(Some(value)) => {
                members.insert(alias.clone(), value);
            }
            Ok(None) => {}
            Err(()) if is_elsewhere(members, alias) => {}
            Err(()) => {
                let names = members.entry(CLAIM_NAMES).or_insert(Value::Null);
                if names.is_null() {
                    *names = Value::Object(Map::new());
                }
                if let Value::Object(names) = names {
                    names.insert(alias.clone(), Value::Null);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::{MethodArn, RuleSpec, Rules};
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    const CONFIG: &str = r#"
        [claim_paths]
        roles = ["realm_access", "roles"]
        namespace = ["kubernetes.io", "namespace"]
        shop = ["https://app.example/tenant", "shop", "id"]

        [[issuer]]
        url = "https://id.example"
        clients = "any"
        token_use = "any"
        groups_claim = "roles"

        [[rule]]
        name = "all"
        allow = ["GET /x"]
        everyone = true
    "#;

    /// The claims with aliases.
    fn resolved(claims: &Value) -> Map<String, Value> {
        let mut members = claims.as_object().unwrap().clone();
        Config::parse(CONFIG, "test").unwrap().resolve_claim_paths(&mut members);
        members
    }

    #[test]
    fn an_alias_is_the_claim_inside_objects_whatever_has_its_name() {
        for (claims, alias, expected) in [
            (json!({"realm_access": {"roles": ["a"]}}), "roles", json!(["a"])),
            (json!({"realm_access": {"roles": ["a"]}, "roles": ["b"]}), "roles", json!(["a"])),
            (json!({"kubernetes.io": {"namespace": "shop"}}), "namespace", json!("shop")),
            (json!({"https://app.example/tenant": {"shop": {"id": 7}}}), "shop", json!(7)),
        ] {
            let members = resolved(&claims);
            assert_eq!(members[alias], expected, "{claims}");
            assert!(!is_elsewhere(&members, alias), "{claims}");
        }
    }

    #[test]
    fn a_missing_claim_is_missing_though_another_has_its_name() {
        for claims in [
            json!({"roles": ["admin"]}),
            json!({"roles": ["admin"], "realm_access": null}),
            json!({"roles": ["admin"], "realm_access": {}}),
            json!({"roles": ["admin"], "realm_access": {"roles": null}}),
            json!({"roles": ["admin"], "realm_access.roles": ["admin"]}),
        ] {
            let members = resolved(&claims);
            assert_eq!(members.get("roles"), None, "{claims}");
            assert!(!is_elsewhere(&members, "roles"), "{claims}");
        }
    }

    #[test]
    fn a_path_through_anything_but_objects_is_not_understood() {
        for root in [json!("x"), json!(["roles"]), json!(1), json!(true), json!([{"roles": []}])] {
            let members = resolved(&json!({"realm_access": root, "roles": ["a"]}));
            assert_eq!(members.get("roles"), None, "{root}");
            assert!(is_elsewhere(&members, "roles"), "{root}");
            assert!(!is_elsewhere(&members, "namespace"), "{root}");
        }
        let deep = json!({"https://app.example/tenant": {"shop": "id"}});
        assert!(is_elsewhere(&resolved(&deep), "shop"));
    }

    #[test]
    fn what_a_token_keeps_elsewhere_its_alias_keeps_elsewhere() {
        for (more, others) in [
            (json!({"_claim_names": {"realm_access": "src1"}}), false),
            (json!({"_claim_names": {"realm_access": "src1"}, "_claim_sources": {}}), false),
            (json!({"_claim_sources": {"src1": {}}}), true),
            (json!({"_claim_names": "realm_access"}), true),
        ] {
            let mut claims = json!({"realm_access": {"roles": ["a"]}, "sub": "u"});
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let members = resolved(&claims);
            assert!(is_elsewhere(&members, "roles"), "{more}");
            assert_eq!(is_elsewhere(&members, "sub"), others, "{more}");
        }
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        for claims in [
            json!({"realm_access": {"roles": ["a"]}, "roles": ["b"]}),
            json!({"realm_access": 1, "_claim_names": {"x": "s"}}),
        ] {
            let once = resolved(&claims);
            assert_eq!(resolved(&json!(once)), once);
        }
    }

    /// Runs a rule with this requirement: true if it allows the claims, and true if it denies them.
    fn verdict(claims: &Value, requirement: &str, route: &str) -> [bool; 2] {
        let config = Config::parse(CONFIG, "test").unwrap();
        let members = resolved(claims);
        let rule = |effect: &str| {
            let text = format!("name = \"{effect}\"\n{effect} = [\"{route}\"]\n{requirement}");
            toml::from_str::<RuleSpec>(&text).unwrap()
        };
        let open: RuleSpec =
            toml::from_str("name = \"open\"\nallow = [\"GET /*\"]\neveryone = true").unwrap();
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/shops/7";
        let arn = MethodArn::parse(arn).unwrap();
        let caller = crate::assumed_caller(&members, &config.issuers).unwrap();
        let is_allowed = |rules: Vec<RuleSpec>| {
            Rules::compile(rules).unwrap().evaluate(&caller, &arn).verdict.is_authorized()
        };
        [is_allowed(vec![rule("allow")]), !is_allowed(vec![open, rule("deny")])]
    }

    #[test]
    fn rules_see_an_alias_in_every_place() {
        let held = json!({
            "realm_access": {"roles": ["a"]},
            "https://app.example/tenant": {"shop": {"id": "7"}},
        });
        let other = json!({
            "realm_access": {"roles": ["b"]},
            "https://app.example/tenant": {"shop": {"id": "8"}},
        });
        let odd = json!({"realm_access": "a", "https://app.example/tenant": ["7"]});
        for requirement in [
            "any_group = [\"a\"]",
            "all_groups = [\"a\"]",
            "claims = { roles = \"a\" }",
            "when = '\"a\" in claims.roles'",
            "when = 'has(claims.roles) && claims.roles.exists(r, r == \"a\")'",
        ] {
            let of = |claims| verdict(claims, requirement, "GET /shops/*");
            assert_eq!(of(&held), [true, true], "{requirement}");
            assert_eq!(of(&other), [false, false], "{requirement}");
            assert_eq!(of(&odd), [false, true], "{requirement}");
        }
        let route = |claims| verdict(claims, "everyone = true", "GET /shops/{shop}");
        assert_eq!(route(&held), [true, true]);
        assert_eq!(route(&other), [false, false]);
        assert_eq!(route(&odd), [false, true], "a deny that cannot be filled denies everything");
    }
}
