//! Gateway responses with values of the request.

use super::*;

const DEFINITION: &str = r#"
openapi: 3.0.1
x-amazon-apigateway-gateway-responses:
  DEFAULT_4XX:
    responseParameters:
      gatewayresponse.header.X-Path: method.request.path.petId
      gatewayresponse.header.X-Query: method.request.querystring.q
      gatewayresponse.header.X-Header: method.request.header.X-In
      gatewayresponse.header.X-Stage: context.stage
      gatewayresponse.header.X-Variable: stageVariables.color
      gatewayresponse.header.X-Body: method.request.body
    responseTemplates:
      application/json: >-
        $context.error.responseType $context.error.messageString $context.httpMethod $context.path
        [$context.resourcePath] $context.identity.sourceIp [$context.identity.user]
        $stageVariables.color $method.request.querystring.q $input.body
paths:
  /pets/{petId}:
    get:
      responses: {'200': {}}
      x-amazon-apigateway-integration:
        type: mock
        passthroughBehavior: never
        responses: {default: {statusCode: '200'}}
"#;

#[tokio::test]
async fn a_gateway_response_knows_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api.yaml");
    std::fs::write(&file, DEFINITION).unwrap();
    let file = file.to_str().unwrap();
    let local = Local::start(&["--template", file, "--stage-variable", "color=blue"]);
    let api = local.ready["api"].as_str().unwrap();
    let answer = async |path: &str| {
        let request = local.http.get(format!("{api}{path}?q=a%20b")).header("x-in", "in");
        let response = request.send().await.unwrap();
        let names = ["x-path", "x-query", "x-header", "x-stage", "x-variable", "x-body"];
        let header = |name| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let headers = names.map(|name| header(name).unwrap_or_default()).join(",");
        (headers, response.text().await.unwrap())
    };
    let found = |headers: &str, body: &str| (headers.to_owned(), body.to_owned());
    assert_eq!(
        answer("/pets/7").await,
        found(
            "7,a b,in,local,blue,",
            "UNSUPPORTED_MEDIA_TYPE \"Unsupported Media Type\" GET /pets/7 [/pets/{petId}] \
             127.0.0.1 [] blue a b $input.body"
        )
    );
    assert_eq!(
        answer("/nowhere").await,
        found(
            ",a b,in,local,blue,",
            "MISSING_AUTHENTICATION_TOKEN \"Missing Authentication Token\" GET /nowhere [] \
             127.0.0.1 [] blue a b $input.body"
        )
    );
    let note = "gateway response `DEFAULT_4XX`: the header `X-Body` is left out: the mapping \
                `method.request.body`: write a text in single quotes";
    assert!(local.notes().contains(note), "{}", local.notes());
}
