//! A token as it is, or a header and a payload that the issuer signs, a line break between them.
//!
//! Beside no panic: the second look gives the first one's answer, and what was refused is not kept.
#![no_main]

use std::sync::LazyLock;

use authorizer::{Lookup, Refusal};
use fuzz::World;
use libfuzzer_sys::fuzz_target;

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let lines = data.iter().position(|byte| *byte == b'\n').map(|at| data.split_at(at));
    let token = match lines {
        Some((header, payload)) => world.sign(header, &payload[1..]),
        None => match std::str::from_utf8(data) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
    };
    let first = world.run(world.verifier.verify(&token));
    let second = world.run(world.verifier.verify(&token));
    let code = |outcome: Result<_, Refusal>| outcome.err().map(Refusal::code);
    let (before, after) = (code(first.outcome.map(drop)), code(second.outcome.map(drop)));
    assert_eq!(before, after);
    // A full cache may turn away what it has just met, but nothing that was refused is in it.
    assert!(before.is_none() || second.lookup == Lookup::Miss);
});
