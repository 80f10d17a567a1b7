//! The arithmetic of `USER_SRP_AUTH`: the Secure Remote Password protocol as Cognito speaks it.
//!
//! SRP-6a (RFC 5054) over the 3072-bit group of RFC 3526 with SHA-256, and Cognito's own ways of
//! writing numbers into digests, of deriving the key and of proving it. They are those of the open
//! clients, such as amazon-cognito-identity-js. The arithmetic is not in constant time: this serves
//! demonstration users on one machine.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use num_bigint::BigUint;

/// The prime of RFC 3526, section 5.
const PRIME: &str = "\
    ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22\
    514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6\
    f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3d\
    c2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb\
    9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e8603\
    9b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
    15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7d\
    b3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864\
    d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e208e24fa074e5ab31\
    43db5bfce0fd108e4b82d120a93ad2caffffffffffffffff";
const GENERATOR: u32 = 2;
const INFO: &[u8] = b"Caldera Derived Key\x01";
/// The derived key, in bytes.
const KEY: usize = 16;

/// The parameters of a user's proof.
pub(super) struct Identity<'a> {
    /// The pool's id without its Region.
    pub(super) pool: &'a str,
    pub(super) username: &'a str,
    pub(super) password: &'a str,
    /// In hexadecimal.
    pub(super) salt: &'a str,
}

/// The server's part of an exchange: its secret and what it sends.
pub(super) struct Server {
    secret: BigUint,
    /// `B`, in hexadecimal.
    pub(super) public: String,
}

impl Server {
    /// Starts an exchange from 32 or more random bytes.
    pub(super) fn new(random: &[u8], identity: &Identity<'_>) -> Self {
        let secret = BigUint::from_bytes_be(random);
        let (prime, generator) = (prime(), BigUint::from(GENERATOR));
        let verifier = generator.modpow(&identity.private(), &prime);
        let public = (multiplier() * verifier + generator.modpow(&secret, &prime)) % prime;
        Self { secret, public: public.to_str_radix(16) }
    }

    /// Returns the key that both sides have if the password is right.
    ///
    /// `None` if `client` is not a number, or one that would make the key known to everyone.
    pub(super) fn key(&self, client: &str, identity: &Identity<'_>) -> Option<[u8; KEY]> {
        let prime = prime();
        let client = number(client)?;
        if &client % &prime == BigUint::ZERO {
            return None;
        }
        let public = number(&self.public)?;
        let scrambler = hash(&[padded(&client), padded(&public)].concat());
        let scrambler = BigUint::from_bytes_be(&scrambler);
        let verifier = BigUint::from(GENERATOR).modpow(&identity.private(), &prime);
        let shared = client * verifier.modpow(&scrambler, &prime);
        let shared = shared.modpow(&self.secret, &prime);
        // HKDF (RFC 5869), one block.
        let salt = hmac::Key::new(HMAC_SHA256, &padded(&scrambler));
        let extracted = hmac::sign(&salt, &padded(&shared));
        let key = hmac::sign(&hmac::Key::new(HMAC_SHA256, extracted.as_ref()), INFO);
        key.as_ref().first_chunk().copied()
    }
}

impl Identity<'_> {
    /// The private number of the password.
    fn private(&self) -> BigUint {
        let Self { pool, username, password, salt } = self;
        let inner = hash(format!("{pool}{username}:{password}").as_bytes());
        let salt = padded(&number(salt).unwrap_or_default());
        BigUint::from_bytes_be(&hash(&[salt, inner].concat()))
    }

    /// Returns true if `signature` proves the key.
    pub(super) fn is_proven(
        &self,
        key: &[u8],
        secret_block: &[u8],
        timestamp: &str,
        signature: &[u8],
    ) -> bool {
        let message =
            [self.pool.as_bytes(), self.username.as_bytes(), secret_block, timestamp.as_bytes()];
        hmac::verify(&hmac::Key::new(HMAC_SHA256, key), &message.concat(), signature).is_ok()
    }
}

fn prime() -> BigUint {
    number(PRIME).unwrap_or_default()
}

/// The `k` of SRP-6a.
fn multiplier() -> BigUint {
    let both = [padded(&prime()), padded(&BigUint::from(GENERATOR))].concat();
    BigUint::from_bytes_be(&hash(&both))
}

/// Reads a number in hexadecimal, of at most the prime's length and some.
pub(super) fn number(hex: &str) -> Option<BigUint> {
    let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && hex.len() <= PRIME.len() + 2).then(|| BigUint::parse_bytes(hex.as_bytes(), 16))?
}

/// A number's bytes, with a zero in front where its first bit is set: as a signed number.
fn padded(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes.first().is_some_and(|first| *first >= 0x80) {
        bytes.insert(0, 0);
    }
    bytes
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A client's part, written out once more from the protocol's definition.
    pub(in crate::issuer) struct Client {
        secret: BigUint,
        pub(in crate::issuer) public: String,
    }

    impl Client {
        pub(in crate::issuer) fn new() -> Self {
            let secret = BigUint::from(0x00c0_ffee_u32);
            let public = BigUint::from(GENERATOR).modpow(&secret, &prime()).to_str_radix(16);
            Self { secret, public }
        }

        pub(in crate::issuer) fn key(&self, server: &str, identity: &Identity<'_>) -> Vec<u8> {
            let (own, server) = (number(&self.public).unwrap(), number(server).unwrap());
            let scrambler = hash(&[padded(&own), padded(&server)].concat());
            let scrambler = BigUint::from_bytes_be(&scrambler);
            let private = identity.private();
            let known = multiplier() * BigUint::from(GENERATOR).modpow(&private, &prime());
            let base = (server + prime() * multiplier() - known) % prime();
            let shared = base.modpow(&(&self.secret + &scrambler * private), &prime());
            let extracted =
                hmac::sign(&hmac::Key::new(HMAC_SHA256, &padded(&scrambler)), &padded(&shared));
            let key = hmac::sign(&hmac::Key::new(HMAC_SHA256, extracted.as_ref()), INFO);
            key.as_ref()[..KEY].to_vec()
        }
    }

    fn identity(password: &str) -> Identity<'_> {
        Identity { pool: "LocalDemo", username: "ada", password, salt: "8f00" }
    }

    #[test]
    fn both_sides_have_one_key_if_the_password_is_right() {
        let server = Server::new(&[7; 64], &identity("right"));
        let client = Client::new();
        let key = server.key(&client.public, &identity("right")).unwrap();
        assert_eq!(client.key(&server.public, &identity("right")), key);
        assert_ne!(client.key(&server.public, &identity("wrong")), key);

        let signature = hmac::sign(&hmac::Key::new(HMAC_SHA256, &key), b"LocalDemoadablockTime");
        let proves = |block: &[u8], time: &str| {
            identity("right").is_proven(&key, block, time, signature.as_ref())
        };
        assert!(proves(b"block", "Time"));
        assert!(!proves(b"other", "Time") && !proves(b"block", "Tome"));
    }

    #[test]
    fn numbers_that_give_the_key_away_are_refused() {
        let server = Server::new(&[7; 64], &identity("right"));
        let twice = (prime() * 2_u32).to_str_radix(16);
        for client in ["0", "00", PRIME, &twice, "", "xyz", "-1", &"f".repeat(PRIME.len() + 3)] {
            assert!(server.key(client, &identity("right")).is_none(), "{client}");
        }
    }
}
