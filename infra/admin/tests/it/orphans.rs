//! Parents without a plan, found by the doctor.

use dynoxide::Database;
use serde_json::{Value, json};

use crate::support::{Answer, PLAN, Tollgate, fill, serve_database};

fn with_plan() -> (Tollgate, Database, String) {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    tollgate.feed(&["plan", "put", "user", "-"], PLAN).done();
    (tollgate, database, url)
}

/// An assignment of the plan, within a parent.
fn within(subject: &str, parent: &str) -> Value {
    json!({"pk": format!("SUBJECT#{subject}"), "plan_id": "user", "parent": parent, "version": 1})
}

/// The lines about parents.
fn parents(answer: &Answer) -> String {
    let lines = answer.out.lines().skip_while(|line| !line.contains("  parents  "));
    let lines = lines.take_while(|line| !line.contains("  clock  ")).map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn parents_without_a_plan_are_found_and_fit_80_columns() {
    let (tollgate, database, url) = with_plan();
    let long = format!("team-{}", "x".repeat(70));
    fill(
        &database,
        [
            within("maria", "acme"),
            within("paul", "acme"),
            within("zoe", "team"),
            json!({"pk": "SUBJECT#team", "parent": "globex", "version": 1}),
            json!({"pk": "SUBJECT#globex", "plan_id": "user", "version": 1}),
            within("tom", "everyone"),
            within("ann", &long),
            within("own", "own"),
        ],
    );
    let found = tollgate.run(&["doctor", "--endpoint-url", &url]);
    assert_eq!(found.code, 1);
    let said = parents(&found).replace(&url, "http://127.0.0.1:45678");
    insta::assert_snapshot!(said, @r"
    fail  parents        the parent `acme` has no assignment, and so no plan:
                         requests of 2 subjects within it get 403
          fix: tollgate subject assign acme PLAN --yes \
               --endpoint-url http://127.0.0.1:45678
    warn  parents        the parent `everyone` has no assignment, and so no plan:
                         requests of 1 subject within it get 403, unless `parents`
                         in the configuration has a plan for it
          fix: tollgate subject assign everyone PLAN --yes \
               --endpoint-url http://127.0.0.1:45678
    fail  parents        the parent `team` is assigned no plan: requests of 1
                         subject within it get 403
          fix: tollgate subject assign team PLAN --yes \
               --endpoint-url http://127.0.0.1:45678
    fail  parents        the parent
                         `team-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                         xxxxxxxxxxxxxxxxx` has no assignment, and so no plan:
                         requests of 1 subject within it get 403
          fix: tollgate subject assign team-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx PLAN \
               --yes --endpoint-url http://127.0.0.1:45678
    fail  parents        the assignment of `own` is damaged: delete it, and assign
                         it again
          fix: tollgate subject unassign own --endpoint-url http://127.0.0.1:45678
    ");
    // A word of a command is never broken.
    let mut lines = found.out.lines().filter(|line| !line.contains("fix: "));
    assert!(lines.all(|line| line.chars().count() <= 80), "{}", found.out);
    // With plans they are as they should be.
    for parent in ["acme", "team", "everyone", &long] {
        tollgate.run(&["subject", "assign", parent, "user", "--yes"]).done();
    }
    tollgate.run(&["subject", "unassign", "own"]).done();
    let found = tollgate.run(&["doctor"]);
    assert_eq!(found.code, 0, "{}", found.out);
    insta::assert_snapshot!(parents(&found), @r"
    ok    parents        6 subjects within a parent, in at most four levels, each
                         with a plan; 10 assignments read
    ");
}

#[test]
fn many_parents_are_counted_and_read_within_bounds() {
    let (tollgate, database, _) = with_plan();
    let filler = "x".repeat(390_000);
    // This database scans by the names of items: these come last.
    let fillers = (0..40).map(|at| json!({"pk": format!("Z#{at:02}"), "filler": filler}));
    fill(&database, fillers);
    fill(&database, (0..150).map(|at| within(&format!("user-{at:03}"), &format!("team-{at:03}"))));
    let found = parents(&tollgate.run(&["doctor"]));
    assert_eq!(found.matches(" has no assignment").count(), 10, "{found}");
    let (_, rest) = found.split_once("`team-009`").unwrap();
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(rest.contains("90 more parents have no plan"), "{rest}");
    let reads = "50 more parents were not found; 150 assignments read, in the first 10 MB of the \
                 table, and 100 parents beyond them";
    assert!(rest.contains(reads), "{rest}");
}
