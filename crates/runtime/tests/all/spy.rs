use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use longshore_core::{Page, Store, StoreError, StoreResult};
use longshore_storetest::{Around, Wrapped};
use tokio::sync::watch;

use crate::support::soon;

/// A store that counts its calls by name, and does worse than it could where a test wants it to.
pub(crate) type Spy = Wrapped<Eyes>;

/// What the spy sees and does.
pub(crate) struct Eyes {
    calls: watch::Sender<BTreeMap<&'static str, u64>>,
    failing: Mutex<BTreeSet<&'static str>>,
    stuck: Mutex<BTreeSet<&'static str>>,
    late: watch::Sender<BTreeSet<&'static str>>,
    page_jobs_max: usize,
}

/// A spy on a store.
pub(crate) fn on(inner: Arc<dyn Store>) -> Spy {
    short_pages(inner, usize::MAX)
}

/// A spy on a store, with pages that hold so few jobs.
pub(crate) fn short_pages(inner: Arc<dyn Store>, page_jobs_max: usize) -> Spy {
    let (calls, failing, stuck) = (watch::Sender::default(), Mutex::default(), Mutex::default());
    Wrapped::new(inner, Eyes { calls, failing, stuck, late: watch::Sender::default(), page_jobs_max })
}

impl Eyes {
    /// Calls of this name fail from now on, before they reach the store.
    pub(crate) fn fail(&self, name: &'static str) {
        self.failing.lock().unwrap().insert(name);
    }

    /// Calls of this name are counted from now on, and never answered.
    pub(crate) fn hold(&self, name: &'static str) {
        self.stuck.lock().unwrap().insert(name);
    }

    /// Calls of this name reach the store from now on, and are answered once it is mended.
    pub(crate) fn delay(&self, name: &'static str) {
        self.late.send_modify(|late| {
            late.insert(name);
        });
    }

    /// No call fails any more or is late.
    pub(crate) fn mend(&self) {
        self.failing.lock().unwrap().clear();
        self.late.send_modify(BTreeSet::clear);
    }

    pub(crate) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.borrow().clone()
    }

    /// Waits for so many more calls of this name to have been answered, counted from now on.
    pub(crate) fn more(&self, name: &'static str, count: u64) -> impl Future<Output = ()> + use<> {
        let mut calls = self.calls.subscribe();
        let wanted = calls.borrow_and_update().get(name).copied().unwrap_or(0) + count;
        async move {
            let reached = calls.wait_for(|calls| calls.get(name).is_some_and(|so_far| *so_far >= wanted));
            drop(soon(reached).await.unwrap());
        }
    }
}

impl Around for Eyes {
    fn page(&self, page: Page) -> Page {
        Page { limit: page.limit.min(self.page_jobs_max), ..page }
    }

    async fn pass<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        let fails = self.failing.lock().unwrap().contains(name);
        let answer = if fails { Err(StoreError::Unavailable(format!("{name} fails"))) } else { call.await };
        let stuck = self.stuck.lock().unwrap().contains(name);
        self.calls.send_modify(|calls| *calls.entry(name).or_default() += 1);
        if stuck {
            std::future::pending::<()>().await;
        }
        self.late.subscribe().wait_for(|late| !late.contains(name)).await.unwrap();
        answer
    }
}
