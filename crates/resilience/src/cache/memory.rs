use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_clock::Clock;
use moka::notification::RemovalCause;

use super::backend::{Found, Life, Which};
use super::body::Body;
use super::marks::Marks;
use super::{CacheConfig, glob::Glob};

/// Entries that are over and go when another one comes.
const ENDS_AT_ONCE: usize = 16;

/// What this process holds by itself. Reads take no lock; writes take one, under which the index of tags and keys changes
/// together with what it speaks of.
pub(super) struct MemoryStore {
    entries: moka::sync::Cache<Arc<str>, Arc<Kept>>,
    index: Mutex<Index>,
    evicted: Arc<Evicted>,
    clock: Clock,
    max_entries: usize,
    max_bytes: usize,
}

/// An entry.
struct Kept {
    id: u64,
    body: Body,
    fresh_until: Duration,
    usable_until: Duration,
    weight: u32,
}

/// Why a value may be kept.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// It is the newest there is, and news for those who load the same.
    News,
    /// If nothing that matters to it was invalidated since these marks were read.
    Marks(&'a [u64]),
    /// If nothing at all was invalidated since.
    #[cfg(feature = "redis")]
    Epoch(u64),
}

/// Entries that had to go and whose traces in the index are still to be removed.
#[derive(Default)]
struct Evicted {
    traces: Mutex<Vec<(Arc<str>, u64)>>,
    count: AtomicU64,
}

struct Index {
    next_id: u64,
    marks: Marks,
    keys: BTreeMap<Arc<str>, Trace>,
    /// Entries by when they are over.
    ends: BTreeSet<(Duration, u64, Arc<str>)>,
    tags: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    bytes: usize,
}

struct Trace {
    id: u64,
    usable_until: Duration,
    bytes: usize,
    tags: Box<[Arc<str>]>,
}

impl MemoryStore {
    pub(super) fn new(config: &CacheConfig, clock: &Clock) -> Self {
        let evicted = Arc::new(Evicted::default());
        let listener = {
            let evicted = evicted.clone();
            move |key: Arc<Arc<str>>, kept: Arc<Kept>, cause| {
                if cause == RemovalCause::Size {
                    evicted.count.fetch_add(1, Ordering::Relaxed);
                    lock(&evicted.traces).push(((*key).clone(), kept.id));
                }
            }
        };
        let entries = moka::sync::Cache::builder()
            .max_capacity(config.max_bytes as u64)
            .weigher(|_: &Arc<str>, kept: &Arc<Kept>| kept.weight)
            .eviction_listener(listener)
            .build();
        let index = Index {
            next_id: 0,
            marks: Marks::new(),
            keys: BTreeMap::new(),
            ends: BTreeSet::new(),
            tags: HashMap::new(),
            bytes: 0,
        };
        Self {
            entries,
            index: Mutex::new(index),
            evicted,
            clock: clock.clone(),
            max_entries: config.max_entries,
            max_bytes: config.max_bytes,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Found> {
        let kept = self.entries.get(key)?;
        let now = self.clock.uptime();
        if now < kept.fresh_until {
            return Some(Found { body: kept.body.clone(), stale_for: None });
        }
        let stale_for = Some(now.saturating_sub(kept.fresh_until));
        (now < kept.usable_until).then(|| Found { body: kept.body.clone(), stale_for })
    }

    /// What a load has to know before it begins.
    pub(super) fn marks(&self, key: &str, tags: &[Arc<str>]) -> Vec<u64> {
        lock(&self.index).marks.read(key, tags)
    }

    /// A count of all invalidations so far.
    #[cfg(feature = "redis")]
    pub(super) fn epoch(&self) -> u64 {
        lock(&self.index).marks.epoch()
    }

    /// Keeps a value, if nothing speaks against it.
    pub(super) fn put(
        &self,
        key: &Arc<str>,
        body: &Body,
        life: Life,
        tags: &[Arc<str>],
        proof: Proof<'_>,
    ) -> bool {
        let mut index = lock(&self.index);
        match proof {
            Proof::News => index.marks.key(key),
            Proof::Marks(marks) if index.marks.read(key, tags) != marks => return false,
            #[cfg(feature = "redis")]
            Proof::Epoch(epoch) if index.marks.epoch() != epoch => return false,
            _ => {}
        }
        let now = self.clock.uptime();
        let fresh_until = life.ttl.map_or(Duration::MAX, |ttl| now.saturating_add(ttl));
        let usable_until = fresh_until.saturating_add(life.stale);
        let texts = key.len() + tags.iter().map(|tag| tag.len()).sum::<usize>();
        let bytes = texts + body.bytes.len() + CacheConfig::ENTRY_BYTES;
        let weight = bytes.max(self.max_bytes.div_ceil(self.max_entries));
        index.next_id += 1;
        let id = index.next_id;
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let kept = Kept { id, body: body.clone(), fresh_until, usable_until, weight };
        index.forget(key, None);
        index.keys.insert(key.clone(), Trace { id, usable_until, bytes, tags: tags.into() });
        if usable_until < Duration::MAX {
            index.ends.insert((usable_until, id, key.clone()));
        }
        index.bytes += bytes;
        for tag in tags {
            index.tags.entry(tag.clone()).or_default().insert(key.clone());
        }
        self.entries.insert(key.clone(), Arc::new(kept));
        self.sweep(&mut index);
        self.let_go(&mut index, now, ENDS_AT_ONCE);
        if index.keys.len() > self.max_entries || index.bytes > self.max_bytes {
            self.entries.run_pending_tasks();
            self.sweep(&mut index);
        }
        true
    }

    /// Forgets what had to go.
    fn sweep(&self, index: &mut Index) {
        for (key, id) in std::mem::take(&mut *lock(&self.evicted.traces)) {
            index.forget(&key, Some(id));
        }
    }

    /// Lets go of entries that are over, so that they do not take room from others.
    fn let_go(&self, index: &mut Index, now: Duration, most: usize) {
        for _ in 0..most {
            let Some((_, _, key)) = index.ends.first().filter(|(end, ..)| *end <= now).cloned() else {
                return;
            };
            index.forget(&key, None);
            self.entries.remove(&key);
        }
    }

    /// Removes entries and says how many of them could still have been handed out.
    pub(super) fn remove(&self, which: Which<'_>) -> u64 {
        let mut index = lock(&self.index);
        self.sweep(&mut index);
        let keys: Vec<Arc<str>> = match which {
            Which::Key(key) => {
                index.marks.key(key);
                index.keys.get_key_value(key).map(|(key, _)| key.clone()).into_iter().collect()
            }
            Which::Tag(tag) => {
                index.marks.tag(tag);
                index.tags.get(tag).into_iter().flatten().cloned().collect()
            }
            Which::Pattern(glob) => {
                index.marks.all();
                index.fitting(glob)
            }
            Which::All => {
                index.marks.all();
                index.keys.keys().cloned().collect()
            }
        };
        let now = self.clock.uptime();
        let mut removed = 0;
        for key in &keys {
            index.forget(key, None);
            removed += u64::from(self.entries.remove(key).is_some_and(|kept| now < kept.usable_until));
        }
        removed
    }

    /// Entries and bytes, and how many entries had to go.
    pub(super) fn size(&self) -> (usize, usize, u64) {
        self.entries.run_pending_tasks();
        let mut index = lock(&self.index);
        self.sweep(&mut index);
        self.let_go(&mut index, self.clock.uptime(), usize::MAX);
        (index.keys.len(), index.bytes, self.evicted.count.load(Ordering::Relaxed))
    }
}

impl Index {
    /// The keys that fit, found by what they begin with.
    fn fitting(&self, glob: &Glob) -> Vec<Arc<str>> {
        let beginning = glob.beginning();
        let range = (Bound::Included(beginning.as_str()), Bound::Unbounded);
        let keys = self.keys.range::<str, _>(range).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(&beginning)).filter(|key| glob.fits(key)).cloned().collect()
    }

    /// Removes the traces of a key: of the entry with this id, if one is named.
    fn forget(&mut self, key: &str, id: Option<u64>) {
        let is_other = |trace: &Trace| id.is_some_and(|id| id != trace.id);
        if self.keys.get(key).is_none_or(is_other) {
            return;
        }
        let Some(trace) = self.keys.remove(key) else { return };
        self.bytes -= trace.bytes;
        self.ends.remove(&(trace.usable_until, trace.id, key.into()));
        for tag in &trace.tags {
            if let Some(keys) = self.tags.get_mut(tag) {
                keys.remove(key);
                if keys.is_empty() {
                    self.tags.remove(tag);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use longshore_clock::Door;

    use super::*;

    #[test]
    fn every_put_leaves_it_within_its_bounds() {
        let config = CacheConfig { max_entries: 10, max_bytes: 8_192, ..CacheConfig::default() };
        let store = MemoryStore::new(&config, &Door::system().clock);
        let life = Life { ttl: None, stale: Duration::ZERO };
        for number in 0..2_000_usize {
            let body = Body::new(vec![b'1'; number * 37 % 2_000], None);
            store.put(&number.to_string().into(), &body, life, &["t".into()], Proof::News);
            // Nobody has asked for its size, which would see to it.
            let index = lock(&store.index);
            assert!(index.keys.len() <= 10 && index.bytes <= 8_192, "{} {}", index.keys.len(), index.bytes);
            assert!(index.tags.get("t").is_none_or(|keys| keys.len() <= 10));
        }
    }
}
