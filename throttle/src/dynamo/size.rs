//! The size of an item, by DynamoDB's rules: one write unit pays for 1,024 bytes.

use aws_sdk_dynamodb::types::AttributeValue;
use table::Attributes;

/// The size of an item in bytes.
pub(crate) fn size(item: &Attributes) -> u32 {
    let bytes = item.iter().map(|(name, value)| attribute(name, value));
    bytes.fold(0, u32::saturating_add)
}

/// The size of an attribute in bytes: its name and its value.
pub(crate) fn attribute(name: &str, value: &AttributeValue) -> u32 {
    let value = match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => self::number(number),
        AttributeValue::Ss(texts) => texts.iter().map(|text| text.len().saturating_add(1)).sum(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // A bucket has no others.
        _ => 1,
    };
    u32::try_from(name.len().saturating_add(value)).unwrap_or(u32::MAX)
}

/// A byte for two digits, one for the number, and one for a sign. Outer zeros don't count.
fn number(text: &str) -> usize {
    let digits = text.trim_start_matches('-').trim_matches('0').len();
    let sign = usize::from(text.starts_with('-'));
    digits.div_ceil(2).saturating_add(1).saturating_add(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dynamodbs() {
        let n = |text: &str| AttributeValue::N(text.to_owned());
        for (value, bytes) in [
            (n("0"), 1),
            (n("7"), 2),
            (n("100"), 2),
            (n("123"), 3),
            (n("-123"), 4),
            (n("1795251600000000001"), 11),
            (AttributeValue::S("é".to_owned()), 2),
            (AttributeValue::Ss(vec!["a".to_owned(), "bc".to_owned()]), 5),
            (AttributeValue::Bool(true), 1),
        ] {
            assert_eq!(attribute("name", &value), 4 + bytes, "{value:?}");
        }
        let item = Attributes::from([("pk".to_owned(), n("12")), ("a".to_owned(), n("3"))]);
        assert_eq!(size(&item), 4 + 3);
    }
}
