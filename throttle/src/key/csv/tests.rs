//! Files of keys, as API Gateway's guide shows them and as they may go wrong.

use proptest::prelude::*;

use super::*;

const ONE: &str = "apikey1234abcdefghij0123456789";
const TWO: &str = "apikey9876abcdefghij0123456789";

fn read(file: &str) -> Vec<ImportedKey> {
    Key::read_csv(file).unwrap()
}

fn refused(file: &str) -> Vec<String> {
    Key::read_csv(file).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn every_column_is_read() {
    let keys = read(&format!(
        "Name,key,description,Enabled,usageplanIds\nfirst,{ONE},An imported key,FALSE,c7y23b\n"
    ));
    assert_eq!(keys.len(), 1);
    let (key, details) = (&keys[0].key, &keys[0].details);
    assert_eq!(key.expose(), ONE);
    assert_eq!(keys[0].line, 2);
    assert_eq!(details.name(), Some("first"));
    assert_eq!(details.description(), Some("An imported key"));
    assert!(!details.enabled());
    assert_eq!(details.plan().unwrap().as_str(), "c7y23b");
    assert_eq!(details.subject(), &key.digest().subject());
}

#[test]
fn columns_come_in_any_order_and_case_and_others_are_ignored() {
    let keys = read(&format!("\u{feff}COLOUR,Key , nAmE\r\nred,{ONE},first\r\n\r\nblue,{TWO},\n"));
    assert_eq!((keys[0].details.name(), keys[1].details.name()), (Some("first"), None));
    assert!(keys[0].details.enabled());
    assert_eq!(keys[0].details.plan(), None);
    assert_eq!(keys[1].key.expose(), TWO);
}

#[test]
fn quotes_are_single_or_double_and_keep_commas() {
    let keys = read(&format!("Name,Key,Description\n\"a, \"\"b\"\"\", '{ONE}' ,'it''s'"));
    assert_eq!(keys[0].details.name(), Some("a, \"b\""));
    assert_eq!(keys[0].details.description(), Some("it's"));
    assert_eq!(read("Name,Key\n").len(), 0);
}

#[test]
fn every_wrong_line_is_named() {
    let errors = refused(&format!(
        "Name,Key,Enabled,UsagePlanIds\n\
         a,{ONE},maybe,\n\
         b,short,,\n\
         \n\
         c,{ONE}\n\
         d,{ONE},true,\"p1,p2\"\n\
         e,{ONE}é,,\n\
         f\u{7},{ONE},,\n\
         g,{TWO},,\n\
         h,{TWO},,\n"
    ));
    assert_eq!(
        errors,
        [
            "line 2: `Enabled` must be `true` or `false`",
            "line 3: `Key` has 5 characters: a key has 20 to 128",
            "line 5: has 2 fields, and the first line has 4",
            "line 6: `UsagePlanIds` names more than one plan: keep one, and assign its subject the quotas of both",
            "line 7: `Key` holds a character that no header carries: use letters, digits and signs of ASCII",
            "line 8: `Name` holds a control character: use printable text",
            "line 10: `Key` is the key of line 9 too: keep one",
        ]
    );
    assert!(errors.iter().all(|error| !error.contains("apikey")));
}

#[test]
fn what_is_no_such_file_is_refused() {
    assert_eq!(refused(""), ["line 1: `Name` is missing: name it in the first line"]);
    assert_eq!(refused("Name,Schlüssel"), ["line 1: `Key` is missing: name it in the first line"]);
    assert_eq!(refused("Name,Key,KEY"), ["line 1: `Key` is there twice: keep one"]);
    for open in ["Name,Key\na,b\n\"c,d\n", "Name,Key\na,b\n\"c\"x,d\n", "Name,Key\na,b\nc,'"] {
        assert_eq!(refused(open), ["line 3: has a quote that isn't closed, or text beside it"]);
    }
    let binary = Key::read_csv(b"Name,Key\n\xff").unwrap_err();
    assert_eq!((binary[0].line(), binary[0].problem()), (2, &ImportProblem::Encoding));
    let long = Key::read_csv(vec![b'x'; MAX_BYTES + 1]).unwrap_err();
    assert_eq!(long[0].problem(), &ImportProblem::TooLong);
    let many = format!("Name,Key\n{}", "a,b\n".repeat(1_000));
    assert_eq!(refused(&many).len(), MAX_ERRORS);
}

#[test]
fn lines_are_counted_within_quotes_too() {
    let errors = refused(&format!("Name,Key\n\"a\n\nb\",{ONE}\nc,short\n"));
    assert_eq!(errors[1], "line 5: `Key` has 5 characters: a key has 20 to 128");
}

proptest! {
    #[test]
    fn no_file_ends_the_process(file in "(Name|Key|[,\"'\n\r a]|[a-z]{20}|.){0,60}") {
        let _ = Key::read_csv(file);
    }

    #[test]
    fn whatever_is_quoted_reads_back(name in "[ -~]{1,40}") {
        let file = format!("Name,Key\n\"{}\",{ONE}", name.replace('"', "\"\""));
        let name = Some(name.trim()).filter(|name| !name.is_empty());
        let keys = read(&file);
        prop_assert_eq!(keys[0].details.name(), name);
    }
}
