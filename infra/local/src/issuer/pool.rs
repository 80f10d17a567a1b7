//! The user pool: who may have tokens, and the making of them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;
use uuid::Builder;

use super::claims::{Facts, Person};
use super::exception::Exception;
use super::keys::{Keys, Retired, Ring, Typ};
use super::session::{Seal, Session, Sessions};
use super::{AppClient, Error, Form, Options, Tokens, User};

/// The number of users at which nobody can sign up any more.
const MAX_USERS: usize = 10_000;

/// A running pool's state, shared by the issuer's handlers.
pub(super) struct Pool {
    pub(super) id: String,
    /// The address below which everything is served: the server's own, and the pool's id.
    address: String,
    /// The address of the token endpoint and of sign-ins: the server's own for the first pool.
    pub(super) base: String,
    /// The `iss` of the tokens: origin and id, unless the options name another.
    pub(super) issuer: String,
    pub(super) form: Form,
    /// Of access and ID tokens, in seconds.
    pub(super) lifetime: u64,
    pub(super) clients: HashMap<String, AppClient>,
    /// The client that users sign in through if they name none.
    sign_in_client: Option<String>,
    users: RwLock<HashMap<String, User>>,
    /// The users that signed up and did not confirm yet.
    unconfirmed: RwLock<HashSet<String>>,
    pub(super) seal: Seal,
    pub(super) sessions: Sessions,
    /// Authorization codes that were used, and when they would have expired.
    used_codes: std::sync::Mutex<HashMap<String, u64>>,
    ring: RwLock<Ring>,
    /// Making keys is work: however many ask for a rotation, one runs at a time.
    rotating: Mutex<()>,
    now: super::Now,
}

impl Pool {
    /// Checks `options` and makes the keys.
    pub(super) async fn open(
        origin: String,
        is_first: bool,
        options: Options,
    ) -> Result<Self, Error> {
        let Options { pool, iss, form, clients, users, token_lifetime, now } = options;
        if !is_path(&pool) || form.is_cognito && !is_pool_id(&pool) {
            return Err(Error::Pool(pool));
        }
        for (owner, claims) in clients
            .iter()
            .map(|client| (&client.id, &client.claims))
            .chain(users.iter().map(|user| (&user.username, &user.claims)))
            .chain(users.iter().map(|user| (&user.username, &user.attributes)))
        {
            if let Some(claim) = claims.keys().find(|name| form.is_fixed(name)) {
                return Err(Error::Claim { owner: owner.clone(), claim: claim.clone() });
            }
        }
        let public = clients.iter().find(|client| client.is_public);
        let sign_in_client = public.or(clients.first()).map(|client| client.id.clone());
        let address = super::url(&origin, &pool);
        Ok(Self {
            issuer: iss.unwrap_or_else(|| address.clone()),
            form,
            id: pool,
            base: if is_first { origin } else { address.clone() },
            address,
            lifetime: token_lifetime.as_secs(),
            clients: by_name(clients, |client| &client.id)?,
            sign_in_client,
            users: RwLock::new(by_name(users, |user| &user.username)?),
            unconfirmed: RwLock::default(),
            seal: Seal::generate()?,
            sessions: Sessions::default(),
            used_codes: std::sync::Mutex::default(),
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

    /// The user with this name, if any.
    pub(super) fn user(&self, name: &str) -> Result<User, Error> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.get(name).cloned().ok_or_else(|| Error::UnknownUser(name.to_owned()))
    }

    /// The user with this `sub`, if any.
    pub(super) fn user_by_subject(&self, subject: &str) -> Option<User> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.values().find(|user| self.subject(user) == subject).cloned()
    }

    /// Adds a user, who cannot sign in before the name is confirmed.
    pub(super) fn sign_up(&self, user: User) -> Result<(), Exception> {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        if users.contains_key(&user.username) {
            return Err(Exception::new("UsernameExistsException", "User already exists"));
        }
        if users.len() >= MAX_USERS {
            return Err(Exception::new("LimitExceededException", "the pool has too many users"));
        }
        let mut unconfirmed = self.unconfirmed.write().unwrap_or_else(PoisonError::into_inner);
        unconfirmed.insert(user.username.clone());
        users.insert(user.username.clone(), user);
        Ok(())
    }

    /// Lets a user sign in.
    pub(super) fn confirm(&self, name: &str) {
        self.unconfirmed.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    pub(super) fn is_unconfirmed(&self, name: &str) -> bool {
        self.unconfirmed.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// Returns true if this authorization code is used for the first time.
    pub(super) fn use_code(&self, id: &str, until: u64) -> bool {
        let mut used = self.used_codes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        used.retain(|_, until| *until > now);
        used.insert(id.to_owned(), until).is_none()
    }

    /// The client that a user signs in through who names none: the first public one.
    pub(super) fn sign_in_client(&self, user: &User) -> Result<&AppClient, Error> {
        let id = self.sign_in_client.as_deref();
        self.client(id.ok_or_else(|| Error::NoClient(user.username.clone()))?)
    }

    /// The address of the key set.
    pub(super) fn jwks_uri(&self) -> String {
        super::jwks_uri(&self.address)
    }

    /// The address of the token endpoint.
    pub(super) fn token_endpoint(&self) -> String {
        format!("{}/oauth2/token", self.base)
    }

    /// An access token for a machine: its subject is the client itself.
    pub(super) fn machine_token(&self, client: &AppClient, scope: &str) -> Result<String, Error> {
        let now = self.now();
        let facts = Facts {
            form: &self.form,
            iss: &self.issuer,
            sub: &client.id,
            client: &client.id,
            iat: now,
            exp: now.saturating_add(self.lifetime),
            auth_time: now,
            scopes: scope.to_owned(),
            user: None,
        };
        self.keys().access.sign(&facts.access(&[&client.claims]), self.access_typ())
    }

    /// RFC 9068 section 2.1: the type that marks an access token; Cognito's has none.
    fn access_typ(&self) -> Typ {
        if self.form.is_cognito { None } else { Some("at+jwt") }
    }

    /// Starts a session for a user who has proved who they are.
    pub(super) fn sign_in(&self, client: &AppClient, user: &User) -> Result<Tokens, Error> {
        self.tokens(client, user, &self.session(client, user))
    }

    /// A new session.
    pub(super) fn session(&self, client: &AppClient, user: &User) -> Session {
        Session {
            client_id: client.id.clone(),
            username: user.username.clone(),
            origin_jti: self.sessions.begin(&user.username),
            auth_time: self.now(),
            scopes: None,
            nonce: None,
        }
    }

    /// A session's tokens, as of now.
    pub(super) fn tokens(
        &self,
        client: &AppClient,
        user: &User,
        session: &Session,
    ) -> Result<Tokens, Error> {
        let (now, keys) = (self.now(), self.keys());
        let facts = Facts {
            form: &self.form,
            iss: &self.issuer,
            sub: &self.subject(user),
            client: &client.id,
            iat: now,
            exp: now.saturating_add(self.lifetime),
            auth_time: session.auth_time,
            scopes: user.scopes.join(" "),
            user: Some(Person {
                username: &user.username,
                groups: &user.groups,
                origin_jti: &session.origin_jti,
                granted: session.scopes.as_deref(),
                nonce: session.nonce.as_deref(),
            }),
        };
        let access = facts.access(&[&client.claims, &user.claims]);
        let access = keys.access.sign(&access, self.access_typ())?;
        let id = keys.id.sign(&facts.id(&[&user.attributes]), None)?;
        Ok(Tokens { access, id, refresh: self.seal.refresh_token(session)? })
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

    /// The public keys that tokens of this pool verify by.
    pub(super) fn public_keys(&self) -> Vec<Vec<u8>> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).access_keys()
    }

    fn keys(&self) -> Arc<Keys> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).current()
    }

    /// A user's `sub`: a UUID that is the same after a restart, so that what a kept table says of
    /// a subject still means the same user.
    pub(super) fn subject(&self, user: &User) -> String {
        if let Some(sub) = &user.sub {
            return sub.clone();
        }
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

/// Returns true for a text that can be one segment of a path as it is.
fn is_path(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
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
