//! A new configuration, from flags and from answers on a terminal.

use std::fs;

use crate::confirm::type_to;
use crate::support::Tollgate;

const POOL: [&str; 5] =
    ["init", "--user-pool", "us-east-1_abcDEF123", "--client", "1example23456789"];
const RULE: [&str; 2] = ["--group-rule", "admins=DELETE /orders"];

/// A file's path in a folder, as an argument.
fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// The value of `api_key`.
fn key(text: &str) -> &str {
    text.split("\napi_key = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

#[test]
fn flags_make_a_configuration_that_loads_and_lints_clean() {
    let (tollgate, folder) = (Tollgate::with([]), tempfile::tempdir().unwrap());
    let file = path(&folder, "tollgate.toml");
    let more = [
        "--client",
        "second",
        "--group-rule",
        "readers=GET /orders",
        "--group-rule",
        "readers = GET,HEAD /status",
        "--scope-rule",
        "orders/write=POST /orders",
        "--default-plan",
        "free",
        "--plan",
        "gold",
        "--table",
        "shop",
        "--out",
        &file,
    ];
    let line = [&POOL[..], &RULE, &more].concat();
    let said = tollgate.run(&line).done();
    // The comments stand below each other.
    let comments: Vec<_> = said.lines().filter_map(|line| line.find("  # ")).collect();
    assert!(comments.len() == 4 && comments.iter().all(|at| *at == comments[0]), "{said}");
    let said = said.replace(&file, "FILE");
    let said = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let said = said.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(said, @r"
    wrote `FILE` (`policy lint`: 0 warnings, 0 notes)

    Next:
    tollgate policy lint FILE # check the rules
    tollgate-local --config FILE # try it on this machine
    tollgate plan put free --rate 5 --burst 10 --table shop # store the plan
    tollgate plan put gold --rate 5 --burst 10 --table shop # store the plan
    ");
    let text = fs::read_to_string(&file).unwrap();
    let secret = key(&text).to_owned();
    assert!(secret.len() == 72 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{secret}");
    insta::assert_snapshot!(text.replace(&secret, "KEY"));
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    let lint = tollgate.run(&["policy", "lint", "--deny-warnings", &file]).done();
    assert_eq!(lint, "nothing found");

    // A file that exists stays; a new one has another key, and nobody sees it.
    let refused = tollgate.run(&line).failed(1);
    assert_eq!(refused, format!("`{file}` exists: give `--force` to replace it, or `--out`"));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let said = tollgate.run(&[&line[..], &["--force", "--json"]].concat()).json();
    assert_eq!(said["next"][1], format!("tollgate-local --config {file}"));
    let other = fs::read_to_string(&file).unwrap();
    assert_ne!(key(&other), secret);
    assert!(!said.to_string().contains(key(&other)));
}

#[test]
fn what_is_commented_out_loads_too() {
    let (tollgate, folder) = (Tollgate::with([]), tempfile::tempdir().unwrap());
    let file = path(&folder, "tollgate.toml");
    let issuer = ["init", "--issuer", "https://id.example", "--client", "web"];
    let said = tollgate.run(&[&issuer[..], &RULE, &["--out", &file]].concat()).done();
    assert!(said.contains(&format!("tollgate doctor --config {file}  ")), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    insta::assert_snapshot!(text);
    // Settings, and no sentences.
    let setting = |line: &&str| line.starts_with("# [") || line.contains(" = ");
    let all: String = text
        .lines()
        .map(|line| if setting(&line) { line.trim_start_matches("# ") } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(&file, &all).unwrap();
    let check = tollgate.run(&["policy", "check", &file]).done();
    assert!(check.contains("table `tollgate`, by the claim `sub`, plan by `free`"), "{check}");
    assert!(all.contains("\n[revocation]\n") && all.contains("\ngroups_claim = "), "{all}");
}

#[test]
fn keys_make_a_configuration_without_an_issuer() {
    let (tollgate, folder) = (Tollgate::with([]), tempfile::tempdir().unwrap());
    let file = path(&folder, "tollgate.toml");
    let rule = ["init", "--keys", "--scope-rule", "orders/read=GET /orders", "--out", &file];
    let said = tollgate.run(&rule).done();
    assert!(said.contains("0 warnings, 0 notes") && said.contains("tollgate key create"), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("[keys]\ntable = \"tollgate\"\n") && !text.contains("issuer"), "{text}");
    let limited = [&rule[..], &["--default-plan", "free", "--force"]].concat();
    tollgate.run(&limited).done();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nsubject = \"api_key\"\n"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    let check = tollgate.run(&["policy", "check", &file]).done();
    assert!(check.contains("an API key\n") && !check.contains("header"), "{check}");
    assert_eq!(tollgate.run(&["policy", "lint", &file]).done(), "nothing found");
}

#[test]
fn a_key_is_read_from_standard_input_and_not_repeated() {
    let (tollgate, folder) = (Tollgate::with([]), tempfile::tempdir().unwrap());
    let file = path(&folder, "tollgate.toml");
    let flags = ["--default-plan", "free", "--api-key", "-", "--out", &file];
    let line = [&POOL[..], &RULE, &flags].concat();
    let wrong = tollgate.feed(&line, "too-short").failed(2);
    assert!(wrong.contains("`api_key` must have 20 to 128 characters"), "{wrong}");
    assert!(!wrong.contains("too-short") && !fs::exists(&file).unwrap(), "{wrong}");
    let said = tollgate.feed(&line, "a-key-of-an-account-1\n").done();
    assert!(!said.contains("a-key-of-an-account-1"), "{said}");
    assert_eq!(key(&fs::read_to_string(&file).unwrap()), "a-key-of-an-account-1");
}

#[test]
fn what_is_missing_or_wrong_is_named_and_nothing_is_written() {
    let (tollgate, folder) = (Tollgate::with([]), tempfile::tempdir().unwrap());
    let file = path(&folder, "tollgate.toml");
    let failed = |line: &[&str]| {
        let said = tollgate.run(&[line, &["--out", &file]].concat());
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
        assert!(!fs::exists(&file).unwrap());
        said.err
    };
    assert_eq!(
        failed(&["init"]),
        "tollgate: give `--user-pool ID`, `--issuer URL` or `--keys`, and `--client ID`, and `--group-rule \
         'GROUP=GET /path'` or `--scope-rule 'SCOPE=GET /path'`; on a terminal, `tollgate init` \
         asks for them\n"
    );
    assert!(failed(&POOL).starts_with("tollgate: give `--group-rule 'GROUP=GET /path'`"));
    let with = |more: &[&str]| failed(&[&POOL[..], more].concat());
    for (more, said) in [
        (&["--group-rule", "GET /orders"][..], "write a name, `=` and a route"),
        (&["--group-rule", "=GET /orders"], "write a name, `=` and a route"),
        (&["--group-rule", "admins=/orders"], "'--group-rule <GROUP=ROUTE>'"),
        (&["--plan", "gold"], "--default-plan <NAME>"),
        (&["--api-key", "k"], "--default-plan <NAME>"),
        (&["--issuer", "https://id.example"], "cannot be used with"),
        (&["--keys"], "cannot be used with"),
        (&["--token-use", "id", "--scope-rule", "a=GET /x"], "ID tokens have no scopes"),
    ] {
        let found = with(more);
        assert!(found.contains(said), "{more:?}: {found}");
    }
    let pool = ["init", "--user-pool", "elsewhere", "--client", "web"];
    let found = failed(&[&pool[..], &RULE].concat());
    assert!(found.contains("`elsewhere` is not a user pool's id"), "{found}");
    assert!(found.ends_with("; nothing was written\n"), "{found}");
    let nowhere = [&POOL[..], &RULE, &["--out", "/nowhere/tollgate.toml"]].concat();
    assert!(tollgate.run(&nowhere).failed(2).starts_with("can't write `/nowhere/tollgate.toml`: "));
}

#[test]
fn a_terminal_is_asked_for_what_the_flags_leave_out() {
    let (tollgate, folder) = (Tollgate::with([]), tempfile::tempdir().unwrap());
    let file = path(&folder, "tollgate.toml");
    let typed = "us-east-1_abcDEF123\none two\nadmins=orders\nadmins=DELETE /orders\n\n\
                 orders/read=GET /orders\n\nfree\n";
    let (code, asked) = type_to(&tollgate, &["init", "--out", &file], typed);
    assert_eq!(code, 0, "{asked}");
    for question in [
        "Cognito user pool id, or the issuer's URL: ",
        "App client ids, with spaces between them: ",
        "A group and its route, such as admins=ANY /admin/* (Enter to go on): tollgate: ",
        "A scope and its route, such as orders/read=GET /orders (Enter to go on): ",
        "Plan of every caller, such as free (Enter for no limits): ",
    ] {
        assert!(asked.contains(question), "{question}: {asked}");
    }
    let text = fs::read_to_string(&file).unwrap();
    for line in [
        "user_pool = \"us-east-1_abcDEF123\"\n",
        "clients = [\"one\", \"two\"]\n",
        "any_group = [\"admins\"]\nallow = [\"DELETE /orders\"]\n",
        "any_scope = [\"orders/read\"]\nallow = [\"GET /orders\"]\n",
        "plan = { default = \"free\" }\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // A URL is another issuer; an end without answers writes nothing.
    let other = path(&folder, "other.toml");
    let typed = "https://id.example\nweb\nadmins=DELETE /orders\n\n\n\n";
    let (code, asked) = type_to(&tollgate, &["init", "--out", &other], typed);
    assert_eq!(code, 0, "{asked}");
    let text = fs::read_to_string(&other).unwrap();
    assert!(text.contains("\nurl = \"https://id.example\"\n") && text.contains("no limits"));
    let third = path(&folder, "third.toml");
    let (code, asked) = type_to(&tollgate, &["init", "--out", &third], "\n\u{4}");
    assert!(asked.ends_with("tollgate: no answer: nothing was done\n"), "{asked}");
    assert_eq!((code, fs::exists(&third).unwrap()), (1, false));
}
