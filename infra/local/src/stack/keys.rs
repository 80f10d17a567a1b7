//! The API keys that a template's usage plans accept, for each of its APIs.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::Options;
use crate::gateway::{KeySource, Keys, Meter};
use crate::ready::Key;
use crate::template::{Family, Template, UsagePlan};

/// The characters of a key that is made here, as many as API Gateway's have.
const LENGTH: usize = 40;

/// The keys of a template.
#[derive(Debug, Default)]
pub(super) struct TemplateKeys {
    by_api: BTreeMap<String, Keys>,
    /// The keys to print: those without a value in the template.
    pub(super) made: Vec<Key>,
}

impl TemplateKeys {
    /// Collects the keys of every usage plan. One that is defined elsewhere is the configuration's
    /// key, and so is the first without a value where authorizers name the key: on AWS its
    /// value is copied into the configuration.
    pub(super) fn of(template: &Template, configured: Option<&str>, options: &Options) -> Self {
        let mut all = Self::default();
        let values = all.values(template, configured);
        for plan in &template.plans {
            let limits = plan.limits.as_ref().or(options.usage_plan.as_ref());
            for name in &plan.keys {
                let value = match template.keys.get(name) {
                    Some(key) if !key.is_enabled => continue,
                    Some(_) => values.get(name).map(String::as_str),
                    None => configured,
                };
                // One for all APIs of the plan.
                let meter = limits.map(|limits| Meter::start(limits, &options.now));
                for api in &plan.apis {
                    if let Some(value) = value {
                        let keys = all.by_api.entry(api.clone()).or_default();
                        keys.insert(value.to_owned(), meter.as_ref().map(Arc::clone));
                    }
                }
            }
            // A plan without a key lets nobody through.
            for api in &plan.apis {
                all.by_api.entry(api.clone()).or_default();
            }
        }
        all
    }

    /// The value of each key of the template, made here if it has none.
    fn values(
        &mut self,
        template: &Template,
        configured: Option<&str>,
    ) -> BTreeMap<String, String> {
        let mut configured = configured;
        let mut values = BTreeMap::new();
        for (name, key) in template.keys.iter().filter(|(_, key)| key.is_enabled) {
            let value = match &key.value {
                Some(value) => value.clone(),
                None => {
                    let plans = template.plans.iter().filter(|plan| plan.keys.contains(name));
                    let is_named = plans.flat_map(|plan| sources(template, plan));
                    let is_named = is_named.into_iter().any(|one| one == KeySource::Authorizer);
                    let own = configured.take_if(|_| is_named).map(str::to_owned);
                    let value = own.unwrap_or_else(|| made_up(name));
                    self.made.push(Key { name: name.clone(), value: value.clone() });
                    value
                }
            };
            values.insert(name.clone(), value);
        }
        values
    }

    /// A key that callers of the first REST API bring, if it needs one from them.
    pub(super) fn of_header(&self, options: &Options) -> Option<String> {
        let mut apis = options.template.as_ref()?.apis.iter();
        let api = apis.find(|api| api.family == Family::Rest)?;
        let is_needed = api.routes.iter().any(|route| route.needs_key);
        let is_theirs = is_needed && api.key_source == Some(KeySource::Header);
        self.get(&api.name).filter(|_| is_theirs)?.first().map(str::to_owned)
    }

    /// The keys of an API; `None` if no plan of the template is for it.
    pub(super) fn get(&self, api: &str) -> Option<&Keys> {
        self.by_api.get(api)
    }
}

fn sources(template: &Template, plan: &UsagePlan) -> Vec<KeySource> {
    let apis = template.apis.iter().filter(|api| plan.apis.contains(&api.name));
    apis.filter_map(|api| api.key_source).collect()
}

/// A key that is the same at every start, so that commands can be repeated.
fn made_up(name: &str) -> String {
    let digest = digest(&SHA256, format!("local API key {name}").as_bytes());
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    digits.chars().take(LENGTH).collect()
}
