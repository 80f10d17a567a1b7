//! Wrong configurations: the exact message of each mistake, and its line.

use super::*;

const GOOD: &str = r#"[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = ["client1"]
token_use = "access"

[[rule]]
name = "readers"
allow = [
  "GET /orders",
  "GET /orders/*",
]
any_scope = ["orders/read"]

[throttle]
table = "tollgate"
subject = "client_id"
plan = { claim = "plan", default = "free" }
refuse = "unknown-key"
api_key = "a-key-of-twenty-chars"
failure = "closed"
"#;

/// The text to replace in `GOOD` (empty: at its end), the mistake, and the message from the line on.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("[throttle]", "[throtle]", "14: unknown table [throtle]; did you mean [throttle]?"),
    (
        "[throttle]",
        "[limits]",
        "14: unknown table [limits]; there are [[issuer]], [[rule]], [claim_paths], [policy], \
         [jwks], [token], [callers], [response], [metrics], [throttle], [revocation], [keys]",
    ),
    (
        "[throttle]",
        "[[throttle]]",
        "14: there is only one [throttle]: write it once, with one bracket on each side",
    ),
    (
        "[[issuer]]",
        "[issuer]",
        "1: there may be several of [issuer]: write [[issuer]] with two brackets on each side",
    ),
    ("[throttle]", "[throttle", "14: not TOML: unclosed table, expected `]`"),
    (
        "[[issuer]]",
        "clients = [\"a\"]\n[[issuer]]",
        "1: `clients` stands outside any table; it belongs in [[issuer]]",
    ),
    ("[throttle]", "[throttle]\ntable = \"tab\"", "16: duplicate field `table`: remove one"),
    ("token_use = \"access\"", "token_use = access", "4: not TOML: a text must be in quotes"),
    (
        "token_use",
        "tokenuse",
        "4: unknown field `tokenuse` in [[issuer]]; did you mean `token_use`?",
    ),
    (
        "token_use = \"access\"\n",
        "",
        "1: [[issuer]] has no `token_use`: add `token_use = \"access\"`",
    ),
    (
        "\"access\"",
        "\"acess\"",
        "4: `token_use` in [[issuer]] must be \"access\", \"id\" or \"any\", not \"acess\"; \
         did you mean \"access\"?",
    ),
    (
        "\"access\"",
        "\"refresh\"",
        "4: `token_use` in [[issuer]] must be \"access\", \"id\" or \"any\", not \"refresh\"",
    ),
    (
        "\"access\"",
        "[\"access\", \"id\"]",
        "4: `token_use` in [[issuer]] must be \"access\", \"id\" or \"any\", not a list: write \
         `token_use = \"access\"`",
    ),
    (
        "clients = [\"client1\"]",
        "client = [\"client1\"]",
        "3: unknown field `client` in [[issuer]]; did you mean `clients`?",
    ),
    (
        "clients = [\"client1\"]",
        "clients = \"client1\"",
        "3: `clients` in [[issuer]] must be a list of texts, or \"any\", not a text: write \
         `clients = [\"client1\"]` or `clients = \"any\"`",
    ),
    (
        "clients = [\"client1\"]",
        "clients = []",
        "3: an empty list of `clients` accepts no token: name one, or write `clients = \
         \"any\"`",
    ),
    (
        "clients = [\"client1\"]",
        "clients = [1]",
        "3: `clients` in [[issuer]] must be a list of texts, and has a number",
    ),
    (
        "clients = [\"client1\"]",
        "clients = [\"a\", \"b\",\n  \"a\"]",
        "3: duplicate client `a`: remove one",
    ),
    ("clients = [\"client1\"]", "clients = [\"\"]", "3: an empty client: write one, or remove it"),
    (
        "clients = [\"client1\"]\n",
        "",
        "1: the issuer has neither `clients` nor `audiences`: list the app clients whose \
         tokens are accepted, as in `clients = [\"1example23456789\"]`, or write `clients = \
         \"any\"`",
    ),
    (
        "clients = [\"client1\"]",
        "clients = true",
        "3: `clients` in [[issuer]] must be a list of texts, or \"any\", not a boolean: write \
         `clients = [\"1example23456789\"]` or `clients = \"any\"`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "user_pool = \"abcDEF123\"",
        "2: `abcDEF123` is not a user pool's id, such as `us-east-1_abcDEF123`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "user_pool = [\"us-east-1_abcDEF123\"]",
        "2: `user_pool` in [[issuer]] must be a text in quotes, not a list: write `user_pool = \
         \"us-east-1_abcDEF123\"`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"\n",
        "",
        "1: the issuer has neither `user_pool` nor `url` nor `iss`: add one of them",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \"id.example\"",
        "2: `id.example` is not a URL: write one such as `https://id.example`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \"https://ID.example\"",
        "2: `https://ID.example` is not an issuer: write it as its tokens do, for example \
         `https://id.example/`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \"http://id.example\"",
        "2: keys are not fetched from `http://id.example/.well-known/jwks.json`: set \
         `jwks_uri` to an address that begins with https:// (or http:// on the loopback), or \
         give the keys in `jwks_file`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \"ftp://id.example\"",
        "2: `ftp://id.example` is not an issuer: write its https or http URL",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \"https://me:pw@id.example\"",
        "2: a URL here must not have a user name or password: remove them",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \"https://id.example\"\njwks_uri = \"http://id.example/keys\"",
        "3: keys are not fetched from `http://id.example/keys`: set `jwks_uri` to an address \
         that begins with https:// (or http:// on the loopback), or give the keys in \
         `jwks_file`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nurl = \"https://id.example\"",
        "5: an issuer has either `user_pool` or `url`: remove one",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\njwks_uri = \"https://id.example\"",
        "5: `jwks_uri` goes with `url`: the address of a user pool's keys is known",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nalgorithms = \"RS256\"",
        "5: `algorithms` in [[issuer]] must be a list of texts, not a text: write `algorithms \
         = [\"RS256\"]`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nalgorithms = [\"RS265\"]",
        "5: each of `algorithms` in [[issuer]] must be \"RS256\", \"RS384\", \"RS512\", \
         \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"EdDSA\" or \"Ed25519\", not \
         \"RS265\"; did you mean \"RS256\"?",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nalgorithms = [\"HS256\"]",
        "5: each of `algorithms` in [[issuer]] must be \"RS256\", \"RS384\", \"RS512\", \
         \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"EdDSA\" or \"Ed25519\", not \
         \"HS256\"",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nalgorithms = []",
        "5: an empty list of `algorithms` accepts no token: name one, or remove it",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nany_scope = []",
        "5: an empty list: add an entry, or remove the field",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\naudiences = \"https://api.example\"",
        "5: `audiences` in [[issuer]] must be a list of texts, or \"any\", not a text: write \
         `audiences = [\"https://api.example\"]` or `audiences = \"any\"`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nunbound_clients = [\"client1\"]",
        "5: `unbound_clients` goes with a list of `audiences`: without one no token needs an \
         audience",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nleeway_seconds = \"30\"",
        "5: `leeway_seconds` in [[issuer]] must be a whole number, not a text: write \
         `leeway_seconds = 30`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nleeway_seconds = -1",
        "5: `leeway_seconds` in [[issuer]] must not be negative: write `leeway_seconds = 30`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nleeway_seconds = 3000",
        "5: `leeway_seconds` must be at most 300 seconds",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nleeway_seconds = 0.5",
        "5: `leeway_seconds` in [[issuer]] must be a whole number, not a number with a \
         fraction: write `leeway_seconds = 30`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nmax_age_seconds = 0",
        "5: `max_age_seconds` must be 1 to 315360000 seconds; remove it for no bound",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nmax_age_seconds = 99999999999999999999",
        "5: `max_age_seconds` in [[issuer]] is too large: write `max_age_seconds = 86400`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nrefresh_token_days = 2592000",
        "5: `refresh_token_days` must be at most 3650 days (ten years)",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nrequired_claims = [\"email_verified\"]",
        "5: `required_claims` in [[issuer]] must be a table, not a list: write \
         `required_claims = { email_verified = true }`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nrequired_claims = { level = 1.5 }",
        "5: `level` must be a text, a whole number or a boolean, or a list of them",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\ncontext = [\"sub\"]",
        "5: `context` in [[issuer]] must be a table, not a list: write `context = { sub = \
         \"sub\" }`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\ncontext = { plan = \"plan\" }",
        "5: `plan` in `context` is a name that Tollgate uses: choose another",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\ncontext = { age = 1 }",
        "5: `age` in `context` of [[issuer]] must be a claim's name, or \
         { json = \"name\" }",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nprincipal = \"\"",
        "5: `principal` is empty: name a claim, or remove it",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\ngroups_claim = \"scope\"",
        "5: `scopes_claim` and `groups_claim` are both `scope`: name two different claims",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nbound_tokens = \"allow\"",
        "5: `bound_tokens` in [[issuer]] must be \"refuse\" or \"accept\", not \"allow\"",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nreplica_regions = [\"us-west\"]",
        "5: `us-west` in `replica_regions` is not a Region's name, such as `us-west-2`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\njwks_file = \"/nowhere/jwks.json\"",
        "5: `jwks_file` `/nowhere/jwks.json`: cannot be read: No such file or directory",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nname = \"my pool\"",
        "5: `my pool` is not a valid name of an issuer: write `name` with 1 to 128 ASCII \
         characters, without spaces and `#`",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\ncache_seconds = 60",
        "5: unknown field `cache_seconds` in [[issuer]]; it belongs in [revocation]",
    ),
    (
        "",
        "[[issuer]]\nuser_pool = \"us-east-1_abcDEF123\"\nclients = \"any\"\ntoken_use = \
         \"any\"\n",
        "22: duplicate issuer \
         `https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123`: remove one, or give \
         both tables different `audiences`, `clients` or `token_use`, so that each token fits one \
         of them",
    ),
    (
        "",
        "[[issuer]]\nname = \"us-east-1_abcDEF123\"\nurl = \"https://id.example\"\nclients = \
         \"any\"\ntoken_use = \"any\"\n",
        "23: duplicate issuer name `us-east-1_abcDEF123`: callers of both would share limits; \
         give one another `name`",
    ),
    ("name = \"readers\"\n", "", "6: [[rule]] has no `name`: add `name = \"readers\"`"),
    (
        "name = \"readers\"",
        "name = \"\"",
        "7: name `` of rule 1 is not 1 to 64 bytes without control characters: give it a short \
         name",
    ),
    (
        "any_scope",
        "any_scopes",
        "12: unknown field `any_scopes` in rule `readers`; did you mean `any_scope`?",
    ),
    (
        "any_scope",
        "scopes_allowed",
        "12: unknown field `scopes_allowed` in rule `readers`; reference.toml lists the fields",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = \"orders/read\"",
        "12: `any_scope` in rule `readers` must be a list of texts, not a text: write \
         `any_scope = [\"orders/read\"]`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = []",
        "12: `any_scope` of rule `readers` is empty: list something or remove it",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read orders/write\"]",
        "12: scope `orders/read orders/write` of rule `readers` has a space: list each scope \
         by itself",
    ),
    (
        "any_scope = [\"orders/read\"]\n",
        "",
        "6: rule `readers` requires nothing of the caller: give it `any_scope`, `all_scopes`, \
         `any_group`, `all_groups`, `issuers`, `clients`, `claims` or `when`, or write \
         `everyone = true`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read\"]\neveryone = true",
        "13: rule `readers` has both `everyone = true` and `any_scope`: remove one of the two",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "everyone = \"true\"",
        "12: `everyone` in rule `readers` must be true or false, not a text: write `everyone = \
         true`",
    ),
    (
        "  \"GET /orders\",\n  \"GET /orders/*\",\n",
        "",
        "6: rule `readers` allows and denies nothing: give it `allow` or `deny`",
    ),
    (
        "\"GET /orders/*\"",
        "\"GET orders\"",
        "10: path of route `GET orders` does not start with `/`: write `GET /orders`",
    ),
    (
        "\"GET /orders/*\"",
        "\"get /orders\"",
        "10: method `get` in route `get /orders` is unknown: write GET, HEAD, OPTIONS, POST, \
         PUT, PATCH, DELETE, several with `,` and no space between, or ANY",
    ),
    (
        "\"GET /orders/*\"",
        "\"/orders\"",
        "10: route `/orders` is not a method and a path: write `GET /orders`",
    ),
    (
        "\"GET /orders/*\"",
        "\"GET /orders*\"",
        "10: `*` in route `GET /orders*` is not the whole last segment: write `/orders/*`, \
         which matches everything below `/orders/`",
    ),
    (
        "\"GET /orders/*\"",
        "\"GET /orders/{proxy+}\"",
        "10: `{proxy+}` in route `GET /orders/{proxy+}` is a path parameter of API Gateway, \
         and braces hold the name of a claim here: write `GET /orders/*`",
    ),
    (
        "\"GET /orders/*\"",
        "\"GET /orders/{id\"",
        "10: braces in route `GET /orders/{id` must hold the name of a claim, as a whole \
         segment: write `/users/{sub}`, or end the route with `/*` for a part that varies",
    ),
    (
        "\"GET /orders/*\"",
        "\"$disconnect\"",
        "10: route key `$disconnect` has no authorizer: write `$connect`, the only WebSocket \
         route that API Gateway authorizes, or an HTTP API's `$default`",
    ),
    (
        "\"GET /orders/*\"",
        "7",
        "10: `allow` in rule `readers` must be a list of texts, and has a number",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "claims = { tier = 1 }",
        "12: `tier` in `claims` of rule `readers` must be a text or a list of texts",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "claims = \"tier\"",
        "12: `claims` in rule `readers` must be a table, not a text: write `claims = { tier = \
         [\"gold\", \"silver\"] }`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "claims = { tier = [] }",
        "12: `claims.tier` of rule `readers` is empty: list something or remove it",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "when = \"claims.sub\"",
        "12: condition `claims.sub` of rule `readers` must be true or false, and `claims.sub` \
         is a text: compare it, as in `claims.sub == \"…\"`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "when = \"claims.level + 1\"",
        "12: condition `claims.level + 1` of rule `readers` must be true or false, and has a \
         sum where a comparison is needed, such as `claims.level >= 3`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "when = \"tier == 'gold'\"",
        "12: condition `tier == 'gold'` of rule `readers` has the unknown name `tier`: write \
         `claims.tier`, or put a text in quotes",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "when = \"claims.level >\"",
        "12: condition `claims.level >` of rule `readers` is not CEL, at line 1, column 15: it \
         ends too early",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "when = true",
        "12: `when` in rule `readers` must be a text in quotes, not a boolean: write `when = \
         \"claims.level >= 3\"`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read\"]\nissuers = [\"pool\"]",
        "13: `pool` in `issuers` of rule `readers` is not an [[issuer]] here: write \
         `us-east-1_abcDEF123`, or its URL",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read\"]\nstages = [\"prod*\"]",
        "13: invalid stage name `prod*` in rule `readers`: write letters, digits, `-` and `_`, \
         or `$default`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read\"]\nsource_ips = [\"10.0.0.1/8\"]",
        "13: source `10.0.0.1/8` of rule `readers` is not a block of addresses: set the bits \
         after the prefix to zero, as in `10.0.0.0/8`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read\"]\nuntil_exp = true\ndeny = [\"GET /x\"]",
        "13: rule `readers` has both `deny` and `until_exp`: if API Gateway cannot evaluate \
         the condition, nothing is denied; put the deny into a rule of its own",
    ),
    (
        "",
        "[[rule]]\nname = \"readers\"\nallow = [\"GET /x\"]\neveryone = true\n",
        "23: duplicate rule name `readers`: give each rule a different name",
    ),
    ("", "[policy]\ndocument_limit = 100\n", "23: `document_limit` must be 512 to 102400 bytes"),
    (
        "",
        "[policy]\ndeny_rest = \"yes\"\n",
        "23: `deny_rest` in [policy] must be true or false, not a text: write `deny_rest = \
         true`",
    ),
    (
        "",
        "[token]\nheader = \"Authorization:\"\n",
        "23: `header` is not a header's name: write one such as `authorization`",
    ),
    (
        "",
        "[token]\nheaders = \"Authorization\"\n",
        "23: unknown field `headers` in [token]; did you mean `header`?",
    ),
    (
        "",
        "[token]\nissuer = \"x\"\n",
        "23: unknown field `issuer` in [token]; it has `header`, `scheme`, `cookie`, \
         `query`, `subprotocol`",
    ),
    (
        "",
        "[response]\nhttp = \"IAM\"\n",
        "23: `http` in [response] must be \"iam\" or \"simple\", not \"IAM\"; did you mean \
         \"iam\"?",
    ),
    (
        "",
        "[response]\nhttp_unauthorized = 401\n",
        "23: `http_unauthorized` in [response] must be \"deny\" or \"error\", not a number: \
         write `http_unauthorized = \"deny\"`",
    ),
    (
        "",
        "[metrics]\nenabled = \"no\"\n",
        "23: `enabled` in [metrics] must be true or false, not a text: write `enabled = true`",
    ),
    (
        "",
        "[metrics]\nnamespace = \"AWS/Lambda\"\n",
        "23: `namespace` must have 1 to 255 of A-Z a-z 0-9 . - _ / # : and spaces, and not \
         begin with `AWS/` or `:`",
    ),
    (
        "",
        "[metrics]\nwhere = 1\n",
        "23: unknown field `where` in [metrics]; it has `enabled`, `namespace`",
    ),
    ("table = \"tollgate\"\n", "", "14: [throttle] has no `table`: add `table = \"tollgate\"`"),
    ("\"tollgate\"", "\"\"", "15: `table` in [throttle] is empty: name the table"),
    (
        "\"tollgate\"",
        "\"my table\"",
        "15: `my table` in [throttle] cannot name a table: write 3 to 255 letters, digits, `_`, \
         `.` or `-`",
    ),
    (
        "\"tollgate\"",
        "\"t\\n\"",
        "15: `t\\n` in [throttle] cannot name a table: write 3 to 255 letters, digits, `_`, `.` or \
         `-`",
    ),
    (
        "subject = \"client_id\"\n",
        "",
        "14: [throttle] has no `subject`: add `subject = \"client_id\"`",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = \"free\"",
        "17: `plan` in [throttle] must be a table, not a text: write `plan = { default = \
         \"free\" }`",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }\n",
        "",
        "14: [throttle] has no `plan`: add `plan = { default = \"free\" }`",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = {}",
        "17: `plan` names no plan, so no caller may call anything: write `plan = { default = \
         \"free\" }`",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = { fixed = \"free\" }",
        "17: unknown field `fixed` in `plan`; it has `assigned`, `claim`, `default`, `anonymous`",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = { defualt = \"free\" }",
        "17: unknown field `defualt` in `plan`; did you mean `default`?",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = { default = \"\" }",
        "17: `default` of `plan` is empty: give it at least one character",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = { assigned = \"true\" }",
        "17: `assigned` in `plan` must be true or false, not a text: write `assigned = true`",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = { claim = [\"a\", \"b\"] }",
        "17: `claim` in `plan` must be a text in quotes, not a list: write `claim = \"plan\"`",
    ),
    ("refuse = \"unknown-key\"\n", "", "14: [throttle] has no `refuse`: add `refuse = \"deny\"`"),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = \"custom:tenant\"\n",
        "19: `parents` in [throttle] must be a list of texts or tables, not a text: write \
         `parents = [{ parent = \"custom:tenant\", plan = \"tenant\" }]`",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [1]\n",
        "19: `parents` in [throttle] must be a list of texts or tables, and has a number: write \
         `parents = [{ parent = \"custom:tenant\", plan = \"tenant\" }]`",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ plan = \"tenant\" }]\n",
        "19: an entry of `parents` has no `parent`: add `parent = \"custom:tenant\"`",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"*\", plam = \"x\" }]\n",
        "19: unknown field `plam` in an entry of `parents`; did you mean `plan`?",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"*\", plan = 1 }]\n",
        "19: `plan` in an entry of `parents` must be a text in quotes, not a number: write `plan \
         = \"tenant\"`",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [\"*\"]\n",
        "19: `*` in `parents` has no plan: write `{ parent = \"*\", plan = \"tenant\" }`, or \
         assign plans in the table, with `assigned = true` in `plan`",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"*\", plan = \"all\" }, { parent = \
         \"tenant\", plan = \"t\" }]\n",
        "19: `*` in `parents` is for all callers: write it last",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"a\", plan = \"t\" }, { parent = \
         \"a\", plan = \"u\" }]\n",
        "19: duplicate `a` in `parents`: remove one",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"a\", plan = \"t\" }, { parent = \
         \"b\", plan = \"t\" }, { parent = \"c\", plan = \"t\" }, { parent = \"d\", plan = \"t\" \
         }]\n",
        "19: `parents` has more than 3 entries: remove some",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"\", plan = \"t\" }]\n",
        "19: each of `parents` must be `*` or the name of a claim, of 1 to 128 bytes",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"a#b\", plan = \"t\" }]\n",
        "19: `a#b` in `parents` has a `#`, which separates the parts of a subject: give the \
         claim another name in [claim_paths]",
    ),
    (
        "refuse = \"unknown-key\"\n",
        "refuse = \"unknown-key\"\nparents = [{ parent = \"source_ip\", plan = \"t\" }]\n",
        "19: `source_ip` cannot be in `parents`: name a claim, or `*` for all callers",
    ),
    (
        "\"unknown-key\"",
        "\"unknown_key\"",
        "18: `refuse` in [throttle] must be \"unknown-key\", \"deny\" or \"context\", not \
         \"unknown_key\"; did you mean \"unknown-key\"?",
    ),
    (
        "\"unknown-key\"",
        "\"429\"",
        "18: `refuse` in [throttle] must be \"unknown-key\", \"deny\" or \"context\", not \
         \"429\"",
    ),
    (
        "\"unknown-key\"",
        "429",
        "18: `refuse` in [throttle] must be \"unknown-key\", \"deny\" or \"context\", not a \
         number: write `refuse = \"deny\"`",
    ),
    (
        "\"unknown-key\"",
        "\"deny\"",
        "19: `api_key` is used with `refuse = \"unknown-key\"` only: remove it",
    ),
    (
        "api_key = \"a-key-of-twenty-chars\"\n",
        "",
        "18: `refuse = \"unknown-key\"` needs `api_key`: the API key of the usage plan for \
         allowed callers",
    ),
    (
        "a-key-of-twenty-chars",
        "short",
        "19: `api_key` must have 20 to 128 characters, as API Gateway's keys do",
    ),
    (
        "\"closed\"",
        "\"close\"",
        "20: `failure` in [throttle] must be \"closed\" or \"open\", not \"close\"; did you \
         mean \"closed\"?",
    ),
    (
        "\"closed\"",
        "{ local = \"10%\" }",
        "20: write a share as a fraction above zero and at most one, such as `1/10` or `1`",
    ),
    (
        "\"closed\"",
        "{ local = 0.1 }",
        "20: `local` in `failure` must be a text in quotes, not a number with a fraction: \
         write `local = \"1/10\"`",
    ),
    (
        "\"closed\"",
        "{ share = \"1/10\" }",
        "20: unknown field `share` in `failure`; it has `local`",
    ),
    (
        "\"closed\"",
        "false",
        "20: `failure` in [throttle] must be \"closed\", \"open\" or { local = \"1/10\" }, not \
         a boolean: write `failure = \"closed\"`",
    ),
    (
        "\"closed\"",
        "\"closed\"\ntimeout_ms = 5",
        "21: `timeout_ms` must be 10 to 5000: API Gateway itself waits for ten seconds",
    ),
    (
        "\"closed\"",
        "\"closed\"\ntimeout_ms = \"100ms\"",
        "21: `timeout_ms` in [throttle] must be a whole number, not a text: write `timeout_ms \
         = 500`",
    ),
    (
        "\"closed\"",
        "\"closed\"\nregion = \"EU\"",
        "21: `region` is not a Region's name: write it like `eu-west-1`",
    ),
    ("", "[revocation]\n", "22: [revocation] has no `table`: add `table = \"tollgate\"`"),
    ("", "[revocation]\ntable = \"\"\n", "23: `table` in [revocation] is empty: name the table"),
    (
        "",
        "[revocation]\ntable = \"t!\"\n",
        "23: `t!` in [revocation] cannot name a table: write 3 to 255 letters, digits, `_`, `.` or \
         `-`",
    ),
    (
        "",
        "[keys]\ntable = \"tollgate/keys\"\n",
        "23: `tollgate/keys` in [keys] cannot name a table: write 3 to 255 letters, digits, `_`, `.` \
         or `-`",
    ),
    (
        "",
        "[revocation]\ntable = \"tab\"\nfailure = \"ajar\"\n",
        "24: `failure` in [revocation] must be \"closed\" or \"open\", not \"ajar\"",
    ),
    (
        "",
        "[revocation]\ntable = \"tab\"\ncache_seconds = 86400\n",
        "24: `cache_seconds` must be at most 3600: a revoked token passes for that time",
    ),
    (
        "",
        "[revocation]\ntable = \"tab\"\ntimeout_ms = 9000\n",
        "24: `timeout_ms` must be 10 to 5000: API Gateway itself waits for ten seconds",
    ),
    (
        "",
        "[revocations]\ntable = \"tab\"\n",
        "22: unknown table [revocations]; did you mean [revocation]?",
    ),
    (
        "a-key-of-twenty-chars",
        "tollgateThrottledUnknownKey",
        "19: `api_key` is the key that stands for \"throttled\": choose another",
    ),
    (
        "\"access\"",
        "\"id\"",
        "16: `subject = \"client_id\"` is not in ID tokens, and only ID tokens are accepted: \
         name another claim, for example `sub`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \" https://id.example\"",
        "2: ` https://id.example` is not an issuer: write it as its tokens do, for example \
         `https://id.example/`",
    ),
    (
        "user_pool = \"us-east-1_abcDEF123\"",
        "url = \"https://id.example/?x\"",
        "2: `https://id.example/?x` is not an issuer: write it as its tokens do, for example \
         `https://id.example/`",
    ),
    (
        "\"closed\"",
        "\"closed\"\ntimeout_ms = 5001",
        "21: `timeout_ms` must be 10 to 5000: API Gateway itself waits for ten seconds",
    ),
    (
        "\"closed\"",
        "\"closed\"\ntimeout_ms = 0.5",
        "21: `timeout_ms` in [throttle] must be a whole number, not a number with a fraction: \
         write `timeout_ms = 500`",
    ),
    (
        "\"closed\"",
        "\"closed\"\nregion = \"\"",
        "21: `region` is not a Region's name: write it like `eu-west-1`",
    ),
    ("\"client_id\"", "\"\"", "16: `subject` in [throttle] is empty: name the claim"),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read\"]\nuntil_exp = true\n[response]\nhttp = \"simple\"",
        "13: rule `readers` has `until_exp`, which a cached simple response would lose: set \
         `http = \"iam\"` in [response], or remove `until_exp`",
    ),
    (
        "any_scope = [\"orders/read\"]",
        "any_scope = [\"orders/read\"]\nuntil_exp = true\n[policy]\ndeny_rest = true",
        "13: rule `readers` has `until_exp`, and [policy] has `deny_rest`: where the condition \
         does not hold, nothing would deny; remove one of the two",
    ),
    (
        "token_use = \"access\"",
        "token_use = \"access\"\nunbound_clients = [\"b\"]\naudiences = [\"a\"]",
        "5: `b` in `unbound_clients` is not one of `clients`: add it there",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = { claim = \"\", default = \"free\" }",
        "17: `claim` of `plan` is empty: name the claim, or remove it",
    ),
    (
        "plan = { claim = \"plan\", default = \"free\" }",
        "plan = 3",
        "17: `plan` in [throttle] must be a table, not a number: write `plan = { default = \
         \"free\" }`",
    ),
];

/// Words of Rust and of its libraries, which mean nothing to an operator.
const FOREIGN: &[&str] = &[
    "invalid type",
    "invalid value",
    "missing field",
    "unknown variant",
    "did not match any variant",
    "expected a sequence",
    "sequence",
    "struct",
    "string",
    "integer",
    "map",
];

#[test]
fn each_mistake_is_named_with_its_line_and_the_right_form() {
    Config::parse(GOOD, "tollgate.toml").unwrap();
    for (number, (from, to, says)) in MISTAKES.iter().enumerate() {
        let text = if from.is_empty() {
            format!("{GOOD}\n{to}")
        } else {
            assert_eq!(GOOD.matches(from).count(), 1, "`{from}` must be there once");
            GOOD.replace(from, to)
        };
        let Err(error) = Config::parse(&text, "tollgate.toml") else { panic!("accepted: {to}") };
        let error = error.to_string();
        assert_eq!(error, format!("tollgate.toml:{says}"), "mistake {number}: {to}");
        let foreign = FOREIGN.iter().find(|word| error.contains(**word));
        assert_eq!(foreign, None, "{error}");
        assert!(!error.contains('\n'), "{error}");
        assert!(!error.contains("a-key-of"), "no secret: {error}");
    }
}
