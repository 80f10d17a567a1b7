//! Files and values that are too much.

use super::*;

#[test]
fn files_and_values_that_are_too_much_are_refused_with_their_place() {
    let error = |text: &str| read_text(text, &[]).unwrap_err().to_string();
    let conditions = |conditions: &str| {
        error(&format!(
            "Conditions: {{{conditions}}}\nResources: {{A: {{Type: AWS::ApiGateway::RestApi, \
             Condition: C, Properties: {{}}}}}}"
        ))
    };
    let by_itself = "`Conditions.C` is defined by itself";
    assert_eq!(conditions("C: !Condition C"), by_itself);
    assert_eq!(conditions("C: !Not [!Condition D], D: !Or [!Condition C]"), by_itself);
    assert_eq!(conditions("C: !Equals [!If [C, a, b], a]"), by_itself);
    let chain = (0..300).map(|at| format!("C{at}: !Not [!Condition C{}]", at + 1));
    let chain: Vec<String> = chain.collect();
    let deep = conditions(&format!("C: !Condition C0, {}", chain.join(", ")));
    assert_eq!(deep, "`Resources.A` is nested too deep");
    // Each doubles the one after it.
    let twice =
        |at| format!("C{at}: !And [!Not [!Condition C{0}], !Not [!Condition C{0}]]", at + 1);
    let doubled: Vec<String> = (0..40).map(twice).collect();
    let many =
        conditions(&format!("C: !Condition C0, {}, C40: !Equals [a, b]", doubled.join(", ")));
    assert_eq!(many, "`Resources.A` has too many functions to evaluate");

    let named = |value: &str| {
        error(&format!(
            "Resources: {{A: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: {value}}}}}}}"
        ))
    };
    let mut sub = "a".to_owned();
    for _ in 0..20 {
        sub = format!("!Sub ['${{a}}${{a}}${{a}}${{a}}', {{a: {sub}}}]");
    }
    assert_eq!(named(&sub), "`Resources.A` has too many functions to evaluate");
    let mut long = format!("'{}'", "a".repeat(200_000));
    for _ in 0..3 {
        long = format!("!Sub ['${{a}}${{a}}${{a}}', {{a: {long}}}]");
    }
    assert_eq!(named(&long), "`Resources.A` makes a text of more than 1 MB");
    let join = format!("!Join [{}, [{}a]]", "b".repeat(10_000), "a, ".repeat(1000));
    assert_eq!(named(&join), "`Resources.A` makes a text of more than 1 MB");
    // A function's values are left out where they are not known here, but not for this.
    let function = format!(
        "Resources: {{F: {{Type: AWS::Serverless::Function, Properties: {{Policies: {sub}}}}}}}"
    );
    assert_eq!(error(&function), "`Resources.F` has too many functions to evaluate");

    let many: String = (0..100)
        .map(|at| format!("  F{at}: {{Type: AWS::Serverless::Function, Properties: {{}}}}\n"))
        .collect();
    let globals =
        format!("Globals: {{Function: {{A: {}}}}}\nResources:\n{many}", "a".repeat(500_000));
    assert!(error(&globals).ends_with("makes more than 16 MB of texts"), "{}", error(&globals));

    assert!(error("a: &x [1]\nb: *x").contains("has an alias in line 2"));
    let nested = "- ".repeat(400_000);
    assert!(error(&nested).contains("nested too deep in line 1"));
    let large = format!("a: {}", "a".repeat(1024 * 1024));
    assert!(error(&large).ends_with("is larger than 1 MB"));
}

#[test]
fn what_is_not_a_regular_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for file in [Path::new("/dev/zero"), &pipe, folder.path()] {
        let shown = file.display();
        let wrong =
            format!("`{shown}` is not a regular file: write its content to one and name that");
        let (none, given) = (BTreeMap::new(), BTreeMap::new());
        assert_eq!(Template::read(file, &none, &given).unwrap_err().to_string(), wrong);
        assert_eq!(parameters(file).unwrap_err().to_string(), wrong);
        let api = |member: &str| {
            let text = format!(
                "Resources: {{A: {{Type: AWS::Serverless::Api, Properties: {{StageName: a, \
                 {member}}}}}}}"
            );
            read_text(&text, &[]).unwrap()
        };
        let include =
            format!("{{Fn::Transform: {{Name: AWS::Include, Parameters: {{Location: {shown}}}}}}}");
        for template in
            [api(&format!("DefinitionUri: {shown}")), api(&format!("DefinitionBody: {include}"))]
        {
            assert!(template.notes.join("\n").contains(&wrong), "{:?}", template.notes);
            let is_unserved = |route: &Route| matches!(route.integration, Integration::Unserved(_));
            assert!(template.apis[0].routes.iter().all(is_unserved), "{:?}", template.apis);
        }
    }
    let binary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(binary.path(), [0xff, 0xfe]).unwrap();
    assert!(parameters(binary.path()).unwrap_err().to_string().contains("it is not UTF-8"));
}
