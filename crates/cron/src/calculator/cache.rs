use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Cron;

/// The expressions parsed lately, by their text. When it is full, the one that was not used for longest goes.
#[derive(Debug)]
pub(super) struct ParsedCache {
    max: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    uses: u64,
    known: HashMap<Arc<str>, (Arc<Cron>, u64)>,
    by_use: BTreeMap<u64, Arc<str>>,
}

impl ParsedCache {
    pub(super) fn new(max: usize) -> Self {
        Self { max, shelf: Mutex::default() }
    }

    pub(super) fn get(&self, text: &str) -> Option<Arc<Cron>> {
        let mut shelf = self.open();
        let cron = shelf.known.get(text)?.0.clone();
        shelf.put(text, Arc::clone(&cron));
        Some(cron)
    }

    pub(super) fn put(&self, text: &str, cron: Arc<Cron>) {
        let mut shelf = self.open();
        shelf.put(text, cron);
        if shelf.known.len() > self.max
            && let Some((_, oldest)) = shelf.by_use.pop_first()
        {
            shelf.known.remove(&oldest);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open().known.len()
    }

    fn open(&self) -> MutexGuard<'_, Shelf> {
        // Nothing under this lock leaves the maps half changed, so what a panic elsewhere left is whole.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn put(&mut self, text: &str, cron: Arc<Cron>) {
        self.uses += 1;
        let key = match self.known.get(text) {
            Some((_, last)) => self.by_use.remove(last).unwrap_or_else(|| text.into()),
            None => text.into(),
        };
        self.by_use.insert(self.uses, Arc::clone(&key));
        self.known.insert(key, (cron, self.uses));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = ParsedCache::new(2);
        let daily = Arc::new(Cron::parse("@daily").unwrap());
        cache.put("a", daily.clone());
        cache.put("b", daily.clone());
        assert!(cache.get("a").is_some());
        cache.put("c", daily.clone());
        cache.put("c", daily);
        assert_eq!((cache.get("a").is_some(), cache.get("b").is_some(), cache.len()), (true, false, 2));
        let shelf = cache.open();
        assert_eq!(shelf.by_use.len(), shelf.known.len());
    }
}
