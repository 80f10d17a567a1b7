//! Rights of a key: what a caller that sends it may do.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::Damage;
use crate::item::{Attributes, Reader, text};

use super::KeyRecord;

/// Rights of a key: the scopes and groups for rules, values for rules and the backend, and the
/// stages that accept the key.
///
/// ```
/// use tollgate_table::{KeyDetails, KeyRights};
///
/// let rights = KeyRights { scopes: vec!["orders/read".to_owned()], ..KeyRights::default() };
/// let details = KeyDetails { rights, ..KeyDetails::new("maria") };
/// assert!(details.rights.is_for_stage("prod"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRights {
    /// The scopes, each once: at most 100, each of at most 256 bytes without white space.
    pub scopes: Vec<String>,
    /// The groups, each once: at most 100, each of at most 256 bytes.
    pub groups: Vec<String>,
    /// Values by name: at most 32. A name has up to 64 letters, digits and `_`, a value up to 1,024
    /// bytes. Rules read them as claims, and the backend receives them.
    pub context: BTreeMap<String, String>,
    /// The stages in which the key is accepted, at most 32; empty for all.
    pub stages: Vec<String>,
}

impl KeyRights {
    /// Returns true if the key is accepted in this stage.
    #[must_use]
    pub fn is_for_stage(&self, stage: &str) -> bool {
        self.stages.is_empty() || self.stages.iter().any(|own| own == stage)
    }

    /// Checks the bounds of all fields.
    ///
    /// # Errors
    /// The first field that is out of bounds, and the reason.
    pub fn check(&self) -> Result<(), Damage> {
        let mut item = Attributes::new();
        self.write(&mut item);
        Self::read(Reader::new::<KeyRecord>(&item)).map(drop)
    }

    /// Adds the attributes to an item. Empty ones are left out.
    pub(crate) fn write(&self, item: &mut Attributes) {
        for (name, all) in [(SCOPES, &self.scopes), (GROUPS, &self.groups), (STAGES, &self.stages)]
        {
            if !all.is_empty() {
                let all = all.iter().map(|one| text(one)).collect();
                item.insert(name.to_owned(), AttributeValue::L(all));
            }
        }
        if !self.context.is_empty() {
            let all = self.context.iter().map(|(name, value)| (name.clone(), text(value)));
            item.insert(CONTEXT.to_owned(), AttributeValue::M(all.collect()));
        }
    }

    /// Reads and checks the attributes of an item.
    pub(crate) fn read(item: Reader<'_>) -> Result<Self, Damage> {
        let list = |name: &str, most: usize, max: usize| {
            let all: Vec<String> = item.optional(name)?.unwrap_or_default();
            all.iter().try_for_each(|one| item.check(name, one, max))?;
            check_list(&all, most).map_err(|problem| item.damage(name, problem))?;
            Ok(all)
        };
        let rights = Self {
            scopes: list(SCOPES, MAX_NAMES, MAX_NAME)?,
            groups: list(GROUPS, MAX_NAMES, MAX_NAME)?,
            context: item.optional(CONTEXT)?.unwrap_or_default(),
            stages: list(STAGES, MAX_STAGES, MAX_STAGE)?,
        };
        if rights.scopes.iter().any(|scope| scope.contains(char::is_whitespace)) {
            return Err(item.damage(SCOPES, "holds white space: give each scope by itself"));
        }
        let is_stage = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
        if !rights.stages.iter().all(|stage| stage.bytes().all(is_stage)) {
            return Err(item.damage(STAGES, "holds a name that no stage has"));
        }
        if rights.context.len() > MAX_VALUES {
            return Err(item.damage(CONTEXT, format!("has more than {MAX_VALUES} values")));
        }
        for (name, value) in &rights.context {
            if !is_context_name(name) {
                let problem = "holds a name that is not 1 to 64 letters, digits and `_`";
                return Err(item.damage(CONTEXT, problem));
            }
            item.check(CONTEXT, value, MAX_VALUE)?;
        }
        Ok(rights)
    }
}

/// Checks the number of names, and that there are no duplicates.
fn check_list(all: &[String], most: usize) -> Result<(), String> {
    if all.len() > most {
        return Err(format!("has more than {most} names"));
    }
    let is_twice = |(at, one): (usize, &String)| all.iter().take(at).any(|other| other == one);
    if all.iter().enumerate().any(is_twice) {
        return Err("holds a name twice".to_owned());
    }
    Ok(())
}

fn is_context_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_CONTEXT_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

const SCOPES: &str = "scopes";
const GROUPS: &str = "groups";
const CONTEXT: &str = "context";
const STAGES: &str = "stages";
const MAX_NAMES: usize = 100;
const MAX_NAME: usize = 256;
const MAX_VALUES: usize = 32;
const MAX_CONTEXT_NAME: usize = 64;
const MAX_VALUE: usize = 1_024;
const MAX_STAGES: usize = 32;
/// API Gateway's bound on a stage's name, in bytes.
const MAX_STAGE: usize = 128;
