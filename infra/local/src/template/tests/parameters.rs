//! Files of parameters, and the values that a parameter allows.

use super::*;

#[test]
fn parameters_are_read_from_both_forms_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.yaml");
    for text in [
        "A: 1\nB: x",
        r#"[{"ParameterKey": "A", "ParameterValue": "1"},
        {"ParameterKey": "B", "ParameterValue": "x"}]"#,
    ] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(parameters(&file).unwrap(), given(&[("A", "1"), ("B", "x")]));
    }
    std::fs::write(&file, "text").unwrap();
    assert!(parameters(&file).is_err());
}

#[test]
fn a_parameter_has_an_allowed_value_and_an_unknown_one_is_named() {
    let text = "
Parameters:
  Color: {Type: String, Default: red, AllowedValues: [red, blue]}
Resources:
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: !Ref Color}}
";
    assert!(read_text(text, &[("Color", "blue")]).is_ok());
    let error = |given: &[(&str, &str)]| read_text(text, given).unwrap_err().to_string();
    assert_eq!(error(&[("Color", "green")]), "parameter `Color` must be one of `red`, `blue`");
    let notes = read_text(text, &[("Colour", "blue")]).unwrap().notes;
    assert_eq!(notes, ["the template has no parameter `Colour`: CloudFormation refuses it"]);
}
