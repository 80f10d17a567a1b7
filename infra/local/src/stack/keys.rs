//! The API keys that a template's usage plans accept, for each of its APIs.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::Options;
use crate::gateway::{KeySource, Keys, Meter};
use crate::ready::Key;
use crate::template::{Api, Family, Template, UsagePlan};

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
    /// Collects the keys of every usage plan.
    ///
    /// A key from elsewhere is the configuration's, and so is the first one without a value if
    /// authorizers name the key: on AWS its value is copied into the configuration.
    pub(super) fn of(template: &Template, configured: Option<&str>, options: &Options) -> Self {
        let mut all = Self::default();
        let values = all.values(template, configured);
        for plan in &template.plans {
            let limits = plan.limits.as_ref().or(options.usage_plan.as_ref());
            let value = |name: &String| match template.keys.contains_key(name) {
                true => values.get(name).map(String::as_str),
                false => configured,
            };
            let mut all_values: Vec<Option<&str>> = plan.keys.iter().map(value).collect();
            if all_values.is_empty() {
                all_values.push(configured);
            }
            for value in all_values {
                // One for all APIs of the plan.
                let meter = limits.map(|limits| Meter::start(limits, &options.now));
                for api in &plan.apis {
                    if let Some(value) = value {
                        let keys = all.by_api.entry(api.clone()).or_default();
                        keys.insert(value.to_owned(), meter.as_ref().map(Arc::clone));
                    }
                }
            }
            // Without a key that is accepted, every request is refused.
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
                    let mut sources = plans.flat_map(|plan| sources(template, plan));
                    let is_named = sources.any(|source| source == KeySource::Authorizer);
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
        self.of_callers(apis.find(|api| api.family == Family::Rest)?)
    }

    /// A key that callers of an API bring, if it needs one from them.
    pub(super) fn of_callers(&self, api: &Api) -> Option<String> {
        let is_needed = api.routes.iter().any(|route| route.needs_key);
        let is_theirs = is_needed && api.key_source == Some(KeySource::Header);
        self.get(&api.name).filter(|_| is_theirs)?.first().map(str::to_owned)
    }

    /// A line for each API whose authorizers name a key that the configuration does not have.
    pub(super) fn notes(&self, template: &Template, configured: Option<&str>) -> Vec<String> {
        let is_wrong = |api: &&Api| {
            let is_named = api.key_source == Some(KeySource::Authorizer);
            let is_needed = api.routes.iter().any(|route| route.needs_key);
            let keys = self.get(&api.name).filter(|_| is_named && is_needed);
            keys.is_some_and(|keys| configured.is_none_or(|key| !keys.contains(key)))
        };
        let line = |api: &Api| {
            let name = &api.name;
            format!("{name}: no key of its plans is `api_key` of [throttle]: add --api-key KEY")
        };
        template.apis.iter().filter(is_wrong).map(line).collect()
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

#[cfg(test)]
mod tests {
    use throttle::ManualClock;

    use super::*;
    use crate::clock::Now;

    const CONFIGURED: &str = "the-key-of-the-configuration";

    /// The keys of a template with one API, `A`, and these resources.
    fn keys(source: &str, resources: &str) -> (Template, TemplateKeys) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("template.yaml");
        let text = format!(
            "Resources:\n  A: {{Type: AWS::ApiGateway::RestApi, Properties: {{ApiKeySourceType: \
             {source}}}}}\n  M: {{Type: AWS::ApiGateway::Method, Properties: {{RestApiId: A, \
             HttpMethod: GET, ApiKeyRequired: true}}}}\n  P: {{Type: AWS::ApiGateway::UsagePlan, \
             Properties: {{ApiStages: [{{ApiId: A, Stage: s}}]}}}}\n{resources}"
        );
        std::fs::write(&file, text).unwrap();
        let template = Template::read(&file, &BTreeMap::new(), &BTreeMap::new()).unwrap();
        let options = Options::new("x".into(), Now::new(ManualClock::default()));
        let keys = TemplateKeys::of(&template, Some(CONFIGURED), &options);
        (template, keys)
    }

    fn key(name: &str, properties: &str) -> String {
        format!(
            "  {name}: {{Type: AWS::ApiGateway::ApiKey, Properties: {{{properties}}}}}\n  \
             {name}Link: {{Type: AWS::ApiGateway::UsagePlanKey, Properties: {{KeyId: {name}, \
             UsagePlanId: P}}}}\n"
        )
    }

    #[test]
    fn a_key_without_a_value_is_the_configurations_only_if_authorizers_name_it() {
        let own = key("K", "Enabled: true");
        let (template, named) = keys("AUTHORIZER", &own);
        assert!(named.get("A").unwrap().contains(CONFIGURED));
        assert!(named.notes(&template, Some(CONFIGURED)).is_empty());
        let (_, brought) = keys("HEADER", &own);
        let made = brought.made[0].value.clone();
        assert_eq!((made.len(), made.clone()), (LENGTH, made_up("K")));
        let all = brought.get("A").unwrap();
        assert!(all.contains(&made) && !all.contains(CONFIGURED));
    }

    #[test]
    fn keys_from_elsewhere_are_the_configurations_and_disabled_ones_nobodys() {
        for resources in [
            String::new(),
            "  L: {Type: AWS::ApiGateway::UsagePlanKey, Properties: {KeyId: far, UsagePlanId: P}}\n"
                .to_owned(),
        ] {
            assert!(keys("HEADER", &resources).1.get("A").unwrap().contains(CONFIGURED));
        }
        let (_, off) = keys("HEADER", &key("K", "Value: off"));
        assert_eq!(off.get("A").unwrap().first(), None);
        assert!(off.get("B").is_none());
    }

    #[test]
    fn keys_that_the_configuration_does_not_have_are_named() {
        let (template, keys) = keys("AUTHORIZER", &key("K", "Enabled: true, Value: other"));
        let notes = keys.notes(&template, Some(CONFIGURED));
        assert_eq!(notes, ["A: no key of its plans is `api_key` of [throttle]: add --api-key KEY"]);
    }
}
