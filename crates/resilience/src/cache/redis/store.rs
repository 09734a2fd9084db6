use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use longshore_clock::{Chance, Clock};
use redis::{FromRedisValue, RedisResult, Script, cmd, pipe};
use serde::{Deserialize, Serialize};

use super::entry::{self, Written, millis};
use super::link::Link;
use crate::cache::backend::{Found, Life, Which};
use crate::cache::body::Body;
use crate::cache::marks::{Baseline, FarMarks, Marks, bucket};
use crate::cache::stats::Counters;
use crate::cache::{CacheError, Glob};

/// Entries looked at, or removed, in one step, so that nobody else waits long.
const STEP: usize = 500;

/// Keeps an entry unless something that matters to it was invalidated; files it under its tags, and forgets there what is
/// over.
///
/// Keys: entry, marks, one set for each tag. Arguments: entry, milliseconds or '', logical key, '1' if this is news,
/// channel, message, what stands before the name of a tag, then each mark (the epoch, all, that of the key, those of the tags) and,
/// unless this is news, what it was.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local marks = #KEYS + 1
if ARGV[4] == '1' then
  redis.call('HINCRBY', KEYS[2], ARGV[10], 1)
  redis.call('PUBLISH', ARGV[5], ARGV[6])
else
  for i = 0, marks - 1 do
    local now = redis.call('HGET', KEYS[2], ARGV[8 + i]) or '0'
    if now ~= ARGV[8 + marks + i] then return 0 end
  end
end
local is_tag = {}
for i = 3, #KEYS do is_tag[KEYS[i]] = true end
local old = redis.pcall('GETRANGE', KEYS[1], 0, 4200)
if type(old) == 'string' and string.byte(old, 1) == 1 then
  local at = 12
  for _ = 1, string.byte(old, 11) or 0 do
    local length = string.byte(old, at)
    if not length then break end
    local tag = ARGV[7] .. string.sub(old, at + 1, at + length)
    if not is_tag[tag] then redis.pcall('ZREM', tag, ARGV[3]) end
    at = at + length + 1
  end
end
local over = '+inf'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == '' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  over = now + ARGV[2]
end
for i = 3, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
  redis.call('ZADD', KEYS[i], over, ARGV[3])
  local last = redis.call('ZRANGE', KEYS[i], -1, -1, 'WITHSCORES')[2]
  if last == 'inf' then
    redis.call('PERSIST', KEYS[i])
  else
    redis.call('PEXPIREAT', KEYS[i], math.floor(tonumber(last)))
  end
end
return 1
",
    )
});

/// Removes some entries of a tag, and says so in the same step, so that nobody keeps what is gone if there is no next one.
/// Keys: its set. Arguments: what stands before keys, how many at most, channel, message. Gives how many were named and
/// how many there were.
static UNTAG: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local keys = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)
if #keys == 0 then return {0, 0} end
local entries = {}
for i, key in ipairs(keys) do entries[i] = ARGV[1] .. key end
redis.call('ZREM', KEYS[1], unpack(keys))
redis.call('PUBLISH', ARGV[3], ARGV[4])
return {#keys, redis.call('UNLINK', unpack(entries))}
",
    )
});

/// Removes an entry, and says so in the same step. Keys: entry, marks. Arguments: the mark of the key, channel, message.
static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('PUBLISH', ARGV[2], ARGV[3])
return redis.call('UNLINK', KEYS[1])
",
    )
});

/// Removes names, and says so in the same step. Keys: the names. Arguments: channel and message, if it matters to anybody.
static UNLINK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if ARGV[1] then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return redis.call('UNLINK', unpack(KEYS))
",
    )
});

/// What is told to all who share the entries.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Gone {
    Key(String),
    Tag(String),
    Pattern(String),
    All,
}

/// Entries in a Redis that many processes share.
pub(in crate::cache) struct RedisStore {
    pub(super) link: Arc<Link>,
    pub(super) prefix: String,
    /// Of what this process has invalidated.
    pub(super) marks: Mutex<Marks>,
    pub(super) chance: Chance,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
}

impl RedisStore {
    fn entry(&self, key: &str) -> String {
        format!("{}:{key}", self.prefix)
    }

    // What is not an entry has a sign in its name that no prefix has.
    fn tag(&self, tag: &str) -> String {
        format!("{}#tag:{tag}", self.prefix)
    }

    fn marks_name(&self) -> String {
        format!("{}#marks", self.prefix)
    }

    fn own_marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn channel(&self) -> String {
        format!("{}#gone", self.prefix)
    }

    /// The marks that matter to a key with these tags.
    fn mark_names(key: &str, tags: &[Arc<str>]) -> Vec<String> {
        let first = ["all".to_owned(), format!("k{}", bucket(key))];
        first.into_iter().chain(tags.iter().map(|tag| format!("t{}", bucket(tag)))).collect()
    }

    fn notice(gone: &Gone) -> String {
        // Texts can always be JSON.
        serde_json::to_string(gone).unwrap_or_default()
    }

    async fn call<T, Fut>(
        &self,
        send: impl FnOnce(redis::aio::MultiplexedConnection) -> Fut,
    ) -> Result<T, CacheError>
    where
        Fut: Future<Output = RedisResult<T>>,
    {
        self.link.call(send).await.map_err(|error| {
            self.counters.errors.add();
            tracing::debug!(prefix = self.prefix, error, "the cache was not reached");
            CacheError::Unreachable(error)
        })
    }

    async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, CacheError> {
        self.call(|mut wire| async move { command.query_async(&mut wire).await }).await
    }

    pub(super) async fn read(&self, key: &str) -> Option<Written> {
        let bytes = self.ask(cmd("GET").arg(self.entry(key))).await.ok()?;
        self.written(bytes)
    }

    fn written(&self, bytes: Option<Vec<u8>>) -> Option<Written> {
        let written = entry::read(&bytes?, self.clock.now());
        if written.is_none() {
            self.counters.errors.add();
        }
        written
    }

    pub(in crate::cache) async fn get(&self, key: &str) -> Option<Found> {
        self.read(key).await.map(|written| written.found)
    }

    pub(in crate::cache) async fn begin(&self, key: &str, tags: &[Arc<str>]) -> (Baseline, Option<Found>) {
        let near = self.own_marks().read(key, tags);
        let mut marks = pipe();
        marks.cmd("HSETNX").arg(self.marks_name()).arg("epoch").arg(self.chance.bits() >> 1).ignore();
        marks.cmd("HMGET").arg(self.marks_name()).arg("epoch").arg(Self::mark_names(key, tags));
        // Two questions: an entry that is none must not keep us from the marks.
        let (marks, found) = tokio::join!(
            self.call(|mut wire| async move { marks.query_async::<(Vec<Option<u64>>,)>(&mut wire).await }),
            self.read(key)
        );
        let far = marks.ok().and_then(|(marks,)| {
            let mut marks = marks.into_iter().map(Option::unwrap_or_default);
            Some(FarMarks { epoch: marks.next()?, marks: marks.collect() })
        });
        (Baseline { tags: tags.into(), near, far }, found.map(|written| written.found))
    }

    pub(in crate::cache) async fn put(
        &self,
        key: &str,
        body: &Body,
        life: Life,
        tags: &[Arc<str>],
        baseline: Option<&Baseline>,
    ) -> bool {
        // What could not be asked before it was loaded cannot be kept now.
        let was = match baseline.map(|baseline| &baseline.far) {
            Some(None) => return false,
            Some(Some(marks)) => Some(marks),
            None => {
                self.own_marks().key(key);
                None
            }
        };
        let kept_for = life.ttl.map(|ttl| millis(ttl.saturating_add(life.stale)));
        let mut put = PUT.key(self.entry(key));
        put.key(self.marks_name());
        for tag in tags {
            put.key(self.tag(tag));
        }
        put.arg(entry::write(body, life, tags, self.clock.now()));
        put.arg(kept_for.map(|millis| millis.to_string()).unwrap_or_default());
        put.arg(key).arg(if was.is_none() { "1" } else { "0" });
        put.arg(self.channel()).arg(Self::notice(&Gone::Key(key.to_owned()))).arg(self.tag(""));
        put.arg("epoch").arg(Self::mark_names(key, tags));
        if let Some(was) = was {
            put.arg(was.epoch.to_string());
            for mark in &was.marks {
                put.arg(mark.to_string());
            }
        }
        let kept: Result<u8, _> =
            self.call(|mut wire| async move { put.invoke_async(&mut wire).await }).await;
        kept.is_ok_and(|kept| kept == 1)
    }

    pub(in crate::cache) async fn remove(&self, which: Which<'_>) -> Result<u64, CacheError> {
        {
            let mut marks = self.own_marks();
            match which {
                Which::Key(key) => marks.key(key),
                Which::Tag(tag) => marks.tag(tag),
                Which::Pattern(_) | Which::All => marks.all(),
            }
        }
        let notice = Self::notice(&match which {
            Which::Key(key) => Gone::Key(key.to_owned()),
            Which::Tag(tag) => Gone::Tag(tag.to_owned()),
            Which::Pattern(glob) => Gone::Pattern(glob.to_string()),
            Which::All => Gone::All,
        });
        let removed = match which {
            Which::Key(key) => {
                let mut remove = REMOVE.key(self.entry(key));
                remove.key(self.marks_name());
                remove.arg(format!("k{}", bucket(key))).arg(self.channel()).arg(notice);
                return self.call(|mut wire| async move { remove.invoke_async(&mut wire).await }).await;
            }
            Which::Tag(tag) => {
                self.mark(&format!("t{}", bucket(tag))).await?;
                self.untag(tag, &notice).await?
            }
            Which::Pattern(glob) => {
                self.mark("all").await?;
                self.sweep(glob, &notice).await?
            }
            Which::All => {
                self.mark("all").await?;
                // The sets first: an entry that comes meanwhile keeps its own.
                self.unlink(&format!("{}#tag:*", self.prefix), |_| true, None).await?;
                self.unlink(&format!("{}:*", self.prefix), |_| true, Some(&notice)).await?
            }
        };
        // What Redis had dropped by itself may be elsewhere.
        let _: u64 = self.ask(cmd("PUBLISH").arg(self.channel()).arg(notice)).await?;
        Ok(removed)
    }

    /// What was loaded before this is not kept.
    async fn mark(&self, name: &str) -> Result<u64, CacheError> {
        self.ask(cmd("HINCRBY").arg(self.marks_name()).arg(name).arg(1)).await
    }

    async fn untag(&self, tag: &str, notice: &str) -> Result<u64, CacheError> {
        let before = format!("{}:", self.prefix);
        let set = self.tag(tag);
        let mut removed = 0;
        loop {
            let mut untag = UNTAG.key(&set);
            untag.arg(&before).arg(STEP).arg(self.channel()).arg(notice);
            let (named, gone): (usize, u64) =
                self.call(|mut wire| async move { untag.invoke_async(&mut wire).await }).await?;
            removed += gone;
            if named == 0 {
                return Ok(removed);
            }
        }
    }

    async fn sweep(&self, glob: &Glob, notice: &str) -> Result<u64, CacheError> {
        let start = self.prefix.len() + 1;
        let fits = |entry: &str| entry.get(start..).is_some_and(|key| glob.fits(key));
        self.unlink(&format!("{}:{}", self.prefix, glob.for_redis()), fits, Some(notice)).await
    }

    /// Removes what Redis finds by a pattern and we do too, step by step, and says so in each, if it matters to anybody.
    async fn unlink(
        &self,
        pattern: &str,
        fits: impl Fn(&str) -> bool,
        notice: Option<&str>,
    ) -> Result<u64, CacheError> {
        let (mut cursor, mut removed) = (0_u64, 0);
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
            let (next, found): (u64, Vec<Vec<u8>>) = self.ask(&scan).await?;
            let found: Vec<Vec<u8>> =
                found.into_iter().filter(|name| std::str::from_utf8(name).is_ok_and(&fits)).collect();
            if !found.is_empty() {
                let mut step = UNLINK.prepare_invoke();
                for name in found {
                    step.key(name);
                }
                if let Some(notice) = notice {
                    step.arg(self.channel()).arg(notice);
                }
                removed +=
                    self.call(|mut wire| async move { step.invoke_async::<u64>(&mut wire).await }).await?;
            }
            if next == 0 {
                return Ok(removed);
            }
            cursor = next;
        }
    }
}
