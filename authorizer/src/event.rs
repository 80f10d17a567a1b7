//! What API Gateway sends, read leniently: what can't be read must still be answered.

use serde_json::Value;

use crate::refusal::Refusal;

/// The longest ARN of a method that API Gateway sends, in bytes.
const MAX_ARN: usize = 1600;

/// A TOKEN event of a REST API: exactly a token and the ARN of what is called.
///
/// AWS documents three members: `type`, `authorizationToken` and `methodArn` ("Input to an API
/// Gateway Lambda authorizer").
pub(crate) struct TokenEvent<'a> {
    /// The value of the identity source: the whole `Authorization` header.
    pub(crate) authorization: &'a str,
    /// The ARN of what is called.
    pub(crate) method_arn: &'a str,
}

impl<'a> TokenEvent<'a> {
    /// Reads an event; members beside the three are passed over.
    ///
    /// # Errors
    ///
    /// `config` where the event is of another kind: the authorizer is attached in a way that it
    /// can't serve. `malformed` where the token or the ARN is missing or too long.
    pub(crate) fn read(event: &'a Value) -> Result<Self, Refusal> {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        if text("type") != Some("TOKEN") {
            return Err(Refusal::config("not a TOKEN event: attach it as a TOKEN authorizer"));
        }
        let authorization =
            text("authorizationToken").ok_or(Refusal::malformed("the event has no token"))?;
        let method_arn = text("methodArn")
            .filter(|arn| arn.len() <= MAX_ARN)
            .ok_or(Refusal::malformed("the event has no usable methodArn"))?;
        Ok(Self { authorization, method_arn })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::refusal::Code;

    fn code(event: &Value) -> Option<Code> {
        TokenEvent::read(event).err().map(Refusal::code)
    }

    #[test]
    fn reads_aws_s_own_example() {
        let event: Value = serde_json::from_str(include_str!(
            "../../tests/vectors/lambda-events/example-apigw-custom-auth-request.json"
        ))
        .unwrap();
        let read = TokenEvent::read(&event).unwrap();
        assert_eq!(read.authorization, event["authorizationToken"].as_str().unwrap());
        assert_eq!(read.method_arn, event["methodArn"].as_str().unwrap());
    }

    #[test]
    fn passes_over_members_that_it_does_not_know() {
        let event =
            json!({"type": "TOKEN", "authorizationToken": "t", "methodArn": "a", "x": {"y": null}});
        assert_eq!(code(&event), None);
    }

    #[test]
    fn answers_what_it_can_t_read() {
        for event in [
            json!(null),
            json!([]),
            json!("TOKEN"),
            json!({}),
            json!({"type": 1}),
            json!({"type": "REQUEST", "authorizationToken": "t", "methodArn": "a"}),
        ] {
            assert_eq!(code(&event), Some(Code::Config), "{event}");
        }
        for event in [
            json!({"type": "TOKEN"}),
            json!({"type": "TOKEN", "authorizationToken": null, "methodArn": "a"}),
            json!({"type": "TOKEN", "authorizationToken": ["t"], "methodArn": "a"}),
            json!({"type": "TOKEN", "authorizationToken": "t"}),
            json!({"type": "TOKEN", "authorizationToken": "t", "methodArn": 1}),
            json!({"type": "TOKEN", "authorizationToken": "t", "methodArn": "a".repeat(MAX_ARN + 1)}),
        ] {
            assert_eq!(code(&event), Some(Code::Malformed), "{event}");
        }
    }
}
