//! Values that only a running stack has, in the place of the template's marks for them.

use std::collections::BTreeMap;

use super::super::Place;
use super::Options;
use crate::gateway::Kind;
use crate::template::Mark;

/// The marks of a template with their values.
#[derive(Debug, Default)]
pub(in super::super) struct Values(Vec<(String, String)>);

impl Values {
    /// The ids and addresses of the template's APIs, and the labels of its tables' streams.
    pub(in super::super) fn of(
        options: &Options,
        places: &[Place],
        streams: &BTreeMap<String, String>,
    ) -> Self {
        let Some(template) = &options.template else { return Self::default() };
        let mut values = Vec::new();
        for (at, api) in template.apis.iter().enumerate() {
            let id = api.id.as_deref().unwrap_or(api.kind().api_id());
            values.push((Mark::Id.of(&api.name), id.to_owned()));
            let place = places.iter().find(|place| place.api == Some(at));
            let Some(Ok(address)) = place.map(|place| place.listener.local_addr()) else {
                continue;
            };
            let scheme = if api.kind() == Kind::WebSocket { "ws" } else { "http" };
            values.push((Mark::Address.of(&api.name), format!("{scheme}://{address}")));
        }
        let labels = streams.iter();
        values.extend(labels.map(|(table, label)| (Mark::Label.of(table), label.clone())));
        Self(values)
    }

    /// A text with values in the place of its marks.
    pub(super) fn fill(&self, text: &str) -> String {
        let filled = |text: String, (mark, value): &(String, String)| text.replace(mark, value);
        self.0.iter().fold(text.to_owned(), filled)
    }
}
