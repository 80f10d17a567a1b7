//! Issuers of many tenants: one name with a placeholder for the tenant's id.
//!
//! The placeholder is replaced by the token's `tid`, and the result must equal `iss`. `tid` must be
//! a lower-case UUID, so a tenant cannot inject another host, path or spelling.

use serde_json::{Map, Value};

/// The placeholder in the `url` of an issuer.
pub(crate) const PLACEHOLDER: &str = "{tid}";

/// The placeholders in the `issuer` of a published key. Entra ID writes the second one.
const PLACEHOLDERS: [&str; 2] = [PLACEHOLDER, "{tenantid}"];

/// The tenants whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// These, as lower-case UUIDs.
    These(Vec<String>),
    /// Any tenant of the issuer.
    Any,
}

impl Tenants {
    /// Returns true if tokens of this tenant are accepted.
    pub(crate) fn has(&self, tid: &str) -> bool {
        match self {
            Self::These(tenants) => tenants.iter().any(|known| known == tid),
            Self::Any => true,
        }
    }
}

/// Returns the tenant that a token states: its `tid`, if that is a lower-case UUID.
pub(crate) fn tid_of(members: &Map<String, Value>) -> Option<&str> {
    members.get("tid").and_then(Value::as_str).filter(|tid| is_uuid(tid))
}

/// Returns true for a UUID in lower case (RFC 9562 section 4).
pub(crate) fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

/// Returns true if `iss` is exactly this name, with the tenant in the place of a placeholder.
pub(crate) fn is_name(name: &str, tid: Option<&str>, iss: &str) -> bool {
    let parts = PLACEHOLDERS.iter().find_map(|placeholder| name.split_once(placeholder));
    let Some((before, after)) = parts else { return name == iss };
    let stated = iss.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    tid.is_some() && stated == tid
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TID: &str = "11111111-2222-3333-4444-55555555abcd";

    #[test]
    fn a_tenant_is_a_uuid_in_lower_case() {
        assert!(is_uuid(TID));
        for bad in [
            "",
            "../",
            "common",
            "11111111-2222-3333-4444-55555555ABCD",
            "11111111-2222-3333-4444-55555555abc",
            "11111111-2222-3333-4444-55555555abcde",
            "11111111222233334444-55555555abcd0000",
            "11111111-2222-3333-4444-55555555abc/",
            "{11111111-2222-3333-4444-55555555ab}",
            "11111111-2222-3333-4444-55555555abé",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
        for tid in [json!(null), json!(1), json!([TID]), json!({"tid": TID}), json!("x")] {
            assert_eq!(tid_of(json!({ "tid": tid }).as_object().unwrap()), None, "{tid}");
        }
        assert_eq!(tid_of(json!({ "tid": TID }).as_object().unwrap()), Some(TID));
        assert_eq!(tid_of(&Map::new()), None);
    }

    #[test]
    fn a_name_is_compared_after_the_tenant_takes_its_place() {
        for name in ["https://id.example/{tid}/v2.0", "https://id.example/{tenantid}/v2.0"] {
            let iss = format!("https://id.example/{TID}/v2.0");
            assert!(is_name(name, Some(TID), &iss), "{name}");
            for other in [
                "https://id.example/99999999-2222-3333-4444-555555555555/v2.0".to_owned(),
                format!("{iss}/"),
                iss.to_uppercase(),
                format!("https://evil.example/{TID}/v2.0"),
                "https://id.example//v2.0".to_owned(),
                "https://id.example/v2.0".to_owned(),
                name.to_owned(),
                String::new(),
            ] {
                assert!(!is_name(name, Some(TID), &other), "{name} {other}");
            }
            assert!(!is_name(name, None, &iss), "{name}");
            assert!(!is_name(name, None, "https://id.example//v2.0"), "{name}");
        }
        assert!(is_name("https://id.example", None, "https://id.example"));
        assert!(is_name("https://id.example", Some(TID), "https://id.example"));
        let twice = format!("https://id.example/{TID}/{TID}");
        assert!(!is_name("https://id.example/{tid}/{tid}", Some(TID), &twice), "one placeholder");
    }
}
