use super::*;

fn routes(keys: &[&str]) -> Vec<Route> {
    keys.iter().map(|key| Route::parse(key).unwrap()).collect()
}

fn key(routes: &[Route], method: &Method, path: &str) -> Option<String> {
    Some(Route::find(routes, method, path)?.key)
}

#[test]
fn a_full_match_goes_before_a_greedy_one_and_that_before_the_default() {
    let routes = routes(&[
        "$default",
        "ANY /orders/{proxy+}",
        "GET /orders/{id}",
        "GET /orders/new",
        "ANY /orders/new",
        "GET /orders",
    ]);
    for (method, path, expected) in [
        (Method::GET, "/orders", "GET /orders"),
        (Method::POST, "/orders", "$default"),
        (Method::GET, "/orders/new", "GET /orders/new"),
        (Method::PUT, "/orders/new", "ANY /orders/new"),
        (Method::GET, "/orders/1", "GET /orders/{id}"),
        (Method::PUT, "/orders/1", "ANY /orders/{proxy+}"),
        (Method::GET, "/orders/1/lines", "ANY /orders/{proxy+}"),
        (Method::GET, "/orders/", "$default"),
        (Method::GET, "/", "$default"),
    ] {
        assert_eq!(key(&routes, &method, path).as_deref(), Some(expected), "{method} {path}");
    }
    assert_eq!(key(&routes[1..], &Method::GET, "/elsewhere"), None);
}

#[test]
fn parameters_are_named_and_the_default_routes_take_all() {
    let all = Route::everything();
    assert_eq!(all.len(), 2);
    let matched = Route::find(&all, &Method::PUT, "/a//b/").unwrap();
    assert_eq!(matched.resource, "/{proxy+}");
    assert_eq!(matched.parameters, BTreeMap::from([("proxy".to_owned(), "a//b/".to_owned())]));
    assert_eq!(Route::find(&all, &Method::GET, "/").unwrap().resource, "/");
    let routes = routes(&["GET /u/{a}/o/{b}"]);
    let matched = Route::find(&routes, &Method::GET, "/u/1/o/2").unwrap();
    assert_eq!(matched.parameters.values().collect::<Vec<_>>(), ["1", "2"]);
    for path in ["/a/b", "//a/b", "///a/b/"] {
        assert_eq!(rest_resource(path).parameters["proxy"], "a/b", "{path}");
    }
    assert_eq!(rest_resource("//").resource, "/");
}

#[test]
fn a_rest_api_takes_the_better_route_with_or_without_the_slash_at_the_end() {
    let routes = routes(&["GET /{proxy+}", "GET /admin", "ANY /users/{proxy+}", "GET /{id}/x"]);
    let found = |path: &str| {
        let found = Route::of_request(&routes, Kind::RestToken, &Method::GET, path);
        found.map(|found| found.key).unwrap_or_default()
    };
    for (path, expected) in [
        ("/admin", "GET /admin"),
        ("/admin/", "GET /admin"),
        ("//admin//", "GET /admin"),
        ("/admin/a/", "GET /{proxy+}"),
        ("/users/", "GET /{proxy+}"),
        ("/users//a", "ANY /users/{proxy+}"),
        ("/users/a/", "ANY /users/{proxy+}"),
        ("/a/x/", "GET /{id}/x"),
        ("/", ""),
    ] {
        assert_eq!(found(path), expected, "{path}");
    }
}

/// The results are those that users measured on AWS.
#[test]
fn a_rest_resource_without_the_method_yields_to_a_less_specific_one() {
    let routes = routes(&[
        "ANY /{proxy+}",
        "GET /jobs/{type}",
        "OPTIONS /cors",
        "GET /users/{id}",
        "PATCH /users/me",
    ]);
    let found = |method: Method, path: &str| {
        Route::of_request(&routes, Kind::RestToken, &method, path).map(|found| found.key)
    };
    for (method, path, expected) in [
        (Method::GET, "/jobs/reboot", "GET /jobs/{type}"),
        (Method::POST, "/jobs/reboot", "ANY /{proxy+}"),
        (Method::GET, "/jobs", "ANY /{proxy+}"),
        (Method::GET, "/cors", "ANY /{proxy+}"),
        (Method::PATCH, "/users/me", "PATCH /users/me"),
        (Method::GET, "/users/me", "GET /users/{id}"),
    ] {
        assert_eq!(found(method, path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn a_greedy_parameter_may_begin_with_a_slash() {
    let routes = routes(&["ANY /{proxy+}", "GET /adm/{proxy+}"]);
    for (path, expected) in [
        ("/adm/a", Some("GET /adm/{proxy+}")),
        ("/adm//a", Some("GET /adm/{proxy+}")),
        ("/adm//", Some("GET /adm/{proxy+}")),
        ("/adm/", Some("ANY /{proxy+}")),
        ("//adm/a", Some("ANY /{proxy+}")),
        ("/", None),
    ] {
        assert_eq!(key(&routes, &Method::GET, path).as_deref(), expected, "{path}");
    }
}

#[test]
fn what_is_no_route_is_refused() {
    let long = format!("GET /{}", "a".repeat(MAX_KEY));
    for wrong in [
        "",
        "GET",
        "get /orders",
        "BREW /orders",
        "GET orders",
        "GET /{}",
        "GET /{a",
        "GET /a}",
        "GET /{a+}/b",
        "GET /{a b}",
        "GET /a?b",
        "$connect",
        &long,
    ] {
        assert!(Route::parse(wrong).is_err(), "{wrong}");
    }
}
