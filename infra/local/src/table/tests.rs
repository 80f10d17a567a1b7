use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, Tag, TimeToLiveSpecification,
};
use tempfile::TempDir;
use throttle::ManualClock;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// 2026-11-21T09:00:00Z.
const NOW: u64 = 1_795_251_600;

fn options() -> (Options, ManualClock) {
    let clock = ManualClock::default();
    (Options::new(Now::new(clock.clone())), clock)
}

async fn start_in(data: Data) -> Result<Table, Error> {
    Table::start(listener().await, Options { data, ..options().0 }).await
}

async fn create(client: &Client) {
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build();
    let definition = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build();
    client
        .create_table()
        .table_name("test")
        .key_schema(key.unwrap())
        .attribute_definitions(definition.unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

async fn put(client: &Client, pk: &str, expires_at: u64) {
    client
        .put_item()
        .table_name("test")
        .item("pk", AttributeValue::S(pk.to_owned()))
        .item("expires_at", AttributeValue::N(expires_at.to_string()))
        .send()
        .await
        .unwrap();
}

async fn has(client: &Client, pk: &str) -> bool {
    let key = AttributeValue::S(pk.to_owned());
    let answer = client.get_item().table_name("test").key("pk", key).send().await.unwrap();
    answer.item.is_some()
}

#[tokio::test]
async fn the_sdk_decides_conditional_writes_on_it() {
    let table = start_in(Data::Memory).await.unwrap();
    let client = table.client();
    create(&client).await;
    let take = async || {
        client
            .update_item()
            .table_name("test")
            .key("pk", AttributeValue::S("BUCKET#a".to_owned()))
            .update_expression("SET #n = if_not_exists(#n, :zero) + :one")
            .condition_expression("attribute_not_exists(#n) OR #n < :two")
            .expression_attribute_names("#n", "taken")
            .expression_attribute_values(":zero", AttributeValue::N("0".to_owned()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":two", AttributeValue::N("2".to_owned()))
            .send()
            .await
            .map_err(SdkError::into_service_error)
    };
    take().await.unwrap();
    take().await.unwrap();
    assert!(take().await.unwrap_err().is_conditional_check_failed_exception());
    table.shutdown().await;
    assert!(client.list_tables().send().await.is_err());
}

#[tokio::test]
async fn kept_data_is_there_after_a_restart() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("made/for it");
    let table = start_in(Data::Directory(folder.clone())).await.unwrap();
    create(&table.client()).await;
    put(&table.client(), "a", 0).await;
    // Half a request must not hold the database open.
    let mut hanging = TcpStream::connect(table.url().trim_start_matches("http://")).await.unwrap();
    hanging.write_all(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n").await.unwrap();
    table.shutdown().await;
    // Closed in order: the write-ahead log is folded into the one file.
    let files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["table.db"]);

    let table = start_in(Data::Directory(folder)).await.unwrap();
    assert!(has(&table.client(), "a").await);
    assert!(!has(&table.client(), "b").await);
    table.shutdown().await;
}

async fn expire(client: &Client, enabled: bool) -> Result<(), aws_sdk_dynamodb::Error> {
    expire_by(client, "expires_at", enabled).await
}

async fn expire_by(
    client: &Client,
    name: &str,
    enabled: bool,
) -> Result<(), aws_sdk_dynamodb::Error> {
    let lifetime =
        TimeToLiveSpecification::builder().attribute_name(name).enabled(enabled).build()?;
    let change = client.update_time_to_live().table_name("test");
    change.time_to_live_specification(lifetime).send().await.map(drop).map_err(Into::into)
}

#[tokio::test]
async fn the_sweep_removes_what_is_expired_and_keeps_what_expired_five_years_ago() {
    let (options, _) = options();
    let sweep = Duration::from_millis(10);
    let table = Table::start(listener().await, Options { sweep, ..options }).await.unwrap();
    let client = table.client();
    create(&client).await;
    for at in 0..120 {
        put(&client, &format!("expired-{at}"), NOW - 1).await;
    }
    put(&client, "current", NOW + 60).await;
    put(&client, "ancient", NOW - 5 * 365 * 86_400 - 1).await;
    assert!(has(&client, "expired-0").await, "shown until it is removed");
    expire(&client, true).await.unwrap();
    let gone = async {
        for at in 0..120 {
            while has(&client, &format!("expired-{at}")).await {}
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert!(has(&client, "current").await && has(&client, "ancient").await);
    table.shutdown().await;
}

#[tokio::test]
async fn time_to_live_changes_once_an_hour() {
    let (options, clock) = options();
    let table = Table::start(listener().await, options).await.unwrap();
    let client = table.client();
    create(&client).await;
    let refused = async |enabled| {
        let error = expire(&client, enabled).await.unwrap_err();
        let error = error.meta();
        format!("{}: {}", error.code().unwrap(), error.message().unwrap())
    };
    let already = "ValidationException: TimeToLive is already ";
    assert_eq!(refused(false).await, format!("{already}disabled"));
    expire(&client, true).await.unwrap();
    assert_eq!(refused(true).await, format!("{already}enabled"));
    for enabled in [true, false] {
        let error = expire_by(&client, "other", enabled).await.unwrap_err();
        let text = "TimeToLive is active on a different AttributeName: current AttributeName is \
                    expires_at";
        assert_eq!(error.meta().message(), Some(text), "{enabled}");
    }
    let often = "ValidationException: Time to live has been modified multiple times within a \
                 fixed interval";
    assert_eq!(refused(false).await, often);
    clock.advance(Duration::from_secs(3599));
    assert_eq!(refused(false).await, often);
    clock.advance(Duration::from_secs(1));
    expire(&client, false).await.unwrap();
    assert_eq!(refused(true).await, often);
    client.delete_table().table_name("test").send().await.unwrap();
    create(&client).await;
    expire(&client, true).await.unwrap();
    table.shutdown().await;
}

#[tokio::test]
async fn a_hot_key_is_throttled_in_dynamodbs_words() {
    let (options, clock) = options();
    let table = Table::start(listener().await, options.clone()).await.unwrap();
    let client = table.client();
    create(&client).await;
    let large = AttributeValue::S("x".repeat(300_000));
    let write = async |pk: &str| {
        let put = client.put_item().table_name("test").item("large", large.clone());
        put.item("pk", AttributeValue::S(pk.to_owned())).send().await.map_err(|error| {
            let error = error.into_service_error();
            let reasons = match &error {
                PutItemError::ThrottlingException(it) => it.throttling_reasons(),
                other => panic!("{other}"),
            };
            let reason = &reasons[0];
            (reason.reason().unwrap().to_owned(), reason.resource().unwrap().to_owned())
        })
    };
    for _ in 0..3 {
        write("hot").await.unwrap();
    }
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/test".to_owned();
    let expected = ("TableWriteKeyRangeThroughputExceeded".to_owned(), arn);
    assert_eq!(write("hot").await.unwrap_err(), expected);
    write("cold").await.unwrap();
    clock.advance(Duration::from_secs(1));
    write("hot").await.unwrap();
    // A consistent read of 300 KB takes 74 units of 3,000.
    let read = async || {
        let get = client.get_item().table_name("test").consistent_read(true);
        let key = AttributeValue::S("hot".to_owned());
        get.key("pk", key).send().await.map_err(|error| error.into_service_error().to_string())
    };
    let mut served = 0;
    while read().await.is_ok() {
        served += 1;
    }
    assert_eq!(served, 41);
    table.shutdown().await;

    let open = Options { has_partition_limit: false, ..options };
    let table = Table::start(listener().await, open).await.unwrap();
    let client = table.client();
    create(&client).await;
    for _ in 0..5 {
        let put = client.put_item().table_name("test").item("large", large.clone());
        put.item("pk", AttributeValue::S("hot".to_owned())).send().await.unwrap();
    }
    table.shutdown().await;
}

#[tokio::test]
async fn descriptions_are_dynamodbs_and_arns_of_this_account() {
    let table = start_in(Data::Memory).await.unwrap();
    let client = table.client();
    create(&client).await;
    let described = client.describe_table().table_name("test").send().await.unwrap();
    let arn = described.table.unwrap().table_arn.unwrap();
    assert_eq!(arn, "arn:aws:dynamodb:us-east-1:123456789012:table/test");
    let tag = Tag::builder().key("a").value("b").build().unwrap();
    client.tag_resource().resource_arn(&arn).tags(tag).send().await.unwrap();
    let tags = client.list_tags_of_resource().resource_arn(&arn).send().await.unwrap();
    assert_eq!(tags.tags().len(), 1);
    let limits = client.describe_limits().send().await.unwrap();
    assert_eq!(limits.table_max_write_capacity_units, Some(40_000));
    let endpoints = client.describe_endpoints().send().await.unwrap();
    assert_eq!(format!("http://{}", endpoints.endpoints[0].address), table.url());
    let backups =
        async |name: &str| client.describe_continuous_backups().table_name(name).send().await;
    assert!(backups("test").await.unwrap().continuous_backups_description.is_some());
    let missing = backups("other").await.unwrap_err().into_service_error();
    assert!(missing.is_table_not_found_exception());
    table.shutdown().await;
}

#[tokio::test]
async fn data_that_can_not_be_kept_is_an_error_that_names_the_place() {
    let home = TempDir::new().unwrap();
    let start = async |folder: PathBuf| start_in(Data::Directory(folder)).await.unwrap_err();
    let file = home.path().join("file");
    fs::write(&file, "text").unwrap();
    let error = start(file.clone()).await;
    assert!(matches!(&error, Error::Path { path, .. } if *path == file), "{error}");

    let taken = home.path().join("taken");
    fs::create_dir_all(taken.join(FILE)).unwrap();
    let error = start(taken.clone()).await;
    assert!(matches!(&error, Error::Path { path, .. } if *path == taken.join(FILE)), "{error}");

    let other = home.path().join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join(FILE), "not a database at all, but long enough to look".repeat(99))
        .unwrap();
    let error = start(other.clone()).await;
    assert!(matches!(&error, Error::Database { .. }), "{error}");
    assert!(error.to_string().contains(&*other.join(FILE).to_string_lossy()), "{error}");
}

#[tokio::test]
async fn pages_of_other_sites_read_and_write_nothing() {
    let table = start_in(Data::Memory).await.unwrap();
    let call = async |method: &str, headers: &[(&str, &str)]| {
        let client = reqwest::Client::new();
        let mut request = client.request(method.parse().unwrap(), table.url()).body("{}");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let origin = answer.headers().contains_key("access-control-allow-origin");
        (answer.status().as_u16(), origin, answer.text().await.unwrap())
    };
    let json = ("content-type", "application/x-amz-json-1.0");
    let target = ("x-amz-target", "DynamoDB_20120810.ListTables");
    for origin in ["https://example.com", "http://localhost.example.com", "null"] {
        for (method, headers) in [("POST", &[json, target][..]), ("OPTIONS", &[]), ("GET", &[])] {
            let headers = [headers, &[("origin", origin)]].concat();
            let (status, is_readable, text) = call(method, &headers).await;
            assert_eq!((status, is_readable), (403, false), "{method} {origin}");
            assert!(text.contains("a page of another site"), "{text}");
        }
    }
    let signature = "AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/dynamodb/aws4_request, \
                     SignedHeaders=host, Signature=b";
    let signed = [("authorization", signature), ("x-amz-date", "20261121T090000Z")];
    let page = [("origin", "http://localhost:3000")];
    let (status, is_readable, text) =
        call("POST", &[&[json, target][..], &signed, &page].concat()).await;
    assert_eq!((status, is_readable), (200, true), "a page of this machine: {text}");
    // What a form or a script without a preflight can send, with no origin that tells of it.
    for simple in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let (status, _, text) = call("POST", &[("content-type", simple)]).await;
        assert!((400..500).contains(&status) && !text.contains("TableNames"), "{status} {text}");
        let whole = [&[("content-type", simple), target][..], &signed].concat();
        assert_eq!(call("POST", &whole).await.0, 404, "not even with its operation");
    }
    table.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_server_behind_the_front_has_an_address_that_cannot_be_guessed() {
    let addresses = [hidden().await.unwrap(), hidden().await.unwrap()];
    let addresses = addresses.map(|listener| listener.local_addr().unwrap().ip());
    assert!(addresses.iter().all(|ip| ip.is_loopback() && *ip != Ipv4Addr::LOCALHOST));
    assert_ne!(addresses[0], addresses[1]);
}
