//! Records of the table's stream.

use aws_lambda_events::event::dynamodb::EventRecord;
use serde_json::Value;
use table::{Attributes, Item as _};
use throttle::{BucketRecord, Timestamp};

/// A bucket as it was written, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket after the write.
    pub record: BucketRecord,
    /// The time of the write by DynamoDB's clock, in whole seconds.
    pub written: Timestamp,
}

/// Errors of reading a record; all are permanent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not a stream's record. The message does not quote the record, because it may contain a
    /// subject.
    #[error("is not a record of a table's stream")]
    Form,
    /// It has no image of the item.
    #[error("has no new image: set the stream's view to NEW_IMAGE")]
    NoImage,
    /// The bucket in it is damaged.
    #[error(transparent)]
    Damaged(#[from] table::Damage),
}

/// Reads the bucket in a record; `None` for any other item, or for a deletion.
///
/// # Errors
///
/// It can't be read.
pub fn bucket(record: &Value) -> Result<Option<Bucket>, RecordError> {
    let record: EventRecord =
        serde_json::from_value(record.clone()).map_err(|_| RecordError::Form)?;
    let keys: Attributes = record.change.keys.into();
    let name = keys.get("pk").and_then(|key| key.as_s().ok());
    let Some(name) = name.and_then(|key| key.strip_prefix(BucketRecord::PREFIX)) else {
        return Ok(None);
    };
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    let written = record.change.approximate_creation_date_time.timestamp();
    let written = u64::try_from(written).map_err(|_| RecordError::Form)?;
    let image: Attributes = record.change.new_image.into();
    if image.is_empty() {
        return Err(RecordError::NoImage);
    }
    let record = BucketRecord::read(name, &image)?;
    Ok(record.map(|record| Bucket { record, written: Timestamp::from_secs(written) }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(key: &str, image: &Value) -> Value {
        json!({
            "eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "eventSourceARN": "arn",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_251_600, "Keys": {"pk": {"S": key}},
                "NewImage": image, "SequenceNumber": "111", "SizeBytes": 26,
                "StreamViewType": "NEW_IMAGE",
            },
        })
    }

    #[test]
    fn a_bucket_is_read_with_all_that_it_has() {
        let image = json!({
            "pk": {"S": "BUCKET#pool#maria"}, "pv": {"S": "3.free"}, "d20261121": {"N": "8"},
            "t5f5e100": {"N": "1795251600000000000"}, "id20261121": {"SS": ["ticket-1"]},
            "gd20261121": {"N": "5"}, "another": {"M": {"x": {"BOOL": true}}},
        });
        let bucket = bucket(&record("BUCKET#pool#maria", &image)).unwrap().unwrap();
        assert_eq!(bucket.record.subject.as_str(), "pool#maria");
        assert_eq!(bucket.record.stamp.unwrap().plan.as_str(), "free");
        assert_eq!(bucket.written.as_secs(), 1_795_251_600);
        let day = throttle::Period::Day.window(bucket.written);
        assert_eq!(bucket.record.history.used(&day), 13);
    }

    #[test]
    fn what_is_no_bucket_is_none() {
        for key in ["PLAN#free", "NOTICE#d20261121#80#maria", "bucket#maria", ""] {
            assert_eq!(bucket(&record(key, &json!({}))).unwrap(), None, "{key}");
        }
        let mut deleted = record("BUCKET#maria", &json!({}));
        deleted["eventName"] = json!("REMOVE");
        assert_eq!(bucket(&deleted).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_said_without_what_was_sent() {
        let damaged = json!({"pk": {"S": "BUCKET#maria"}, "d20261121": {"S": "maria's"}});
        for wrong in [
            json!(null),
            json!({}),
            json!({"dynamodb": {"Keys": {"pk": {"S": "BUCKET#maria"}}}}),
            record("BUCKET#maria", &json!({})),
            record("BUCKET#maria", &damaged),
            record("BUCKET#", &json!({"pk": {"S": "BUCKET#"}})),
        ] {
            let error = bucket(&wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("maria"), "{error:?}");
        }
    }
}
