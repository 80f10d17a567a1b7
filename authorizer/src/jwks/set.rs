//! A key set (RFC 7517): the keys that may verify signatures, by kid and algorithm.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::key::{Key, Skip};
use crate::algorithm::Algorithm;
use crate::json;
use crate::log;

/// The number of usable keys of a set that are read; Cognito publishes two, four over a rotation.
///
/// Those that are listed later are ignored: one name too many must not take all the others away.
const MAX_KEYS: usize = 100;

/// The usable keys of one issuer at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<String, Arc<Keys>>,
    skipped: Vec<Skipped>,
    is_cut: bool,
}

/// A key of a set that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Skipped {
    /// The digest of the key's text.
    pub(super) key: Arc<str>,
    /// The digest of its kid, if it has one.
    pub(super) kid: Option<Arc<str>>,
    pub(super) reason: Skip,
}

/// The keys that one kid names: at most one for each algorithm.
#[derive(Debug)]
pub(crate) struct Keys {
    kid: Arc<str>,
    /// The kid as it stands in the log.
    kid_digest: Arc<str>,
    keys: Vec<Arc<Key>>,
}

/// The reason why an answer is not a key set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetError {
    #[error("not a JSON object with a list `keys`")]
    Form,
    #[error("no key in it can verify signatures{}", first_reason(.0))]
    NoKey(Vec<Skipped>),
}

fn first_reason(skipped: &[Skipped]) -> String {
    let first = skipped.first();
    first.map(|key| format!(" (the first is skipped: {})", key.reason)).unwrap_or_default()
}

impl KeySet {
    /// Reads a set; a key that is malformed or for something else is skipped, not fatal.
    ///
    /// A key that is listed more than once counts once. The set itself must be unambiguous: no two
    /// of its own members have one name.
    ///
    /// # Errors
    ///
    /// No key is usable: an empty set or an error page must not replace a good set.
    pub(super) fn parse(body: &[u8]) -> Result<Self, SetError> {
        let members = json::members(body).ok_or(SetError::Form)?;
        let listed = members.get("keys").ok_or(SetError::Form)?;
        let listed: Vec<&RawValue> =
            serde_json::from_str(listed.get()).map_err(|_| SetError::Form)?;

        let mut named: HashMap<String, Vec<Listed>> = HashMap::new();
        let (mut skipped, mut read, mut is_cut) = (Vec::new(), 0_usize, false);
        for text in listed {
            let text = text.get();
            let jwk = json::object(text.as_bytes());
            let key = jwk.as_ref().ok_or(Skip::Form).and_then(Key::read);
            match key {
                Ok((kid, keys)) => {
                    let same = named.entry(kid.to_owned()).or_default();
                    let is_new = |key: &Key| same.iter().all(|other| other.key != *key);
                    let new: Vec<Key> = keys.into_iter().filter(is_new).collect();
                    if new.is_empty() {
                        continue;
                    }
                    if read == MAX_KEYS {
                        is_cut = true;
                        break;
                    }
                    read += 1;
                    let digest = log::digest_of(text);
                    same.extend(new.into_iter().map(|key| Listed { key, digest: digest.clone() }));
                }
                Err(reason) if skipped.len() < MAX_KEYS => {
                    let kid = jwk.as_ref().and_then(|jwk| jwk.get("kid")?.as_str());
                    let (key, kid) = (log::digest_of(text), kid.map(log::digest_of));
                    skipped.push(Skipped { key, kid, reason });
                }
                Err(_) => {}
            }
        }
        let mut keys = HashMap::new();
        for (kid, listed) in named {
            let of_kid = Keys::of_one_kid(&kid, listed, &mut skipped);
            if !of_kid.keys.is_empty() {
                keys.insert(kid, Arc::new(of_kid));
            }
        }
        if keys.is_empty() {
            return Err(SetError::NoKey(skipped));
        }
        Ok(Self { keys, skipped, is_cut })
    }

    /// The keys that are not used.
    pub(super) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The keys of this kid.
    pub(super) fn key(&self, kid: &str) -> Option<Arc<Keys>> {
        self.keys.get(kid).cloned()
    }

    /// Whether it lists more usable keys than are read.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The kids that have a usable key.
    pub(super) fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// How many kids have a usable key.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// A key for one algorithm, and the digest of its text in the set.
struct Listed {
    key: Key,
    digest: Arc<str>,
}

impl Keys {
    /// The keys of one kid. Of two different keys for one algorithm neither is used, because it is
    /// unknown which one a token means.
    fn of_one_kid(kid: &str, listed: Vec<Listed>, skipped: &mut Vec<Skipped>) -> Self {
        let kid_digest = log::digest_of(kid);
        let count = |algorithm: Algorithm| {
            listed.iter().filter(|other| other.key.algorithm() == algorithm).count()
        };
        let is_alone: Vec<bool> =
            listed.iter().map(|one| count(one.key.algorithm()) == 1).collect();
        let mut keys = Vec::new();
        for (Listed { key, digest }, is_alone) in listed.into_iter().zip(is_alone) {
            if is_alone {
                keys.push(Arc::new(key));
                continue;
            }
            let (kid, reason) = (Some(kid_digest.clone()), Skip::Ambiguous);
            let ambiguous = Skipped { key: digest, kid, reason };
            if !skipped.contains(&ambiguous) {
                skipped.push(ambiguous);
            }
        }
        Self { kid: kid.into(), kid_digest, keys }
    }

    /// The name that they have in common.
    pub(crate) fn kid(&self) -> &Arc<str> {
        &self.kid
    }

    /// The kid as it stands in the log.
    pub(crate) fn kid_digest(&self) -> &Arc<str> {
        &self.kid_digest
    }

    /// The one key for this algorithm.
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<&Arc<Key>> {
        self.keys.iter().find(|key| key.algorithm() == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    fn key(changes: &Value) -> Value {
        let mut key = json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k",
            "n": URL_SAFE_NO_PAD.encode([0xc5; 256]), "e": "AQAB",
        });
        let members = key.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value.clone())
            };
        }
        key
    }

    fn parse(keys: &[Value]) -> Result<KeySet, SetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn has_no_key(read: &Result<KeySet, SetError>) -> bool {
        matches!(read, Err(SetError::NoKey(_)))
    }

    #[test]
    fn takes_the_keys_of_cognito_s_form() {
        let set = parse(&[key(&json!({})), key(&json!({"kid": "k2"}))]).unwrap();
        assert_eq!(set.len(), 2);
        assert!(set.key("k").is_some() && set.key("k2").is_some() && set.key("K").is_none());
        let keys = set.key("k").unwrap();
        assert!(keys.of(Algorithm::Rs256).is_some() && keys.of(Algorithm::Ps256).is_none());
    }

    #[test]
    fn one_malformed_key_is_skipped() {
        for bad in [json!(null), json!([]), json!("key"), json!({}), key(&json!({"kid": 1}))] {
            assert!(has_no_key(&parse(std::slice::from_ref(&bad))), "{bad}");
            let set = parse(&[bad.clone(), key(&json!({})), bad]).unwrap();
            assert_eq!(set.len(), 1);
        }
    }

    #[test]
    fn a_key_that_is_no_plain_object_is_skipped_too() {
        let good = key(&json!({"kid": "good"})).to_string();
        for bad in [
            key(&json!({})).to_string().replacen('{', r#"{"kid":"k","#, 1),
            key(&json!({})).to_string().replacen('{', r#"{"x":{"a":1,"a":2},"#, 1),
            key(&json!({"x": 0}))
                .to_string()
                .replace("\"x\":0", &format!("\"x\":{}{}", "[".repeat(1_000), "]".repeat(1_000))),
        ] {
            let text = format!(r#"{{"more":{{"a":1,"a":1}},"keys":[{bad},{good}]}}"#);
            let set = KeySet::parse(text.as_bytes()).unwrap();
            assert!(set.key("good").is_some() && set.key("k").is_none(), "{text}");
            let text = format!(r#"{{"keys":[{bad}]}}"#);
            assert!(has_no_key(&KeySet::parse(text.as_bytes())));
        }
    }

    #[test]
    fn takes_the_first_hundred_of_too_many_keys() {
        let many: Vec<Value> =
            (0..=MAX_KEYS).map(|number| key(&json!({"kid": number.to_string()}))).collect();
        let whole = parse(&many[..MAX_KEYS]).unwrap();
        assert_eq!((whole.len(), whole.is_cut()), (MAX_KEYS, false));
        let cut = parse(&many).unwrap();
        assert_eq!((cut.len(), cut.is_cut()), (MAX_KEYS, true));
        assert!(cut.key("0").is_some() && cut.key(&MAX_KEYS.to_string()).is_none());
        // What can't be used doesn't count.
        let mut spread = vec![json!({"kty": "oct"}); MAX_KEYS];
        spread.push(key(&json!({})));
        assert!(parse(&spread).unwrap().key("k").is_some());
    }

    #[test]
    fn takes_neither_of_two_different_keys_with_one_kid_and_algorithm() {
        let other = || key(&json!({"n": URL_SAFE_NO_PAD.encode([0xc7; 256])}));
        let set = parse(&[key(&json!({})), other(), key(&json!({"kid": "k2"}))]).unwrap();
        assert!(set.key("k").is_none() && set.key("k2").is_some());
        let reasons: Vec<Skip> = set.skipped().iter().map(|key| key.reason).collect();
        assert_eq!(reasons, [Skip::Ambiguous; 2]);
        let three = parse(&[key(&json!({})), other(), key(&json!({}))]);
        assert!(has_no_key(&three), "one of them twice");
        let e = key(&json!({"e": "Aw"}));
        assert!(has_no_key(&parse(&[key(&json!({})), e])), "another exponent is another key");
    }

    #[test]
    fn a_key_that_is_listed_again_in_any_spelling_counts_once() {
        let zero = URL_SAFE_NO_PAD.encode([&[0][..], &[0xc5; 256]].concat());
        for again in [
            key(&json!({})),
            key(&json!({"x5c": ["MII"], "x5t": "t"})),
            key(&json!({"alg": null})),
            key(&json!({"use": null, "key_ops": ["verify"]})),
            key(&json!({"n": zero})),
            key(&json!({"e": "AAEAAQ"})),
        ] {
            for keys in [[key(&json!({})), again.clone()], [again.clone(), key(&json!({}))]] {
                let set = parse(&keys).unwrap();
                let keys = set.key("k").unwrap();
                assert!(keys.of(Algorithm::Rs256).is_some(), "{again}");
                assert_eq!(set.skipped(), [], "{again}");
            }
        }
        let okp = |alg: &str| {
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": x, "alg": alg})
        };
        let set = parse(&[okp("EdDSA"), okp("Ed25519")]).unwrap();
        assert!(set.key("o").unwrap().of(Algorithm::EdDsa).is_some());
        let mut many = vec![key(&json!({})); MAX_KEYS + 1];
        many.push(key(&json!({"kid": "last"})));
        let set = parse(&many).unwrap();
        assert!(set.key("last").is_some() && !set.is_cut(), "once against the bound too");
    }

    #[test]
    fn a_use_tells_two_keys_apart() {
        let other = URL_SAFE_NO_PAD.encode([0xc7; 256]);
        let set = parse(&[key(&json!({})), key(&json!({"use": "enc", "n": other}))]).unwrap();
        assert!(set.key("k").unwrap().of(Algorithm::Rs256).is_some());
        let [skipped] = set.skipped() else { panic!("one is skipped") };
        assert_eq!(skipped.reason, Skip::Use);
        assert_eq!(skipped.kid, Some(log::digest_of("k")));
    }

    #[test]
    fn names_each_skipped_key_by_its_digest() {
        let bad = json!({"kty": "oct", "kid": "secret-kid", "k": "c2VjcmV0LWtleQ"});
        let set = parse(&[bad.clone(), key(&json!({})), json!(1)]).unwrap();
        let [first, second] = set.skipped() else { panic!("two are skipped") };
        assert_eq!(first.key, log::digest_of(&bad.to_string()));
        assert_eq!((second.kid.as_ref(), second.reason), (None, Skip::Form));
        let error = parse(&[bad]).unwrap_err().to_string();
        assert!(error.contains("(the first is skipped: it contains a private key)"), "{error}");
        let floods = vec![json!({}); MAX_KEYS * 2];
        let Err(SetError::NoKey(skipped)) = parse(&floods) else { panic!("none is usable") };
        assert_eq!(skipped.len(), MAX_KEYS);
    }

    #[test]
    fn a_kid_may_name_one_key_for_each_algorithm() {
        let set = parse(&[key(&json!({})), key(&json!({"alg": "PS256"}))]).unwrap();
        let keys = set.key("k").unwrap();
        assert!(keys.of(Algorithm::Rs256).is_some() && keys.of(Algorithm::Ps256).is_some());

        let other = URL_SAFE_NO_PAD.encode([0xc7; 256]);
        let set = parse(&[key(&json!({})), key(&json!({"alg": null, "n": other}))]).unwrap();
        let keys = set.key("k").unwrap();
        assert!(keys.of(Algorithm::Rs256).is_none(), "both fit");
        assert!(keys.of(Algorithm::Rs384).is_some(), "one fits");
    }

    #[test]
    fn refuses_what_is_not_a_key_set() {
        for body in [
            "",
            "<html></html>",
            "[]",
            "{}",
            "{\"keys\":{}}",
            "{\"keys\":[],\"keys\":[]}",
            "{\"keys\":[],\"\\u006beys\":[]}",
            "{\"a\":1,\"keys\":[],\"a\":1}",
            "{\"keys\":[]} {}",
            "null",
        ] {
            assert_eq!(KeySet::parse(body.as_bytes()).err(), Some(SetError::Form), "{body}");
        }
        assert_eq!(parse(&[]).err(), Some(SetError::NoKey(Vec::new())));
    }
}
