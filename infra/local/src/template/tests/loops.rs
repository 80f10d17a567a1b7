//! `Fn::ForEach` and the other functions of the language extensions.

use super::*;

const LOOPS: &str = "
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters:
  Names: {Type: CommaDelimitedList, Default: 'orders, line-items'}
  Stages: {Type: CommaDelimitedList, Default: 'v1'}
Mappings: {Sizes: {orders: {memory: 256}}}
Conditions:
  Fn::ForEach::Made: [Name, !Ref Names, {'Is&{Name}': !Equals ['${Name}', orders]}]
Resources:
  Fn::ForEach::Functions:
  - Name
  - !Ref Names
  - 'F&{Name}':
      Type: AWS::Serverless::Function
      Properties:
        Handler: app.handler
        MemorySize: !FindInMap [Sizes, !Ref Name, memory, {DefaultValue: 512}]
        Environment:
          Variables:
            Fn::ForEach::Variables:
            - Variable
            - [A, B]
            - '${Variable}_&{Name}': !Sub '${Name} ${Variable} ${AWS::Region}'
            COUNT: !Length [a, !Ref Name]
        Events:
          Fn::ForEach::Events:
          - Method
          - [get, put]
          - 'On${Method}': {Type: Api, Properties: {Path: '/${Name}', Method: !Ref Method}}
  FOne: {Type: AWS::Serverless::Function, Properties: {}}
  FTwo: {Type: AWS::Serverless::Function, Properties: {}}
  Fn::ForEach::Apis:
  - Kind
  - [One, Two]
  - Fn::ForEach::Inner:
    - Stage
    - !Ref Stages
    - 'Api${Kind}${Stage}':
        Type: AWS::Serverless::HttpApi
        Condition: 'Isorders'
        Properties:
          StageName: !Ref Stage
          DefinitionBody:
            paths:
              /x:
                get:
                  security: [{NONE: []}]
                  x-amazon-apigateway-integration:
                    {type: aws_proxy, uri: !GetAtt [!Sub 'F&{Kind}', Arn], payloadFormatVersion: '2.0'}
Outputs:
  Fn::ForEach::Out: [Name, !ImportValue n, {'Out${Name}': {Value: !Ref Name}}]
";

#[test]
fn loops_are_written_out_in_resources_properties_and_conditions() {
    let template = read_text(LOOPS, &[]).unwrap();
    let names: Vec<&str> = template.apis.iter().map(|api| api.name.as_str()).collect();
    assert_eq!(names, ["ApiOnev1", "ApiTwov1", "ServerlessRestApi"]);
    assert_eq!(template.apis[0].stage, "v1");
    let function = Integration::Function("FOne".to_owned());
    assert_eq!(template.apis[0].routes[0].integration, function);
    let routes: Vec<&str> = template.apis[2].routes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(routes, ["GET /line-items", "GET /orders", "PUT /line-items", "PUT /orders"]);
    let sizes: Vec<Option<u32>> = template.functions.values().map(|one| one.memory_mb).collect();
    assert_eq!(sizes, [None, None, Some(512), Some(256)]);
    let variables = [
        ("A_lineitems", "line-items A us-east-1"),
        ("B_lineitems", "line-items B us-east-1"),
        ("COUNT", "2"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(template.functions["Flineitems"].variables, variables);
    assert!(template.notes.is_empty(), "{:?}", template.notes);

    // A condition that only another item would make.
    let error = read_text(LOOPS, &[("Names", "line-items,x")]).unwrap_err().to_string();
    assert!(
        error.starts_with("ApiOnev1.Condition cannot be evaluated: `Isorders` is not"),
        "{error}"
    );
}

#[test]
fn loops_that_are_wrong_are_named_with_their_place() {
    let error = |resources: &str| {
        let text = format!("Transform: AWS::LanguageExtensions\nResources: {{{resources}}}");
        read_text(&text, &[]).unwrap_err().to_string()
    };
    let fragment = "{'A${N}': {Type: AWS::Serverless::Api}}";
    for (resources, expected) in [
        ("Fn::ForEach::L: [N, [a]]".to_owned(), "`Resources.Fn::ForEach::L` must be a list of an"),
        (
            format!("Fn::ForEach::L: [N, a, {fragment}]"),
            "`Resources.Fn::ForEach::L` has a collection that is not",
        ),
        (
            format!("Fn::ForEach::L: [N, [a, a], {fragment}]"),
            "`Resources.Fn::ForEach::L` makes `Aa` a second time",
        ),
        (
            format!("Fn::ForEach::L: [N, [a], {fragment}], Aa: {{Type: AWS::Serverless::Api}}"),
            "makes `Aa` a second time",
        ),
        (
            "Fn::ForEach::L: [N, [a], {'A${N}': {}, 'A&{N}': {}}]".to_owned(),
            "`Resources.Fn::ForEach::L` makes `Aa` a second time",
        ),
        (
            "Fn::ForEach::L: [N, [a], {A: {'Typ${N}': x, 'Typ&{N}': y}}]".to_owned(),
            "`Resources.Fn::ForEach::L` makes `Typa` a second time",
        ),
        (
            // Ten thousand times a text of a thousand bytes, which is never made.
            format!(
                "Fn::ForEach::L: [N, [{}], {{A: '{}'}}]",
                "x".repeat(1_000),
                "${N}".repeat(10_000)
            ),
            "makes a text of more than 1 MB",
        ),
        (
            format!("Fn::ForEach::L: [N, [a-b], {fragment}]"),
            "makes the name `Aa-b`, which is not alphanumeric: write `&{N}`",
        ),
        (
            format!("Fn::ForEach::L: [N, !ImportValue n, {fragment}]"),
            "Resources.Fn::ForEach::L.collection cannot be evaluated: the export `n`",
        ),
        (
            "A: {Type: AWS::Serverless::Api, Properties: {Fn::ForEach::P: [N, x, {}]}}".to_owned(),
            "`Resources.A.Fn::ForEach::P` has a collection",
        ),
    ] {
        let error = error(&resources);
        assert!(error.contains(expected), "{expected} in {error}");
    }
    let api = "Resources: {A: {Type: AWS::Serverless::Api, Properties: {Fn::ForEach::P: [N, [Name], {'Stage${N}': x}]}}}";
    let template = read_text(api, &[]).unwrap();
    assert_eq!(template.apis[0].stage, "x");
    assert_eq!(template.notes, ["`Fn::ForEach` needs `Transform: AWS::LanguageExtensions` on AWS"]);
}

#[test]
fn loops_are_bounded() {
    let items = |count: usize| (0..count).map(|at| format!("i{at}")).collect::<Vec<_>>().join(",");
    let text = |inner: &str, count: usize| {
        let items = items(count);
        format!(
            "Resources: {{A: {{Type: AWS::Serverless::Api, Properties: {{Fn::ForEach::A: [A, \
             [{items}], {{Fn::ForEach::B: [B, [{items}], {{Fn::ForEach::C: [C, [{items}], \
             {inner}]}}]}}]}}}}}}"
        )
    };
    let error = read_text(&text("{}", 200), &[]).unwrap_err().to_string();
    assert!(
        error.contains("makes more than 16 MB of texts") || error.contains("too many functions"),
        "{error}"
    );
    let inner = format!("{{'${{A}}${{B}}${{C}}': {}}}", "x".repeat(1000));
    let error = read_text(&text(&inner, 40), &[]).unwrap_err().to_string();
    assert!(error.contains("makes more than 16 MB of texts"), "{error}");
}
