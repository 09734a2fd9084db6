//! One small state for each of many keys, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use longshore_core::Invalid;

/// Parts of the map that are locked by themselves.
const SHARDS: usize = 16;

/// States by key. The keys are spread over parts that hold their share each: once one is full, those whose states say
/// nothing any more are forgotten; if there are none, all further keys of that part share one state.
pub(crate) struct Keyed<K, V> {
    shards: [Mutex<HashMap<K, Arc<V>>>; SHARDS],
    hasher: RandomState,
    shard_max: usize,
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
            shard_max: max_keys.div_ceil(SHARDS),
            overflow: Arc::new(make()),
            make,
        })
    }

    fn shard(&self, key: &K) -> &Mutex<HashMap<K, Arc<V>>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// The state of a key; `is_idle` tells of a state that is as good as a new one.
    pub(crate) fn of(&self, key: &K, is_idle: impl Fn(&V) -> bool) -> Arc<V> {
        let mut states = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(key) {
            return state.clone();
        }
        if states.len() >= self.shard_max {
            // Somebody who holds a state is about to change it.
            states.retain(|_, state| Arc::strong_count(state) > 1 || !is_idle(state));
        }
        if states.len() >= self.shard_max {
            return self.overflow.clone();
        }
        states.entry(key.clone()).or_insert_with(|| Arc::new((self.make)())).clone()
    }

    /// The state of a key that has one of its own.
    pub(crate) fn known(&self, key: &K) -> Option<Arc<V>> {
        self.shard(key).lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Keys that have states of their own.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|states| states.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}
