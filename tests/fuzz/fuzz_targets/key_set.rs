//! A key set's text, as an issuer's bundled one: the reader is that of fetched sets.
#![no_main]

use authorizer::Config;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // JSON's strings are TOML's, but for one character that TOML wants escaped.
    let quoted = Value::from(text).to_string().replace('\u{7f}', "\\u007f");
    let config = format!(
        "[[issuer]]\nurl = \"https://id.example\"\njwks = {quoted}\nclients = \"any\"\n\
         token_use = \"any\"\n[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n"
    );
    if let Err(error) = Config::from_source(&config) {
        assert!(error.to_string().contains("`jwks`"), "{error}");
    }
});
