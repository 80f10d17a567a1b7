//! An event as JSON; `$TOKEN` in it becomes a token that passes.
#![no_main]

use std::sync::LazyLock;

use fuzz::{NOW, World};
use libfuzzer_sys::fuzz_target;

static WORLD: LazyLock<World> = LazyLock::new(World::new);
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let payload = format!(
        r#"{{"iss":"http://127.0.0.1:1","sub":"s","client_id":"client","token_use":"access",
        "scope":"orders/read","exp":{}}}"#,
        NOW + 60
    );
    WORLD.sign(br#"{"kid":"k","alg":"EdDSA"}"#, payload.as_bytes())
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = text.replace("$TOKEN", &TOKEN);
    if let Ok(event) = serde_json::from_str(&text) {
        let answer = WORLD.run(WORLD.authorizer.handle(&event, "request"));
        if let Ok(answer) = answer {
            serde_json::to_string(&answer).unwrap();
        }
    }
});
