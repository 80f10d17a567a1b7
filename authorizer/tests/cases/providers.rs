//! The configurations of `PROVIDERS.md`, each with a token of its provider's shape.
//!
//! Header and claims are those that the providers document, with names of nobody. The keys are made
//! here, so that nothing but the configuration decides.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::iam::{Outcome, Policy, Request};
use serde_json::{Value, json};
use throttle::{ManualClock, MemoryStore, Timestamp};
use tollgate_authorizer::{Authorizer, Config, Failure};

const NOW: u64 = 1_800_000_000;
const TID: &str = "11111111-2222-3333-4444-555555555555";

static RSA: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());
static EC: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The published keys; `issuer` is the member that Entra ID adds.
fn keys(issuer: Option<&str>) -> Value {
    let public = RSA.public_key();
    let point = EC.public_key().as_ref();
    let mut rsa = json!({
        "kty": "RSA", "use": "sig", "kid": "rsa",
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()),
    });
    if let Some(issuer) = issuer {
        rsa["issuer"] = issuer.into();
    }
    let ec = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": "ec",
        "x": encode(&point[1..33]), "y": encode(&point[33..]),
    });
    json!({ "keys": [rsa, ec] })
}

fn sign(header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let random = SystemRandom::new();
    let signature = if header["alg"] == "ES256" {
        EC.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec()
    } else {
        let mut signature = vec![0; RSA.public_modulus_len()];
        RSA.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        signature
    };
    format!("{signed}.{}", encode(signature))
}

/// The configuration below this heading of `PROVIDERS.md`.
fn recipe(heading: &str) -> &'static str {
    let page = include_str!("../../PROVIDERS.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
}

/// A provider's token, and what is to come of it.
struct Provider {
    heading: &'static str,
    header: Value,
    /// Without `exp`, `iat` and `nbf`, which every token here gets.
    claims: Value,
    /// The path that it may call.
    path: &'static str,
    principal: &'static str,
    /// Claims each of which alone makes the token invalid.
    unauthorized: Value,
    /// Claims each of which alone leaves the token without the right to call.
    forbidden: Value,
    /// The `issuer` of the published key.
    key_issuer: Option<&'static str>,
    /// The cookie that carries the token instead of `Authorization`.
    cookie: Option<&'static str>,
}

impl Provider {
    fn of(heading: &'static str, claims: Value) -> Self {
        Self {
            heading,
            header: json!({"typ": "JWT", "alg": "RS256", "kid": "rsa"}),
            claims,
            path: "/orders/1",
            principal: "",
            unauthorized: json!({}),
            forbidden: json!({}),
            key_issuer: None,
            cookie: None,
        }
    }

    /// The answer to a token with one claim changed.
    async fn answer(&self, change: Option<(&String, &Value)>) -> Result<Value, Failure> {
        let mut claims = self.claims.clone();
        for (name, time) in [("exp", NOW + 600), ("iat", NOW - 5), ("nbf", NOW - 5)] {
            claims[name] = time.into();
        }
        if let Some((name, value)) = change {
            claims[name.as_str()] = value.clone();
        }
        let set = keys(self.key_issuer).to_string();
        let text = recipe(self.heading);
        let text = text.replacen("[[issuer]]\n", &format!("[[issuer]]\njwks = '{set}'\n"), 1);
        let config = Config::parse(&text, self.heading).unwrap();
        let clock = ManualClock::at(Timestamp::from_secs(NOW));
        let authorizer = Authorizer::new(config, None::<MemoryStore>, clock).unwrap();
        let token = sign(&self.header, &claims);
        let headers = match self.cookie {
            Some(cookie) => json!({"Cookie": format!("theme=dark; {cookie}={token}")}),
            None => json!({"Authorization": format!("Bearer {token}")}),
        };
        let event = json!({
            "type": "REQUEST", "methodArn": arn(self.path), "headers": headers,
            "resource": "/{proxy+}", "httpMethod": "GET",
        });
        let answer = authorizer.handle(&event, "request").await?;
        Ok(serde_json::to_value(answer).unwrap())
    }

    async fn check(&self) {
        let answer = self.answer(None).await;
        assert!(answer.is_ok(), "{}: {answer:?}", self.heading);
        let answer = answer.unwrap();
        assert!(allows(&answer, self.path), "{}: {answer}", self.heading);
        assert_eq!(answer["principalId"], self.principal, "{}", self.heading);
        for change in self.unauthorized.as_object().unwrap() {
            let answer = self.answer(Some(change)).await;
            assert_eq!(answer, Err(Failure::Unauthorized), "{}: {change:?}", self.heading);
        }
        for change in self.forbidden.as_object().unwrap() {
            let answer = self.answer(Some(change)).await.unwrap();
            assert!(!allows(&answer, self.path), "{}: {change:?}", self.heading);
        }
    }
}

fn arn(path: &str) -> String {
    format!("arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET{path}")
}

fn allows(answer: &Value, path: &str) -> bool {
    let policy: Policy = serde_json::from_value(answer["policyDocument"].clone()).unwrap();
    policy.evaluate(&Request::new(&arn(path))) == Outcome::Allow
}

#[tokio::test]
async fn cognito() {
    Provider {
        header: json!({"alg": "RS256", "kid": "rsa"}),
        principal: "a1b2c3d4",
        unauthorized: json!({"client_id": "other", "token_use": "id", "iss": "https://id.example"}),
        forbidden: json!({"scope": "orders/write"}),
        ..Provider::of(
            "Cognito",
            json!({
                "sub": "a1b2c3d4", "cognito:groups": ["staff"], "version": 2, "jti": "j",
                "iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123",
                "client_id": "1example23456789", "origin_jti": "o", "token_use": "access",
                "scope": "openid orders/read", "auth_time": NOW - 60, "username": "maria",
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn entra_v2() {
    let iss = format!("https://login.microsoftonline.com/{TID}/v2.0");
    let other = TID.replace('1', "9");
    Provider {
        header: json!({"typ": "JWT", "alg": "RS256", "kid": "rsa"}),
        principal: "00000000-0000-0000-66f3-3332eca7ea81",
        unauthorized: json!({
            "aud": "other", "tid": other, "iss": iss.replace('1', "9"),
            "oid": 1, "azp": ["a", "b"],
        }),
        forbidden: json!({"roles": ["Orders.Reader"], "_claim_names": {"roles": "src1"}}),
        key_issuer: Some("https://login.microsoftonline.com/{tenantid}/v2.0"),
        ..Provider::of(
            "Entra ID, v2 tokens",
            json!({
                "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "iss": iss, "ver": "2.0",
                "azp": "8f4e1ca5-6b16-4ec1-9a3a-0c6a1d9f9b7b", "azpacr": "1", "tid": TID,
                "oid": "00000000-0000-0000-66f3-3332eca7ea81", "roles": ["Orders.Admin"],
                "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "uti": "u", "rh": "r",
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn entra_v1() {
    Provider {
        header: json!({"typ": "JWT", "alg": "RS256", "kid": "rsa", "x5t": "rsa"}),
        principal: "00000000-0000-0000-66f3-3332eca7ea81",
        unauthorized: json!({
            "aud": "api://other", "iss": format!("https://sts.windows.net/{TID}"),
            "tid": TID.to_uppercase().replace('1', "A"),
        }),
        forbidden: json!({"scp": "orders.write"}),
        ..Provider::of(
            "Entra ID, v1 tokens",
            json!({
                "aud": "api://orders", "iss": format!("https://sts.windows.net/{TID}/"),
                "appid": "8f4e1ca5-6b16-4ec1-9a3a-0c6a1d9f9b7b", "appidacr": "0", "acr": "1",
                "oid": "00000000-0000-0000-66f3-3332eca7ea81", "scp": "orders.read profile",
                "sub": "HKZpfaHyWadeOouYlitjrI", "tid": TID, "upn": "maria@example.com",
                "unique_name": "maria@example.com", "amr": ["pwd"], "ver": "1.0",
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn okta() {
    Provider {
        header: json!({"alg": "RS256", "kid": "rsa"}),
        principal: "00uixa271s6x7qt8I0h7",
        unauthorized: json!({"aud": "api://other", "cid": "", "uid": 1}),
        forbidden: json!({"scp": ["openid"]}),
        ..Provider::of(
            "Okta",
            json!({
                "ver": 1, "jti": "AT.example", "iss": "https://example.okta.com/oauth2/default",
                "aud": "api://default", "cid": "0oaosna3ilNxgPTmk0h7",
                "uid": "00uixa271s6x7qt8I0h7", "scp": ["openid", "orders.read"],
                "auth_time": NOW - 60, "sub": "maria@example.com", "groups": ["Everyone"],
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn auth0() {
    Provider {
        principal: "auth0|123456",
        unauthorized: json!({
            "aud": ["https://example.us.auth0.com/userinfo"],
            "iss": "https://example.us.auth0.com",
        }),
        forbidden: json!({"permissions": ["write:orders"]}),
        ..Provider::of(
            "Auth0",
            json!({
                "iss": "https://example.us.auth0.com/", "sub": "auth0|123456",
                "aud": ["https://api.example.com", "https://example.us.auth0.com/userinfo"],
                "azp": "my_client_id", "scope": "openid profile",
                "permissions": ["read:orders"],
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn keycloak() {
    let provider = Provider {
        principal: "36fa0f91-f94d-4a0c-afed-6b7d952e47da",
        unauthorized: json!({"aud": "account", "azp": ["web"]}),
        forbidden: json!({
            "realm_access": {"roles": ["offline_access"]},
            "resource_access": {"account": {"roles": ["viewer"]}},
        }),
        ..Provider::of(
            "Keycloak",
            json!({
                "jti": "j", "iss": "https://keycloak.example/realms/shop", "typ": "Bearer",
                "aud": ["orders-api", "account"], "azp": "web", "session_state": "s", "acr": "1",
                "sub": "36fa0f91-f94d-4a0c-afed-6b7d952e47da", "scope": "email profile",
                "realm_access": {"roles": ["offline_access", "admin"]},
                "resource_access": {
                    "orders-api": {"roles": ["viewer"]},
                    "account": {"roles": ["view-profile"]},
                },
                "preferred_username": "maria",
            }),
        )
    };
    provider.check().await;
    let answer = provider.answer(None).await.unwrap();
    assert_eq!(answer["context"]["roles"], r#"["viewer"]"#);
    for odd in [json!("admin"), json!(["admin"]), json!({"roles": {"admin": true}}), json!(1)] {
        let answer = provider.answer(Some((&"realm_access".to_owned(), &odd))).await.unwrap();
        assert!(!allows(&answer, provider.path), "{odd}");
    }
}

#[tokio::test]
async fn google() {
    Provider {
        principal: "110169484474386276334",
        unauthorized: json!({
            "aud": "other.apps.googleusercontent.com", "email_verified": false,
            "iss": "accounts.google.com",
        }),
        forbidden: json!({"hd": "example.org"}),
        ..Provider::of(
            "Google",
            json!({
                "iss": "https://accounts.google.com", "sub": "110169484474386276334",
                "azp": "123456-abc.apps.googleusercontent.com",
                "aud": "123456-abc.apps.googleusercontent.com", "hd": "example.com",
                "email": "maria@example.com", "email_verified": true, "at_hash": "h",
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn firebase() {
    Provider {
        principal: "uid1",
        unauthorized: json!({
            "aud": "other-project", "firebase": {"sign_in_provider": "anonymous"},
            "iss": "https://securetoken.google.com/other-project",
        }),
        forbidden: json!({"admin": false}),
        ..Provider::of(
            "Firebase",
            json!({
                "iss": "https://securetoken.google.com/example-project", "admin": true,
                "aud": "example-project", "auth_time": NOW - 60, "user_id": "uid1", "sub": "uid1",
                "email": "maria@example.com", "email_verified": true,
                "firebase": {
                    "identities": {"email": ["maria@example.com"]},
                    "sign_in_provider": "password",
                },
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn clerk() {
    let claims = json!({
        "azp": "https://app.example.com", "fva": [0, -1], "iss": "https://clerk.example.com",
        "jti": "j", "sid": "sess_1", "sub": "user_1", "v": 2, "sts": "active",
        "o": {"id": "org_1", "rol": "admin", "slg": "shop"},
    });
    for cookie in [None, Some("__session")] {
        Provider {
            header: json!({"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": "rsa", "typ": "JWT"}),
            path: "/orgs/org_1/orders",
            principal: "user_1",
            unauthorized: json!({"azp": "https://evil.example"}),
            forbidden: json!({"o": {"id": "org_2", "rol": "admin"}}),
            cookie,
            ..Provider::of("Clerk", claims.clone())
        }
        .check()
        .await;
    }
}

#[tokio::test]
async fn supabase() {
    Provider {
        header: json!({"alg": "ES256", "kid": "ec", "typ": "JWT"}),
        principal: "123e4567-e89b-12d3-a456-426614174000",
        unauthorized: json!({"aud": "anon", "iss": "https://other.supabase.co/auth/v1"}),
        forbidden: json!({"app_metadata": {"provider": "email"}}),
        ..Provider::of(
            "Supabase",
            json!({
                "iss": "https://exampleref.supabase.co/auth/v1", "aud": "authenticated",
                "sub": "123e4567-e89b-12d3-a456-426614174000", "email": "maria@example.com",
                "phone": "", "role": "authenticated", "aal": "aal1", "session_id": "s",
                "amr": [{"method": "password", "timestamp": NOW - 60}], "is_anonymous": false,
                "app_metadata": {"provider": "email", "roles": ["editor"]},
                "user_metadata": {"roles": ["owner"]},
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn github() {
    Provider {
        header: json!({"typ": "JWT", "alg": "RS256", "x5t": "rsa", "kid": "rsa"}),
        principal: "octo-org/octo-repo",
        unauthorized: json!({"aud": "https://github.com/octo-org", "repository": null}),
        forbidden: json!({"ref": "refs/heads/feature", "repository_owner_id": "66"}),
        ..Provider::of(
            "GitHub Actions",
            json!({
                "jti": "j", "sub": "repo:octo-org/octo-repo:environment:prod",
                "aud": "https://api.example.com", "ref": "refs/heads/main", "sha": "0000",
                "repository": "octo-org/octo-repo", "repository_owner": "octo-org",
                "actor_id": "12", "repository_id": "74", "repository_owner_id": "65",
                "run_id": "1", "run_number": "10", "run_attempt": "2", "actor": "octocat",
                "workflow": "deploy", "head_ref": "", "base_ref": "", "ref_type": "branch",
                "event_name": "push", "environment": "prod",
                "job_workflow_ref": "octo-org/octo-repo/.github/workflows/d.yml@refs/heads/main",
                "iss": "https://token.actions.githubusercontent.com",
            }),
        )
    }
    .check()
    .await;
}

#[tokio::test]
async fn kubernetes() {
    let inside = |namespace: &str, account: &str| {
        json!({
            "namespace": namespace, "pod": {"name": "orders-0", "uid": "p"},
            "serviceaccount": {"name": account, "uid": "s"},
        })
    };
    let provider = Provider {
        header: json!({"alg": "RS256", "kid": "rsa"}),
        path: "/namespaces/shop/orders",
        principal: "system:serviceaccount:shop:orders",
        unauthorized: json!({"aud": ["https://kubernetes.default.svc"], "exp": null}),
        ..Provider::of(
            "Kubernetes service accounts",
            json!({
                "aud": ["https://api.example.com"], "jti": "j",
                "iss": "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE",
                "kubernetes.io": inside("shop", "orders"),
                "sub": "system:serviceaccount:shop:orders",
            }),
        )
    };
    provider.check().await;
    for odd in [inside("other", "orders"), inside("shop", "other"), json!("shop"), json!(["shop"])]
    {
        let answer = provider.answer(Some((&"kubernetes.io".to_owned(), &odd))).await.unwrap();
        assert!(!allows(&answer, provider.path), "{odd}");
    }
}

#[test]
fn every_provider_of_the_page_has_a_test() {
    let page = include_str!("../../PROVIDERS.md");
    let rows = page.lines().filter(|line| line.starts_with("| ["));
    let tests: Vec<&str> = rows.map(|row| row.rsplit('`').nth(1).unwrap()).collect();
    let source = include_str!("providers.rs");
    assert_eq!(tests.len(), page.matches("\n## ").count());
    for test in tests {
        assert!(source.contains(&format!("async fn {test}() {{")), "{test}");
    }
}
