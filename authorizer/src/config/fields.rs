//! The tables and fields of a configuration, with the type and an example of each.
//!
//! A test compares them with the types that are read.

/// A table: its name, its form and its fields.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// True for `[[name]]`, which may occur several times.
    pub(super) is_list: bool,
    /// True if the fields may have any name, each with a list of texts.
    pub(super) is_free: bool,
    /// The message if the table is missing, unless it is optional.
    pub(super) required: Option<&'static str>,
    pub(super) fields: &'static [Field],
}

/// A field of a table.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    /// A value as TOML, for messages.
    pub(super) example: &'static str,
}

/// The type of a field.
pub(super) enum Kind {
    Text,
    Texts,
    /// A text, or a list of texts.
    TextOrTexts,
    /// A list of routes.
    Routes,
    /// A list of texts, or the text `any`.
    TextsOrAny,
    /// A whole number, not negative.
    Whole,
    Flag,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of some of these texts.
    SomeOf(&'static [&'static str]),
    /// A table with these fields. A text instead is likely meant as this field.
    Table(&'static [Field], &'static str),
    /// A table with names of any kind, each with a text, or with a table of this one field.
    Names(&'static str),
    /// A table with names of any kind, each with a text or a list of texts.
    Lists,
    /// A table with names of any kind and values that are checked when they are read.
    Values,
    /// A list of texts, or of tables with these fields.
    TextsOrTables(&'static [Field]),
    /// One of these texts, or a table with this one field.
    OneOfOr(&'static [&'static str], &'static [Field]),
}

const fn optional(name: &'static str, kind: Kind, example: &'static str) -> Field {
    Field { name, kind, is_required: false, example }
}

const fn required(name: &'static str, kind: Kind, example: &'static str) -> Field {
    Field { name, kind, is_required: true, example }
}

/// The algorithms of `algorithms`; `Ed25519` is another name of `EdDSA`.
const ALGORITHMS: &[&str] =
    &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"];

/// The decisions while a table is unavailable.
const FAILURES: &[&str] = &["closed", "open"];

/// Every table of a configuration.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "issuer",
        is_list: true,
        is_free: false,
        required: Some("no issuer: add an [[issuer]] table, or [keys] for callers with API keys"),
        fields: &[
            optional("name", Kind::Text, "\"main\""),
            optional("user_pool", Kind::Text, "\"us-east-1_abcDEF123\""),
            optional("replica_regions", Kind::Texts, "[\"us-west-2\"]"),
            optional("domain_suffix", Kind::Text, "\"amazonaws.com\""),
            optional("url", Kind::Text, "\"https://id.example\""),
            optional("iss", Kind::Text, "\"kubernetes/serviceaccount\""),
            optional("tenants", Kind::TextsOrAny, "[\"11111111-2222-3333-4444-555555555555\"]"),
            optional("jwks_uri", Kind::Text, "\"https://id.example/keys\""),
            optional("jwks", Kind::Text, "'{\"keys\":[…]}'"),
            optional("jwks_file", Kind::Text, "\"/var/task/jwks.json\""),
            optional("algorithms", Kind::SomeOf(ALGORITHMS), "[\"RS256\"]"),
            optional("clients", Kind::TextsOrAny, "[\"1example23456789\"]"),
            optional("audiences", Kind::TextsOrAny, "[\"https://api.example\"]"),
            optional("unbound_clients", Kind::Texts, "[\"1example23456789\"]"),
            required("token_use", Kind::OneOf(&["access", "id", "any"]), "\"access\""),
            optional("scopes_claim", Kind::Text, "\"scope\""),
            optional("groups_claim", Kind::Text, "\"cognito:groups\""),
            optional("client_claim", Kind::Text, "\"client_id\""),
            optional("any_scope", Kind::Texts, "[\"orders/read\"]"),
            optional("all_scopes", Kind::Texts, "[\"orders/read\"]"),
            optional("any_group", Kind::Texts, "[\"staff\"]"),
            optional("all_groups", Kind::Texts, "[\"staff\"]"),
            optional("required_claims", Kind::Values, "{ email_verified = true }"),
            optional("leeway_seconds", Kind::Whole, "30"),
            optional("max_lifetime_seconds", Kind::Whole, "3600"),
            optional("max_age_seconds", Kind::Whole, "86400"),
            optional("bound_tokens", Kind::OneOf(&["refuse", "accept"]), "\"refuse\""),
            optional("refresh_token_days", Kind::Whole, "30"),
            optional("principal", Kind::TextOrTexts, "\"sub\""),
            optional("context", Kind::Names("json"), "{ sub = \"sub\" }"),
        ],
    },
    Table {
        name: "rule",
        is_list: true,
        is_free: false,
        required: Some("no rule, so no caller may call anything: add a [[rule]] table"),
        fields: &[
            required("name", Kind::Text, "\"readers\""),
            optional("allow", Kind::Routes, "[\"GET /orders\"]"),
            optional("deny", Kind::Routes, "[\"GET /orders/export\"]"),
            optional("everyone", Kind::Flag, "true"),
            optional("anonymous", Kind::Flag, "true"),
            optional("any_scope", Kind::Texts, "[\"orders/read\"]"),
            optional("all_scopes", Kind::Texts, "[\"orders/read\"]"),
            optional("any_group", Kind::Texts, "[\"staff\"]"),
            optional("all_groups", Kind::Texts, "[\"staff\"]"),
            optional("issuers", Kind::Texts, "[\"us-east-1_abcDEF123\"]"),
            optional("clients", Kind::Texts, "[\"1example23456789\"]"),
            optional("claims", Kind::Lists, "{ tier = [\"gold\", \"silver\"] }"),
            optional("when", Kind::Text, "\"claims.level >= 3\""),
            optional("stages", Kind::Texts, "[\"prod\"]"),
            optional("source_ips", Kind::Texts, "[\"10.0.0.0/8\"]"),
            optional("until_exp", Kind::Flag, "true"),
        ],
    },
    Table { name: "claim_paths", is_list: false, is_free: true, required: None, fields: &[] },
    Table {
        name: "policy",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            optional("document_limit", Kind::Whole, "8192"),
            optional("deny_rest", Kind::Flag, "true"),
        ],
    },
    Table {
        name: "jwks",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[optional("proxy", Kind::Flag, "true")],
    },
    Table {
        name: "token",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            optional("header", Kind::Text, "\"authorization\""),
            optional("scheme", Kind::OneOf(&["bearer", "none"]), "\"bearer\""),
            optional("cookie", Kind::Text, "\"session\""),
            optional("query", Kind::Text, "\"access_token\""),
            optional("subprotocol", Kind::Text, "\"bearer\""),
        ],
    },
    Table {
        name: "callers",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            optional("require", Kind::OneOf(&["token", "key", "either", "both"]), "\"either\""),
            optional("prefer", Kind::OneOf(&["token", "key"]), "\"token\""),
        ],
    },
    Table {
        name: "response",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            optional("http", Kind::OneOf(&["iam", "simple"]), "\"iam\""),
            optional("http_unauthorized", Kind::OneOf(&["deny", "error"]), "\"deny\""),
        ],
    },
    Table {
        name: "metrics",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            optional("enabled", Kind::Flag, "true"),
            optional("namespace", Kind::Text, "\"Tollgate\""),
        ],
    },
    Table {
        name: "throttle",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            required("table", Kind::Text, "\"tollgate\""),
            optional("region", Kind::Text, "\"eu-west-1\""),
            required("subject", Kind::TextOrTexts, "\"client_id\""),
            required("plan", Kind::Table(PLAN, "default"), "{ default = \"free\" }"),
            optional("parents", Kind::TextsOrTables(PARENT), PARENTS),
            required("refuse", Kind::OneOf(&["unknown-key", "deny", "context"]), "\"deny\""),
            optional("failure", Kind::OneOfOr(FAILURES, LOCAL), "\"closed\""),
            optional("timeout_ms", Kind::Whole, "500"),
            optional("api_key", Kind::Text, "\"a-key-of-20-to-128-chars\""),
        ],
    },
    Table {
        name: "revocation",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            required("table", Kind::Text, "\"tollgate\""),
            optional("failure", Kind::OneOf(FAILURES), "\"closed\""),
            optional("cache_seconds", Kind::Whole, "60"),
            optional("timeout_ms", Kind::Whole, "500"),
        ],
    },
    Table {
        name: "keys",
        is_list: false,
        is_free: false,
        required: None,
        fields: &[
            required("table", Kind::Text, "\"tollgate\""),
            optional("cache_seconds", Kind::Whole, "60"),
            optional("timeout_ms", Kind::Whole, "500"),
        ],
    },
];

/// The fields of `plan`.
const PLAN: &[Field] = &[
    optional("assigned", Kind::Flag, "true"),
    optional("claim", Kind::Text, "\"plan\""),
    optional("default", Kind::Text, "\"free\""),
    optional("anonymous", Kind::Text, "\"public\""),
];

/// The fields of an entry of `parents`.
const PARENT: &[Field] = &[
    required("parent", Kind::Text, "\"custom:tenant\""),
    optional("plan", Kind::Text, "\"tenant\""),
];

/// An example of `parents`.
const PARENTS: &str = "[{ parent = \"custom:tenant\", plan = \"tenant\" }]";

/// The field of a failure policy with a share.
const LOCAL: &[Field] = &[required("local", Kind::Text, "\"1/10\"")];
