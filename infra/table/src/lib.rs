#![doc = include_str!("../README.md")]

mod assignments;
mod clock_offset;
pub mod connect;
mod digest;
mod error;
mod item;
mod items;
mod key;
mod keys;
mod notices;
mod plans;
mod revocations;
mod schema;
mod time;

pub use assignments::{Assignment, Assignments, Chain, ChainProblem, MAX_PARENTS, ParentError};
pub use aws_sdk_dynamodb::Client;
pub use clock_offset::clock_offset;
pub use connect::Connect;
pub use digest::{Digest, DigestError};
pub use error::{Damage, Error, Failure, TextError, WriteError};
pub use item::{
    Attribute, Attributes, Deletable, EXPIRES_AT, Item, PK, Reader, check_text, item_key, number,
    read_item, text,
};
pub use items::{Items, Page};
pub use key::{Key, KeyError};
pub use keys::{KeyDetails, KeyRecord, KeyRights, Keys};
pub use notices::{Claim, Notice, NoticeId, Notices};
pub use plans::{Plans, StoredPlan};
pub use revocations::{Revocable, RevocableError, Revocation, RevocationKind, Revocations};
pub use schema::{SchemaError, Status, check, check_name, create};
