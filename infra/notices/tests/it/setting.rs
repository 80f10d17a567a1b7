//! A table, a topic, and records of the table's stream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use notices::{Teller, Topic};
use serde_json::{Value, json};
use table::{Client, Connect};
use throttle::{ManualClock, Plan, PlanId, Plans};

pub(crate) const TABLE: &str = "tollgate";
const ARN: &str = "arn:aws:sns:us-east-1:123456789012:quotas";
/// 2026-11-21T09:00:00Z.
pub(crate) const NOW: u64 = 1_795_251_600;

pub(crate) struct Setting {
    pub(crate) client: Client,
    pub(crate) clock: ManualClock,
    topic: Topic,
    sent: Arc<Sent>,
}

#[derive(Default)]
struct Sent {
    messages: Mutex<Vec<Value>>,
    /// The number of next messages that are refused.
    failing: Mutex<usize>,
}

impl Setting {
    /// With a plan of ten requests a day.
    pub(crate) async fn start() -> Self {
        let url = listen();
        let client = Connect::emulator(&url)
            .operation_timeout(Duration::from_secs(30))
            .connect_timeout(Duration::from_secs(30))
            .client()
            .await;
        table::create(&client, TABLE).await.unwrap();
        let clock = ManualClock::at(throttle::Timestamp::from_secs(NOW));
        let plan = Plan::from_json(r#"{"quota": {"limit": 10, "period": "DAY"}}"#).unwrap();
        let id = PlanId::new("free").unwrap();
        let made = throttle::Timestamp::from_secs(NOW - 90_000);
        Plans::new(client.clone(), TABLE).put(&id, &plan, None, made).await.unwrap();

        let sent = Arc::new(Sent::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(publish).with_state(Arc::clone(&sent));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .retry_config(aws_sdk_sns::config::retry::RetryConfig::disabled())
            .endpoint_url(url)
            .build();
        let topic = Topic::new(aws_sdk_sns::Client::from_conf(config), ARN);
        Self { client, clock, topic, sent }
    }

    /// A new execution environment: it remembers nothing.
    pub(crate) fn teller(&self) -> Teller<ManualClock> {
        Teller::new(&self.client, TABLE, self.topic.clone(), self.clock.clone())
    }

    /// Refuses the next messages.
    pub(crate) fn fail(&self, times: usize) {
        *self.sent.failing.lock().unwrap() = times;
    }

    /// The subjects and shares of the notices since the last call.
    pub(crate) fn told(&self) -> Vec<(String, u64)> {
        let messages = self.messages();
        let told = messages.iter().map(|message| {
            (message["subject"].as_str().unwrap().to_owned(), message["percent"].as_u64().unwrap())
        });
        told.collect()
    }

    /// The messages since this was asked last.
    pub(crate) fn messages(&self) -> Vec<Value> {
        std::mem::take(&mut self.sent.messages.lock().unwrap())
    }
}

/// Takes what the Query protocol says: a form.
async fn publish(State(sent): State<Arc<Sent>>, body: String) -> impl IntoResponse {
    let form: Vec<(String, String)> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let said = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    assert_eq!(said("Action").unwrap(), "Publish");
    assert_eq!(said("TopicArn").unwrap(), ARN);
    assert!(said("Subject").unwrap().starts_with("Tollgate: "));
    {
        let mut failing = sent.failing.lock().unwrap();
        if *failing > 0 {
            *failing -= 1;
            let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
                         <Message>no</Message></Error></ErrorResponse>";
            return (StatusCode::FORBIDDEN, error.to_owned());
        }
    }
    let message = serde_json::from_str(said("Message").unwrap()).unwrap();
    sent.messages.lock().unwrap().push(message);
    let answer = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
                  <MessageId>1</MessageId></PublishResult></PublishResponse>";
    (StatusCode::OK, answer.to_owned())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                let hex = std::str::from_utf8(&hex).unwrap().to_owned();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A batch of records: sequence number, subject, and what was used of the day.
pub(crate) fn batch(records: &[(&str, &str, u64)]) -> Value {
    let records: Vec<Value> =
        records.iter().map(|(number, subject, used)| record(number, subject, *used)).collect();
    json!({ "Records": records })
}

pub(crate) fn record(number: &str, subject: &str, used: u64) -> Value {
    let key = format!("BUCKET#{subject}");
    json!({
        "eventID": number, "eventName": "MODIFY", "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1", "eventSourceARN": "arn",
        "dynamodb": {
            "ApproximateCreationDateTime": NOW, "Keys": {"pk": {"S": key}},
            "NewImage": {
                "pk": {"S": key}, "pv": {"S": "1.free"}, "d20261121": {"N": used.to_string()},
            },
            "SequenceNumber": number, "SizeBytes": 26, "StreamViewType": "NEW_IMAGE",
        },
    })
}

/// The number that a batch has to come again from.
pub(crate) fn again(answer: &Value) -> Option<&str> {
    answer["batchItemFailures"].as_array().unwrap().first()?["itemIdentifier"].as_str()
}

/// SQLite blocks the threads that it runs on, so it gets its own, for as long as the process lives.
fn listen() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
        });
    });
    told.recv().unwrap()
}
