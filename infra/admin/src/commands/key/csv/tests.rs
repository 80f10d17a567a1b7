//! Files of keys, as API Gateway's guide shows them and as they may go wrong.

use proptest::prelude::*;

use super::*;

const ONE: &str = "apikey1234abcdefghij0123456789";
const TWO: &str = "apikey9876abcdefghij0123456789";

fn read(file: &str) -> Vec<ImportedKey> {
    let imported = read_csv(file).unwrap();
    assert_eq!(imported.errors, []);
    imported.keys
}

/// The wrong rows, and the lines of the keys that are read.
fn partly(file: impl AsRef<[u8]>) -> (Vec<String>, Vec<usize>) {
    let imported = read_csv(file).unwrap();
    let errors = imported.errors.iter().map(ToString::to_string).collect();
    (errors, imported.keys.iter().map(|key| key.line).collect())
}

fn not_a_file_of_keys(file: &str) -> String {
    read_csv(file).unwrap_err().to_string()
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
    assert_eq!(details.name.as_deref(), Some("first"));
    assert_eq!(details.description.as_deref(), Some("An imported key"));
    assert!(!details.enabled);
    assert_eq!(details.plan().unwrap(), "c7y23b");
    assert_eq!(details.subject, key.digest().subject());
}

#[test]
fn columns_come_in_any_order_and_case_and_others_are_ignored() {
    let keys = read(&format!("\u{feff}COLOUR,Key , nAmE\r\nred,{ONE},first\r\n\r\nblue,{TWO},\n"));
    assert_eq!(
        (keys[0].details.name.as_deref(), keys[1].details.name.as_deref()),
        (Some("first"), None)
    );
    assert!(keys[0].details.enabled);
    assert_eq!(keys[0].details.plan(), None);
    assert_eq!(keys[1].key.expose(), TWO);
}

#[test]
fn quotes_are_single_or_double_and_keep_commas() {
    let keys = read(&format!("Name,Key,Description\n\"a, \"\"b\"\"\", '{ONE}' ,'it''s'"));
    assert_eq!(keys[0].details.name.as_deref(), Some("a, \"b\""));
    assert_eq!(keys[0].details.description.as_deref(), Some("it's"));
    // As API Gateway's documentation quotes several plans.
    let keys = read(&format!("Name,Key,UsagePlanIds\na,{ONE},'c7y23b,glvrsr'"));
    let plans: Vec<_> = keys[0].plans.iter().map(PlanId::as_str).collect();
    assert_eq!(plans, ["c7y23b", "glvrsr"]);
    assert_eq!(read("Name,Key\n").len(), 0);
}

#[test]
fn every_wrong_line_is_named() {
    let (errors, lines) = partly(format!(
        "Name,Key,Enabled,UsagePlanIds\n\
         a,{ONE},maybe,\n\
         b,short,,\n\
         \n\
         c,{ONE}\n\
         d,{ONE},true,\"p1,p\u{7}2\"\n\
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
            "line 6: `UsagePlanIds` holds a control character: use printable text",
            "line 7: `Key` holds a character that no header carries: use letters, digits and signs of ASCII",
            "line 8: `Name` holds a control character: use printable text",
            "line 10: `Key` is the key of line 9 too, with other details: keep one",
        ]
    );
    assert_eq!(lines, [9]);
    assert!(errors.iter().all(|error| !error.contains("apikey")));
}

#[test]
fn a_file_that_is_not_one_of_keys_is_refused() {
    let missing = "line 1: `Name` is missing: name it in the first line";
    assert_eq!(not_a_file_of_keys(""), missing);
    assert_eq!(
        not_a_file_of_keys("Name,Schlüssel"),
        "line 1: `Key` is missing: name it in the first line"
    );
    assert_eq!(not_a_file_of_keys("Name,Key,KEY"), "line 1: `Key` is a duplicate: keep one");
    let header = not_a_file_of_keys("Name,\"Key\nfirst,x\n");
    assert!(header.starts_with("line 1: has a quote that is not closed"), "{header}");
    for file in [&b"\xff\xfeN\0a\0"[..], b"\xfe\xff\0N\0a", b"Name,Key,\xff\n"] {
        assert_eq!(read_csv(file).unwrap_err().problem, ImportProblem::Encoding);
    }
    let long = read_csv(vec![b'x'; MAX_BYTES + 1]).unwrap_err();
    assert_eq!(long.problem, ImportProblem::TooLong);
}

#[test]
fn a_wrong_row_spoils_no_other() {
    let quote = "line 2: has a quote that is not closed, or text before or after it: double a quote within a field";
    for wrong in ["\"c,d", "\"c\"x,d", "c,'", "c,\"d\" e"] {
        let file = format!("Name,Key\n{wrong}\na,{ONE}\n\"b, \"\"c\"\"\",{TWO}\n");
        assert_eq!(partly(file), (vec![quote.to_owned()], vec![3, 4]), "{wrong}");
    }
    // The quote is closed by one further down: the rows between them are still read.
    let file = format!("Name,Key\n\"c,d\na,{ONE}\n\"b\",{TWO}\n");
    assert_eq!(partly(file), (vec![quote.to_owned()], vec![3, 4]));

    let mut latin = format!("Name,Key\na,{ONE}\n").into_bytes();
    latin.extend_from_slice(b"Andr\xe9,apikey5555abcdefghij0123456789\n");
    latin.extend_from_slice(format!("b,{TWO}\n").as_bytes());
    let wrong = "line 3: is not UTF-8 text: save the file as UTF-8".to_owned();
    assert_eq!(partly(latin), (vec![wrong], vec![2, 4]));

    let many = format!("Name,Key\n{}a,{ONE}\n", "a,b\n".repeat(1_000));
    let (errors, lines) = partly(many);
    assert_eq!((errors.len(), lines), (1_000, vec![1_002]), "each is named");
}

#[test]
fn empty_fields_that_a_spreadsheet_adds_are_ignored() {
    let keys = read(&format!("Name,Key,,\na,{ONE},,\n,,,\n\nb,{TWO},,,,,\n"));
    assert_eq!(keys.iter().map(|key| key.line).collect::<Vec<_>>(), [2, 5]);
    let (errors, _) = partly(format!("Name,Key\na,{ONE},,x\n"));
    assert_eq!(errors, ["line 2: has 4 fields, and the first line has 2"]);
}

#[test]
fn a_list_of_plans_has_each_once() {
    let plans = |list: &str| {
        let keys = read(&format!("Name,Key,UsagePlanIds\na,{ONE},\"{list}\"\n"));
        let ids = keys[0].plans.iter().map(ToString::to_string).collect::<Vec<_>>();
        (ids.join("|"), keys[0].details.plan().map(str::to_owned))
    };
    let one = ("c7y23b".to_owned(), Some("c7y23b".to_owned()));
    for list in ["c7y23b", "c7y23b,c7y23b", "c7y23b,", ",c7y23b", " c7y23b , ,c7y23b"] {
        assert_eq!(plans(list), one, "{list}");
    }
    for list in ["", ",", " , "] {
        assert_eq!(plans(list), (String::new(), None), "{list}");
    }
    // Of several, somebody else has to say which counts.
    for list in ["c7y23b,n371pt", "c7y23b,n371pt,,c7y23b"] {
        assert_eq!(plans(list), ("c7y23b|n371pt".to_owned(), None), "{list}");
    }
}

#[test]
fn the_same_row_again_is_one_key() {
    let row = format!("a,{ONE},\"p,q\"\n");
    assert_eq!(read(&format!("Name,Key,UsagePlanIds\n{row}{row}")).len(), 1);
    let (errors, lines) =
        partly(format!("Name,Key,UsagePlanIds\n{row}a,{ONE},\"q,p\"\na,{ONE},\n"));
    assert_eq!((errors.len(), lines), (2, vec![2]));
}

#[test]
fn lines_are_counted_within_quotes_too() {
    let (errors, _) = partly(format!("Name,Key\n\"a\n\nb\",{ONE}\nc,short\n"));
    assert_eq!(errors[1], "line 5: `Key` has 5 characters: a key has 20 to 128");
}

proptest! {
    #[test]
    fn no_file_ends_the_process(file in "(Name|Key|[,\"'\n\r a]|[a-z]{20}|.){0,60}") {
        let _ = read_csv(file);
    }

    #[test]
    fn whatever_is_quoted_reads_back(name in "[ -~]{1,40}") {
        let file = format!("Name,Key\n\"{}\",{ONE}", name.replace('"', "\"\""));
        let name = Some(name.trim()).filter(|name| !name.is_empty());
        let keys = read(&file);
        prop_assert_eq!(keys[0].details.name.as_deref(), name);
    }
}
