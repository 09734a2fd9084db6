//! One small state for each of many keys, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore_core::Invalid;

use crate::sync::{Mutex, lock, try_lock};

/// Parts of the map that are locked by themselves.
const SHARDS: usize = 16;

type Shard<K, V> = Mutex<HashMap<K, Arc<V>>>;

/// Once so many states were looked at for one new key, no further part is.
const SWEEP_MAX: usize = 1_000;

/// States by key. Once there are as many as there may be, those whose states say nothing any more are forgotten; if none
/// is found, all further keys share one state.
pub(crate) struct Keyed<K, V> {
    shards: [Shard<K, V>; SHARDS],
    hasher: RandomState,
    max_keys: usize,
    /// Keys in all parts.
    keys: AtomicUsize,
    /// The part that is swept next.
    next: AtomicUsize,
    overflow: Arc<V>,
    make: fn() -> V,
}

impl<K: Hash + Eq + Clone, V> Keyed<K, V> {
    pub(crate) fn new(max_keys: usize, make: fn() -> V) -> Result<Self, Invalid> {
        if max_keys == 0 {
            return Err(Invalid::new("max_keys", "a whole number above 0", max_keys));
        }
        Ok(Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            max_keys,
            keys: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            overflow: Arc::new(make()),
            make,
        })
    }

    fn shard(&self, key: &K) -> &Shard<K, V> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// The state of a key; `is_idle` tells of a state that is as good as a new one.
    pub(crate) fn of(&self, key: &K, is_idle: impl Fn(&V) -> bool) -> Arc<V> {
        let mut states = lock(self.shard(key));
        if let Some(state) = states.get(key) {
            return state.clone();
        }
        if self.keys.load(Ordering::Relaxed) >= self.max_keys {
            let mut looked = self.sweep(&mut states, &is_idle);
            for _ in 0..SHARDS {
                if looked >= SWEEP_MAX || self.keys.load(Ordering::Relaxed) < self.max_keys {
                    break;
                }
                let next = self.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
                // Not this one itself, nor one with whose owner it would wait in a circle.
                if let Some(mut others) = try_lock(&self.shards[next]) {
                    looked += self.sweep(&mut others, &is_idle);
                }
            }
        }
        let room = |keys: usize| (keys < self.max_keys).then_some(keys + 1);
        if self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return self.overflow.clone();
        }
        states.entry(key.clone()).or_insert_with(|| Arc::new((self.make)())).clone()
    }

    /// Forgets what says nothing any more. Returns at how many it looked.
    fn sweep(&self, states: &mut HashMap<K, Arc<V>>, is_idle: impl Fn(&V) -> bool) -> usize {
        let before = states.len();
        // Somebody who holds a state is about to change it.
        states.retain(|_, state| Arc::get_mut(state).is_none_or(|state| !is_idle(state)));
        self.keys.fetch_sub(before - states.len(), Ordering::Relaxed);
        before
    }

    /// The state of a key that has one of its own.
    pub(crate) fn known(&self, key: &K) -> Option<Arc<V>> {
        lock(self.shard(key)).get(key).cloned()
    }

    /// Keys that have states of their own.
    pub(crate) fn len(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }
}
