//! A configuration's text: taken, or refused in one line that names a place.
#![no_main]

use authorizer::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A file that the text names would be read.
    if text.contains("_file") || text.contains('\\') {
        return;
    }
    // With a line break it is a text, not a path.
    if let Err(error) = Config::from_source(&format!("{text}\n")) {
        let shown = error.to_string();
        assert!(shown.starts_with("AUTHORIZER_CONFIG"), "{shown}");
        assert!(!shown.contains('\n'), "{shown}");
    }
});
