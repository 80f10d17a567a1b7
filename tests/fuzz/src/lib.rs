//! An issuer whose key is known here, so that what a fuzzer writes can be signed.

use authorizer::{Authorizer, Config, Verifier};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use throttle::{ManualClock, MemoryStore, Timestamp};
use tokio::runtime::{Builder, Runtime};

/// The time at which everything happens, in Unix seconds.
pub const NOW: u64 = 1_800_000_000;

/// The parts that a request needs to be answered.
///
/// The clock stands still, so that one kid that is not bundled has keys fetched, in vain, and no
/// other.
pub struct World {
    pub verifier: Verifier<ManualClock>,
    pub authorizer: Authorizer<MemoryStore, ManualClock>,
    pair: Ed25519KeyPair,
    runtime: Runtime,
}

impl World {
    /// Makes one issuer, and one of many tenants with the same key, which is bundled.
    pub fn new() -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]});
        let text = format!(
            "[token]\ncookie = \"session\"\n\
             [claim_paths]\nroles = [\"realm_access\", \"roles\"]\n\
             [[issuer]]\nurl = \"http://127.0.0.1:1\"\njwks = '{set}'\nalgorithms = [\"EdDSA\"]\n\
             clients = [\"client\"]\ntoken_use = \"access\"\ngroups_claim = \"roles\"\n\
             [[issuer]]\nname = \"many\"\nurl = \"https://id.example/{{tid}}\"\n\
             tenants = \"any\"\njwks = '{set}'\nalgorithms = [\"EdDSA\"]\n\
             clients = [\"client\"]\ntoken_use = \"access\"\n\
             [[rule]]\nname = \"all\"\nallow = [\"GET /orders/*\"]\nany_scope = [\"orders/read\"]\n"
        );
        let config = || Config::from_source(&text).unwrap();
        let clock = ManualClock::at(Timestamp::from_secs(NOW));
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let inside = runtime.enter();
        let verifier = Verifier::new(config().issuers, clock.clone()).unwrap();
        let authorizer = Authorizer::new(config(), None, clock).unwrap();
        drop(inside);
        Self { verifier, authorizer, pair, runtime }
    }

    /// A token of the issuer's: these very bytes as header and payload, under its signature.
    pub fn sign(&self, header: &[u8], payload: &[u8]) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Waits for what needs no waiting.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
