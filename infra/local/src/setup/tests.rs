use std::path::PathBuf;

use throttle::SystemClock;

use super::*;
use crate::clock::Now;

const ORIGIN: &str = "http://127.0.0.1:1";
const POOL: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";

const RULE: &str = "[[rule]]\nname = \"r\"\nallow = [\"GET /x\"]\neveryone = true\n";

fn options() -> Options {
    Options::new("/x".into(), Now::new(SystemClock::new()))
}

/// The set-up with this configuration, and with these callers.
fn read_with(config: &str, users: Option<&str>) -> Result<Setup, Error> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path: PathBuf = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut options = options();
    options.config = Some(write("tollgate.toml", config));
    options.users = users.map(|users| write("users.toml", users));
    Setup::read(&options, ORIGIN)
}

fn read(config: &str) -> Setup {
    read_with(config, None).unwrap()
}

fn pool(more: &str) -> String {
    format!(
        "[[issuer]]\nuser_pool = \"us-east-1_abc\"\nclients = [\"web\", \"batch\"]\n\
         token_use = \"access\"\n{more}\n{RULE}"
    )
}

/// The first issuer of the copy.
fn issuer(setup: &Setup) -> Table {
    let copy: Table = setup.functions[0].text.parse().unwrap();
    copy["issuer"][0].as_table().unwrap().clone()
}

#[test]
fn a_pool_keeps_its_name_and_iss_and_takes_its_keys_from_here() {
    let setup = read(&pool(""));
    let issuer = issuer(&setup);
    assert_eq!(issuer["url"].as_str(), Some(POOL));
    assert_eq!(issuer["name"].as_str(), Some("us-east-1_abc"));
    let keys = "http://127.0.0.1:1/us-east-1_abc/.well-known/jwks.json";
    assert_eq!(issuer["jwks_uri"].as_str(), Some(keys));
    assert!(!issuer.contains_key("user_pool"));
    assert_eq!(setup.issuers[0].iss, POOL);
    assert!(setup.notes.is_empty(), "{:?}", setup.notes);
    let ids: Vec<&str> = setup.issuers[0].clients.iter().map(|client| &*client.id).collect();
    assert_eq!(ids, ["web", "batch"]);
    assert!(setup.issuers[0].clients.iter().all(|client| client.secret.is_some()));
}

#[test]
fn each_setting_that_is_not_honoured_has_a_line() {
    for (more, says) in [
        ("replica_regions = [\"us-west-2\"]", "issuer `us-east-1_abc`: `replica_regions`"),
        ("algorithms = [\"ES256\"]", "issuer `us-east-1_abc`: `algorithms` is RS256 here"),
        ("jwks_file = \"/var/task/jwks.json\"", "issuer `us-east-1_abc`: `jwks_file` is not used"),
        (
            "[throttle]\ntable = \"tab\"\nsubject = \"client_id\"\nplan = { default = \"p\" }\n\
          refuse = \"deny\"\ntimeout_ms = 200",
            "[throttle]: `timeout_ms` is 1000 here, not 200",
        ),
        ("[revocation]\ntable = \"tab\"\ntimeout_ms = 200", "[revocation]: `timeout_ms`"),
        (
            "[throttle]\ntable = \"tab\"\nsubject = \"api_key\"\nplan = { default = \"p\" }\n\
          refuse = \"deny\"",
            "[throttle]: `subject = \"api_key\"` refuses every call by TOKEN",
        ),
        (
            "[[rule]]\nname = \"s\"\nallow = [\"GET /x\"]\n\
             any_scope = [\"s\"]\nstages = [\"prod\"]",
            "rule `s`: never applies here: it is for the stage prod",
        ),
        (
            "[[rule]]\nname = \"s\"\nallow = [\"GET /x\"]\n\
             any_scope = [\"s\"]\nsource_ips = [\"10.0.0.0/8\"]",
            "rule `s`: `source_ips`",
        ),
    ] {
        let setup = read(&pool(more));
        assert_eq!(setup.notes.len(), 1, "{more}: {:?}", setup.notes);
        assert!(setup.notes[0].starts_with(says), "{:?}", setup.notes);
    }
}

#[test]
fn rules_name_their_issuer_by_any_of_a_pools_urls() {
    let other = "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";
    let rule = format!(
        "[[rule]]\nname = \"s\"\nallow = [\"GET /y\"]\nany_scope = [\"s\"]\nissuers = [\"{other}\"]"
    );
    let setup = read(&pool(&rule));
    let copy: Table = setup.functions[0].text.parse().unwrap();
    assert_eq!(copy["rule"][0]["issuers"][0].as_str(), Some("us-east-1_abc"));
}

#[test]
fn callers_have_what_rules_and_issuer_ask_for() {
    let setup = read(
        r#"
[[issuer]]
url = "https://id.example/realms/a"
clients = ["app"]
audiences = ["https://api.example"]
token_use = "any"
scopes_claim = "scp"
groups_claim = "roles"
client_claim = "azp"
all_groups = ["staff"]
required_claims = { email_verified = true }
principal = "email"

[[rule]]
name = "a"
allow = ["GET /x/{tenant}"]
any_scope = ["x/read", "x/write"]

[[rule]]
name = "b"
allow = ["GET /y"]
any_group = ["admins", "auditors"]
all_scopes = ["y/read"]

[[rule]]
name = "c"
deny = ["GET /y"]
claims = { tier = ["bronze", "none"] }

[throttle]
table = "limits"
subject = "org"
plan = { claim = "tariff" }
refuse = "deny"

[revocation]
table = "revoked"
"#,
    );
    assert_eq!(setup.tables, ["limits", "revoked"]);
    let [issuer] = &setup.issuers[..] else { panic!("{:?}", setup.issuers) };
    assert_eq!(issuer.id, "id.example-realms-a");
    assert!(!issuer.form.is_cognito);
    assert_eq!(issuer.form.audience.as_deref(), Some("https://api.example"));
    assert_eq!(issuer.clients[0].scopes, ["x/read", "x/write", "y/read"]);
    let users: Vec<(&str, String)> =
        issuer.users.iter().map(|user| (&*user.username, user.groups.join(" "))).collect();
    let expected = [
        ("user", "staff"),
        ("admins", "staff admins"),
        ("auditors", "staff auditors"),
        ("bronze", "staff"),
    ];
    assert_eq!(users, expected.map(|(name, groups)| (name, groups.to_owned())));
    let admin = &issuer.users[1];
    assert_eq!(admin.scopes, ["y/read"]);
    for (claim, value) in [
        ("email_verified", serde_json::json!(true)),
        ("email", "admins@example.com".into()),
        ("org", "admins".into()),
        ("tenant", "admins".into()),
        ("tariff", "free".into()),
    ] {
        assert_eq!(admin.claims[claim], value, "{claim}");
    }
    assert_eq!(issuer.users[3].claims["tier"], "bronze");
}

#[test]
fn a_users_file_adds_and_replaces_and_its_example_is_right() {
    let example = include_str!("../../users.example.toml");
    let setup = read_with(&pool(""), Some(example)).unwrap();
    let issuer = &setup.issuers[0];
    let names: Vec<&str> = issuer.users.iter().map(|user| &*user.username).collect();
    assert_eq!(names, ["carol", "user"]);
    let carol = &issuer.users[0];
    assert_eq!((carol.sub.as_deref(), &carol.claims["level"]), (Some("2d4f7f5e-carol"), &3.into()));
    assert_eq!(carol.attributes["custom:tier"], "gold");
    let ids: Vec<&str> = issuer.clients.iter().map(|client| &*client.id).collect();
    assert_eq!(ids, ["web", "batch", "nightly"]);
    let own = "[[client]]\nid = \"other\"\n";
    let setup = read_with(&pool(""), Some(own)).unwrap();
    let ids: Vec<&str> = setup.issuers[0].clients.iter().map(|client| &*client.id).collect();
    assert_eq!(ids.last(), Some(&"other"), "users sign in through a client that is accepted");
    let own = "[[client]]\nid = \"batch\"\nscopes = [\"s\"]\n";
    let setup = read_with(&pool(""), Some(own)).unwrap();
    let batch = &setup.issuers[0].clients[0];
    assert_eq!((&*batch.id, &batch.scopes[..]), ("batch", &["s".to_owned()][..]));
    assert_eq!(setup.issuers[0].clients.len(), 2);
}

#[test]
fn a_mistake_in_a_users_file_names_its_line() {
    let two = format!(
        "{}\n[[issuer]]\nurl = \"https://id.example\"\nclients = \"any\"\n\
                       token_use = \"access\"\n",
        pool("")
    );
    for (config, users, says) in [
        (pool(""), "[[user]]\nname = \"a\"\n\ngrups = [\"b\"]\n", "users.toml:4: unknown field"),
        (pool(""), "[[user]]\n", "users.toml:1: missing field `name`"),
        (
            pool(""),
            "\n[[user]]\nname = \"a\"\nissuer = \"b\"\n",
            "users.toml:2: `b` is not an issuer here: write one of `us-east-1_abc`",
        ),
        (
            pool(""),
            "[[user]]\nname = \"a\"\n[[user]]\nname = \"a\"\n",
            "users.toml:1: the user `a` is also defined below",
        ),
        (
            two,
            "[[client]]\nid = \"a\"\n",
            "users.toml:1: there are several issuers: add `issuer`, one of `us-east-1_abc`, \
          `id.example`",
        ),
    ] {
        let error = read_with(&config, Some(users)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_mistake_in_the_configuration_names_its_line() {
    let error = read_with(&pool("\nclient = 1"), None).unwrap_err().to_string();
    assert!(error.contains("tollgate.toml:6: unknown field `client`"), "{error}");
}

#[test]
fn the_printed_configuration_is_one_and_has_the_demonstrations_callers() {
    let text = demo::printed(1);
    assert!(text.starts_with("# "));
    let setup = read(&text);
    assert!(setup.notes.is_empty(), "{:?}", setup.notes);
    let [issuer] = &setup.issuers[..] else { panic!() };
    assert_eq!(issuer.clients.len(), demo::clients().len());
    let users: Vec<&str> = issuer.users.iter().map(|user| &*user.username).collect();
    assert_eq!(users, ["alice", "bob"]);
    assert_eq!(setup.api_key.as_deref(), Some(demo::API_KEY));
}

#[test]
fn without_a_key_there_is_nothing_to_hold_to_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.toml");
    std::fs::write(&path, pool("")).unwrap();
    let change = |change: fn(&mut Options)| {
        let mut options = options();
        options.config = Some(path.clone());
        change(&mut options);
        Setup::read(&options, ORIGIN).map(|setup| setup.api_key)
    };
    let plan = |options: &mut Options| {
        let plan = r#"{"quota":{"limit":1,"period":"DAY"}}"#;
        options.usage_plan = Some(throttle::Plan::from_json(plan).unwrap());
    };
    assert!(matches!(change(plan), Err(Error::NoKey("--usage-plan"))));
    let header = |options: &mut Options| options.api_key_source = KeySource::Header;
    assert!(matches!(change(header), Err(Error::NoKey("--api-key-source header"))));
    let given = change(|options| {
        options.api_key_source = KeySource::Header;
        options.api_key = Some("a-key-of-more-than-twenty-characters".into());
    });
    assert!(given.unwrap().is_some());
    assert_eq!(change(|_| {}).unwrap(), None);
}
