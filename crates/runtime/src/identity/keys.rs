use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Doc, Expect, Invalid, Put, StoreError, StoreResult, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Caller, owner};
use crate::engine::Engine;

/// API keys in one store.
pub const KEYS_MAX: usize = 10_000;

const FOLDER: &str = "identity/key/";
/// Tells what it is, to people and to programs that look for secrets in the wrong places.
const MARK: &str = "lsk";

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To look at one's own jobs.
    Read,
    /// To insert jobs, and to change one's own.
    Submit,
    /// Everything: all jobs, queues, schedules, workers, keys.
    Admin,
}

impl Scope {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Read, Self::Submit, Self::Admin];
        let found = all.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| Invalid::new("scopes", "read, submit or admin", format!("{text:?}")))
    }
}

/// A key as it is asked for.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// To whom the jobs belong that are inserted with it.
    pub owner: String,
    /// What it allows; at least one.
    pub scopes: Vec<Scope>,
    /// After so long it is worth nothing; none is never.
    pub expires_in: Option<Duration>,
}

/// A key as it is kept: everything but its secret, of which only a hash is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Names it; not secret.
    pub id: String,
    /// To whom the jobs belong that are inserted with it.
    pub owner: Arc<str>,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to be worth anything.
    pub expires_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it allows as much; `admin` allows everything.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// On whose behalf a request with this key is answered.
    pub fn caller(&self) -> Caller {
        Caller { name: Some(self.owner.clone()), is_bound: !self.allows(Scope::Admin), ..Caller::default() }
    }
}

/// What stands in the store.
#[derive(Serialize, Deserialize)]
struct Kept {
    owner: Arc<str>,
    scopes: Vec<Scope>,
    created_at: Timestamp,
    /// SHA-256 of the secret. A secret is 256 random bits: nobody finds one by trying, so it needs no slow hash.
    hash: [u8; 32],
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The API keys of a store. A revoked key is refused from the next request on, in every process.
#[derive(Clone)]
pub struct Keys {
    engine: Engine,
}

impl Engine {
    /// The API keys of the store.
    pub fn keys(&self) -> Keys {
        Keys { engine: self.clone() }
    }
}

impl Keys {
    /// Makes a key; the text is shown this once and cannot be found out again.
    pub async fn create(&self, new: &NewKey) -> StoreResult<(ApiKey, String)> {
        let tell = |(key, _): &(ApiKey, String)| json!({ "id": key.id, "scopes": key.scopes });
        self.engine.audited("key.create", &new.owner, self.make(new), tell).await
    }

    async fn make(&self, new: &NewKey) -> StoreResult<(ApiKey, String)> {
        let owner = owner(&new.owner)?;
        let mut scopes = new.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(Invalid::new("scopes", "at least one of read, submit and admin", "none").into());
        }
        if new.expires_in.is_some_and(|wait| wait.is_zero()) {
            return Err(Invalid::new("expires_in", "more than nothing", "0s").into());
        }
        if self.list().await?.len() >= KEYS_MAX {
            let expected = format!("at most {KEYS_MAX} keys in a store; revoke some");
            return Err(Invalid::new("keys", expected, KEYS_MAX + 1).code("too_many").into());
        }
        let (chance, now) = (&self.engine.door().chance, self.engine.now());
        let id = format!("{:016x}", chance.bits());
        let [a, b, c, d] = std::array::from_fn(|_| chance.bits());
        let secret = format!("{a:016x}{b:016x}{c:016x}{d:016x}");
        let kept = Kept { owner, scopes, created_at: now, hash: digest(&secret) };
        let value = Bytes::from(serde_json::to_vec(&kept).unwrap_or_default());
        let name = format!("{FOLDER}{id}");
        match self.engine.store().doc_put(&name, value, Expect::Absent, new.expires_in, now).await? {
            Put::Written(_) => {}
            Put::Conflict(_) => return Err(StoreError::Unavailable("the id of the key is taken".to_owned())),
        }
        let text = format!("{MARK}_{id}_{secret}");
        let expires_at = new.expires_in.map(|wait| now + wait);
        let Kept { owner, scopes, created_at, .. } = kept;
        Ok((ApiKey { id, owner, scopes, created_at, expires_at }, text))
    }

    /// All keys that are worth something, by their ids.
    pub async fn list(&self) -> StoreResult<Vec<ApiKey>> {
        let (mut keys, mut after) = (Vec::new(), None::<String>);
        loop {
            let now = self.engine.now();
            let page = self.engine.store().doc_list(FOLDER, after.as_deref(), 1_000, now).await?;
            let Some(last) = page.last() else { return Ok(keys) };
            after = Some(last.key.clone());
            keys.extend(page.iter().filter_map(|doc| read(doc).map(|(key, _)| key)));
        }
    }

    /// Makes a key worthless; tells whether there was one.
    pub async fn revoke(&self, id: &str) -> StoreResult<bool> {
        let name = format!("{FOLDER}{id}");
        let delete = self.engine.store().doc_delete(&name, Expect::Anything, self.engine.now());
        self.engine.audited("key.revoke", id, delete, |was_there| json!({ "was_there": was_there })).await
    }

    /// The key whose text this is, if it is worth something.
    pub async fn find(&self, text: &str) -> StoreResult<Option<ApiKey>> {
        let mut parts = text.splitn(3, '_');
        let (Some(MARK), Some(id), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(None);
        };
        if id.len() != 16 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let found = self.engine.store().doc_get(&format!("{FOLDER}{id}"), self.engine.now()).await?;
        let Some((key, hash)) = found.as_ref().and_then(read) else { return Ok(None) };
        let same: bool = digest(secret).ct_eq(&hash).into();
        Ok(same.then_some(key))
    }
}

/// A key, and the hash of its secret.
fn read(doc: &Doc) -> Option<(ApiKey, [u8; 32])> {
    let id = doc.key.strip_prefix(FOLDER)?.to_owned();
    let Kept { owner, scopes, created_at, hash } = serde_json::from_slice(&doc.value).ok()?;
    Some((ApiKey { id, owner, scopes, created_at, expires_at: doc.expires_at }, hash))
}
