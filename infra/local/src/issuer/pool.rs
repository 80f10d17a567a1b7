//! The user pool: who may have tokens, and the making of them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;
use uuid::{Builder, Uuid};

use super::claims::{Access, FIXED, Id, extra};
use super::keys::{Keys, Retired, Ring};
use super::session::{Seal, Session};
use super::{AppClient, Error, Options, Tokens, User};

/// The scope of every access token that comes from a password instead of an OAuth 2.0 grant.
const SIGN_IN_SCOPE: &str = "aws.cognito.signin.user.admin";

/// A running pool's state, shared by the issuer's handlers.
pub(super) struct Pool {
    pub(super) id: String,
    /// The server's address as a URL, without a path.
    pub(super) origin: String,
    /// The `iss` of the tokens: origin and id.
    pub(super) issuer: String,
    /// Of access and ID tokens, in seconds.
    pub(super) lifetime: u64,
    pub(super) clients: HashMap<String, AppClient>,
    pub(super) users: HashMap<String, User>,
    pub(super) seal: Seal,
    ring: RwLock<Ring>,
    /// Making keys is work: however many ask for a rotation, one runs at a time.
    rotating: Mutex<()>,
    now: super::Now,
}

impl Pool {
    /// Checks `options` and makes the keys.
    pub(super) async fn open(origin: String, options: Options) -> Result<Self, Error> {
        let Options { pool, clients, users, token_lifetime, now } = options;
        if !is_pool_id(&pool) {
            return Err(Error::Pool(pool));
        }
        for (owner, claims) in clients
            .iter()
            .map(|client| (&client.id, &client.claims))
            .chain(users.iter().map(|user| (&user.username, &user.claims)))
            .chain(users.iter().map(|user| (&user.username, &user.attributes)))
        {
            if let Some(claim) = claims.keys().find(|name| FIXED.contains(&name.as_str())) {
                return Err(Error::Claim { owner: owner.clone(), claim: claim.clone() });
            }
        }
        Ok(Self {
            issuer: super::url(&origin, &pool),
            id: pool,
            origin,
            lifetime: token_lifetime.as_secs(),
            clients: by_name(clients, |client| &client.id)?,
            users: by_name(users, |user| &user.username)?,
            seal: Seal::generate()?,
            ring: RwLock::new(Ring::new(Keys::generate().await?)),
            rotating: Mutex::new(()),
            now,
        })
    }

    pub(super) fn now(&self) -> u64 {
        (self.now)()
    }

    /// The client with this id, if any.
    pub(super) fn client(&self, id: &str) -> Result<&AppClient, Error> {
        self.clients.get(id).ok_or_else(|| Error::UnknownClient(id.to_owned()))
    }

    /// An access token for a machine: its subject is the client itself.
    pub(super) fn machine_token(&self, client: &AppClient, scope: &str) -> Result<String, Error> {
        let now = self.now();
        self.keys().access.sign(&Access {
            sub: &client.id,
            groups: &[],
            iss: &self.issuer,
            version: 2,
            client_id: &client.id,
            origin_jti: None,
            token_use: "access",
            scope,
            auth_time: now,
            exp: now.saturating_add(self.lifetime),
            iat: now,
            jti: Uuid::new_v4().to_string(),
            username: None,
            extra: extra(&[&client.claims]),
        })
    }

    /// Starts a session for a user who has proved who they are.
    pub(super) fn sign_in(&self, client: &AppClient, user: &User) -> Result<Tokens, Error> {
        self.tokens(
            client,
            user,
            &Session {
                client_id: client.id.clone(),
                username: user.username.clone(),
                origin_jti: Uuid::new_v4().to_string(),
                auth_time: self.now(),
            },
        )
    }

    /// A session's tokens, as of now.
    pub(super) fn tokens(
        &self,
        client: &AppClient,
        user: &User,
        session: &Session,
    ) -> Result<Tokens, Error> {
        let (now, keys) = (self.now(), self.keys());
        let exp = now.saturating_add(self.lifetime);
        let sub = self.subject(user);
        let access = keys.access.sign(&Access {
            sub: &sub,
            groups: &user.groups,
            iss: &self.issuer,
            version: 2,
            client_id: &client.id,
            origin_jti: Some(&session.origin_jti),
            token_use: "access",
            scope: SIGN_IN_SCOPE,
            auth_time: session.auth_time,
            exp,
            iat: now,
            jti: Uuid::new_v4().to_string(),
            username: Some(&user.username),
            extra: extra(&[&client.claims, &user.claims]),
        })?;
        let id = keys.id.sign(&Id {
            sub: &sub,
            groups: &user.groups,
            iss: &self.issuer,
            username: &user.username,
            origin_jti: &session.origin_jti,
            aud: &client.id,
            token_use: "id",
            auth_time: session.auth_time,
            exp,
            iat: now,
            jti: Uuid::new_v4().to_string(),
            extra: extra(&[&user.attributes]),
        })?;
        Ok(Tokens { access, id, refresh: self.seal.seal(session)? })
    }

    /// Makes new keys and lets them sign.
    pub(super) async fn rotate(&self, retired: Retired) -> Result<(), Error> {
        let _alone = self.rotating.lock().await;
        let fresh = Keys::generate().await?;
        self.ring.write().unwrap_or_else(PoisonError::into_inner).rotate(fresh, retired);
        Ok(())
    }

    /// The published key set, as JSON text.
    pub(super) fn jwks(&self) -> Result<String, Error> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).jwks()
    }

    fn keys(&self) -> Arc<Keys> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).current()
    }

    /// A user's `sub`: a UUID that is the same after a restart, so that what a kept table says of
    /// a subject still means the same user.
    fn subject(&self, user: &User) -> String {
        let name = digest(&SHA256, format!("{}/{}", self.id, user.username).as_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(name.as_ref()).for_each(|(byte, digest)| *byte = *digest);
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

/// Compares secrets in a time that depends on neither's content or length.
pub(super) fn same_secret(given: &str, kept: &str) -> bool {
    let given = digest(&SHA256, given.as_bytes());
    let kept = digest(&SHA256, kept.as_bytes());
    verify_slices_are_equal(given.as_ref(), kept.as_ref()).is_ok()
}

/// `{region}_{letters and digits}`, at most 55 bytes: the form that Cognito gives its pools.
fn is_pool_id(id: &str) -> bool {
    id.len() <= 55
        && id.split_once('_').is_some_and(|(region, name)| {
            !region.is_empty()
                && !name.is_empty()
                && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && name.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

fn by_name<T>(items: Vec<T>, name: impl Fn(&T) -> &String) -> Result<HashMap<String, T>, Error> {
    let mut named = HashMap::with_capacity(items.len());
    for item in items {
        let name = name(&item).clone();
        if named.contains_key(&name) {
            return Err(Error::Twice(name));
        }
        named.insert(name, item);
    }
    Ok(named)
}
