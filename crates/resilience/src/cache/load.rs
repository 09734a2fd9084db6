use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::backend::{Found, Which};
use super::body::Body;
use super::flight::{Landed, Lead, Seat, land};
use super::marks::Baseline;
use super::{Cache, CachePolicy, Inner, LoadError, config};

/// So often a caller looks for what others have just loaded.
const LOOKS_MAX: u32 = 4;
/// For so many loads of others, one after another, a caller waits.
const WAITS_MAX: u32 = 4;

impl Cache {
    /// The value of a key; if there is none, the one that `load` gives, which is kept for the next. All who ask meanwhile
    /// wait for that one load, and get its value or its error; if it takes longer than `load_wait`, one of them loads in its
    /// place. Who has waited in vain for four loads gets [`LoadError::Waited`]. See [`CachePolicy`] for what may be handed
    /// out past its end. A value that is invalidated while it is loaded is handed out and not kept.
    pub async fn get_or_set<T, E, F, Fut>(
        &self,
        key: &str,
        policy: impl Into<CachePolicy>,
        load: F,
    ) -> Result<T, LoadError<E>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let policy = policy.into();
        config::check_key(key)?;
        policy.check()?;
        let inner = &self.0;
        let mut before = inner.backend.get(key).await;
        if let Some(value) = inner.fresh(before.as_ref()) {
            return Ok(value);
        }
        let key: Arc<str> = key.into();
        let old = before
            .as_ref()
            .filter(|found| found.stale_for.is_some_and(|time| time < policy.stale_while_revalidate));
        if let Some(value) = old.and_then(|found| inner.read(&found.body)) {
            inner.counters.stale_hits.add();
            self.refresh(key, policy, load);
            return Ok(value);
        }
        let load_wait = inner.config.load_wait;
        let mut over = inner.door.clock.after(load_wait);
        let (mut looks, mut waits) = (0, 0);
        loop {
            looks += 1;
            // In the end it loads, whatever has been loaded since.
            let ended = (looks < LOOKS_MAX).then(|| inner.flights.ended(&key));
            let (baseline, found) = inner.backend.begin(&key, &policy.tags).await;
            // What is not there any more may have been invalidated.
            before = found;
            if let Some(value) = inner.fresh(before.as_ref()) {
                return Ok(value);
            }
            let lead = match inner.flights.board(&key, &baseline, ended) {
                Seat::Lead(lead) => Some((lead, &baseline)),
                Seat::Again => continue,
                Seat::Follow(flight) => tokio::select! {
                    biased;
                    landed = land(flight.clone()) => match landed.map(|landed| inner.shared(landed, &policy)) {
                        Some(Some(result)) => return result,
                        Some(None) => None,
                        // Whoever loaded has gone; somebody else has to.
                        None => continue,
                    },
                    () = over.wait() => {
                        inner.counters.wait_timeouts.add();
                        waits += 1;
                        match inner.flights.take_over(&key, &baseline, &flight) {
                            Some(lead) => Some((lead, &baseline)),
                            // Another one has.
                            None if waits < WAITS_MAX => {
                                over = inner.door.clock.after(load_wait);
                                continue;
                            }
                            None => return inner.waited(before, &policy),
                        }
                    }
                },
            };
            let ended = inner.load(&key, &policy, lead, before, load).await;
            if let Err((_, Some(old))) = ended {
                inner.counters.stale_hits.add();
                return Ok(old);
            }
            inner.counters.misses.add();
            return ended.map_err(|(error, _)| error);
        }
    }

    /// Loads a value anew while the old one is still handed out, unless that is being done.
    fn refresh<T, E, F, Fut>(&self, key: Arc<str>, policy: CachePolicy, load: F)
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        if self.0.flights.is_loading(&key) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Some(permit) = self.0.refreshes.try_acquire_owned() else { return };
        let inner = self.0.clone();
        let refresh = async move {
            let ended = Some(inner.flights.ended(&key));
            let (baseline, found) = inner.backend.begin(&key, &policy.tags).await;
            if found.as_ref().is_some_and(|found| found.stale_for.is_none()) {
                return;
            }
            if let Seat::Lead(lead) = inner.flights.board(&key, &baseline, ended) {
                // One that takes longer than others would wait for it is given up.
                let over = inner.door.clock.after(inner.config.load_wait);
                tokio::select! {
                    biased;
                    _ = inner.load(&key, &policy, Some((lead, &baseline)), found, load) => {}
                    () = over.wait() => inner.counters.wait_timeouts.add(),
                }
            }
            drop(permit);
        };
        runtime.spawn(refresh.in_current_span());
    }
}

impl Inner {
    /// The value of what was found, if it is fresh.
    fn fresh<T: DeserializeOwned>(&self, found: Option<&Found>) -> Option<T> {
        let found = found.filter(|found| found.stale_for.is_none())?;
        let value = self.read(&found.body)?;
        self.counters.hits.add();
        Some(value)
    }

    /// What another one's load gives; none if it cannot be ours.
    fn shared<T: DeserializeOwned, E: Send + Sync + 'static>(
        &self,
        landed: Landed,
        policy: &CachePolicy,
    ) -> Option<Result<T, LoadError<E>>> {
        let result = match landed {
            Landed::Value(body) => Ok(body.read(usize::MAX)?),
            Landed::Failed(error, old) => match self.covered(old.as_ref(), policy) {
                Some(value) => {
                    self.counters.stale_hits.add();
                    return Some(Ok(value));
                }
                None => Err(LoadError::Load(error.downcast().ok()?)),
            },
        };
        self.counters.joined.add();
        self.counters.misses.add();
        Some(result)
    }

    /// What there is for one who has waited in vain, the last time since it was looked at what was before.
    fn waited<T: DeserializeOwned, E>(
        &self,
        before: Option<Found>,
        policy: &CachePolicy,
    ) -> Result<T, LoadError<E>> {
        let wait = self.config.load_wait;
        let old = before.and_then(|old| Some((old.body, old.stale_for?.saturating_add(wait))));
        if let Some(value) = self.covered(old.as_ref(), policy) {
            self.counters.stale_hits.add();
            return Ok(value);
        }
        self.counters.misses.add();
        Err(LoadError::Waited(wait * WAITS_MAX))
    }

    /// The stale value that covers for an error, if there is one that is young enough.
    fn covered<T: DeserializeOwned>(
        &self,
        old: Option<&(Body, Duration)>,
        policy: &CachePolicy,
    ) -> Option<T> {
        let (body, _) = old.filter(|(_, stale_for)| *stale_for < policy.stale_if_error)?;
        self.read(body)
    }

    /// Calls `load`, keeps the value, and tells those who wait. Without a lead nobody waits and nothing is kept. With an error
    /// comes the old value, if it covers for it.
    async fn load<T, E, F, Fut>(
        &self,
        key: &Arc<str>,
        policy: &CachePolicy,
        lead: Option<(Lead, &Baseline)>,
        before: Option<Found>,
        load: F,
    ) -> Result<T, (LoadError<E>, Option<T>)>
    where
        T: Serialize + DeserializeOwned,
        E: Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let began = self.door.clock.uptime();
        let value = match load().await {
            Ok(value) => value,
            Err(error) => {
                self.counters.load_errors.add();
                let took = self.door.clock.uptime().saturating_sub(began);
                let old = before.and_then(|old| Some((old.body, old.stale_for?.saturating_add(took))));
                let covered = self.covered(old.as_ref(), policy);
                let error = Arc::new(error);
                if let Some((lead, _)) = lead {
                    let any: Arc<dyn Any + Send + Sync> = error.clone();
                    lead.land(Landed::Failed(any, old));
                }
                return Err((LoadError::Load(error), covered));
            }
        };
        self.counters.loads.add();
        let json = Body::json(&value).map_err(|error| (error.into(), None))?;
        let Some((lead, baseline)) = lead else { return Ok(value) };
        let negative = (json == b"null").then_some(policy.negative_ttl).flatten();
        let is_short = json.len() <= self.config.max_entry_bytes;
        let body = Body::new(json, self.config.compress_above);
        if !is_short || negative == Some(Duration::ZERO) {
            if !is_short {
                self.counters.too_large.add();
            }
            if before.is_some() {
                // What was there is not so any more. If it stays, it goes when its time is over.
                let _ = self.backend.remove(Which::Key(key)).await;
            }
        } else {
            let life = self.life(policy, negative);
            if self.backend.put(key, &body, life, &policy.tags, Some(baseline)).await {
                self.counters.sets.add();
            } else {
                self.counters.not_kept.add();
            }
        }
        lead.land(Landed::Value(body));
        Ok(value)
    }
}
