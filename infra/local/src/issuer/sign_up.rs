//! `SignUp`, `ConfirmSignUp` and `ResendConfirmationCode`.
//!
//! Cognito sends a code by mail. Nothing is sent from here: the code is always [`CODE`].

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::User;
use super::api::{client, required};
use super::exception::Exception;
use super::pool::Pool;
use super::sign_in::check_hash;

/// The confirmation code of every sign-up.
pub const CODE: &str = "123456";

/// The shortest password; with it go an upper and a lower case letter, a number and a symbol.
const MIN_PASSWORD: usize = 8;
/// The longest name, password or attribute, in bytes.
const MAX_TEXT: usize = 2048;
/// The attributes that one user may have.
const MAX_ATTRIBUTES: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SignUp {
    client_id: Option<String>,
    username: Option<String>,
    password: Option<String>,
    secret_hash: Option<String>,
    user_attributes: Option<Vec<Attribute>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Confirmation {
    client_id: Option<String>,
    username: Option<String>,
    confirmation_code: Option<String>,
    secret_hash: Option<String>,
}

pub(super) fn sign_up(pool: &Pool, request: SignUp) -> Result<Value, Exception> {
    let client = client(pool, request.client_id)?;
    let username = required(request.username, "Username")?;
    let password = required(request.password, "Password")?;
    check_hash(client, &username, request.secret_hash.as_deref())?;
    if username.len() > 128 || password.len() > 256 {
        return Err(Exception::parameter("Username or Password is too long"));
    }
    check_password(&password)?;
    let given = request.user_attributes.unwrap_or_default();
    if given.len() > MAX_ATTRIBUTES {
        return Err(Exception::parameter("UserAttributes has too many members"));
    }
    let mut attributes = Map::new();
    for Attribute { name, value } in given {
        let value = value.unwrap_or_default();
        if name.len() > MAX_TEXT || value.len() > MAX_TEXT || pool.form.is_fixed(&name) {
            return Err(Exception::parameter("UserAttributes has one that can't be set"));
        }
        attributes.insert(name, value.into());
    }
    let delivery = delivery(&attributes);
    let user = User {
        username,
        password,
        sub: None,
        groups: Vec::new(),
        scopes: Vec::new(),
        attributes,
        claims: Map::new(),
    };
    let sub = pool.subject(&user);
    pool.sign_up(user)?;
    let mut answer = json!({"UserConfirmed": false, "UserSub": sub});
    if let (Some(delivery), Some(members)) = (delivery, answer.as_object_mut()) {
        members.insert("CodeDeliveryDetails".to_owned(), delivery);
    }
    Ok(answer)
}

pub(super) fn confirm(pool: &Pool, request: Confirmation) -> Result<Value, Exception> {
    let client = client(pool, request.client_id)?;
    let username = required(request.username, "Username")?;
    let code = required(request.confirmation_code, "ConfirmationCode")?;
    check_hash(client, &username, request.secret_hash.as_deref())?;
    let is_waiting = pool.is_unconfirmed(&username);
    if pool.user(&username).is_ok() && !is_waiting {
        let text = "User cannot be confirmed. Current status is CONFIRMED";
        return Err(Exception::not_authorized(text));
    }
    // An unknown user is not told from a wrong code.
    if !is_waiting || code != CODE {
        let text = "Invalid verification code provided, please try again.";
        return Err(Exception::new("CodeMismatchException", text));
    }
    pool.confirm(&username);
    Ok(json!({}))
}

pub(super) fn resend(pool: &Pool, request: Confirmation) -> Result<Value, Exception> {
    let client = client(pool, request.client_id)?;
    let username = required(request.username, "Username")?;
    check_hash(client, &username, request.secret_hash.as_deref())?;
    let user = pool.user(&username).ok().filter(|_| pool.is_unconfirmed(&username));
    let delivery = user.and_then(|user| delivery(&user.attributes));
    Ok(delivery.map_or_else(|| json!({}), |delivery| json!({ "CodeDeliveryDetails": delivery })))
}

/// The place that a code would be sent to.
fn delivery(attributes: &Map<String, Value>) -> Option<Value> {
    let email = attributes.get("email")?.as_str()?;
    let (name, domain) = email.split_once('@')?;
    let (name, domain) = (name.chars().next()?, domain.chars().next()?);
    Some(json!({
        "AttributeName": "email", "DeliveryMedium": "EMAIL",
        "Destination": format!("{name}***@{domain}***"),
    }))
}

/// Cognito's default password policy.
fn check_password(password: &str) -> Result<(), Exception> {
    let has = |of: fn(char) -> bool| password.chars().any(of);
    let lack = if password.len() < MIN_PASSWORD {
        "Password not long enough"
    } else if !has(|c| c.is_ascii_lowercase()) {
        "Password must have lowercase characters"
    } else if !has(|c| c.is_ascii_uppercase()) {
        "Password must have uppercase characters"
    } else if !has(|c| c.is_ascii_digit()) {
        "Password must have numeric characters"
    } else if !has(|c| !c.is_ascii_alphanumeric()) {
        "Password must have symbol characters"
    } else {
        return Ok(());
    };
    let text = format!("Password did not conform with policy: {lack}");
    Err(Exception::new("InvalidPasswordException", text))
}
