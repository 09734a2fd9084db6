use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use longshore_core::{
    Fire, Fired, Inserted, JobId, JobSpec, Parent, ParentPolicy, ScheduleName, State, StoreError,
    StoreResult, Timestamp, Wake,
};
use longshore_resilience::Retry;
use tokio::sync::Notify;

use super::book::{self, LOG};
use super::plan::{Before, Make, plan};
use super::{Overlap, ScheduleRecord};
use crate::engine::Engine;

/// The log of changes is looked at so often, in case a ring was lost.
const LOOK_EVERY: Duration = Duration::from_secs(12);
/// Entries of the log of changes that are read at once.
const CHANGES: usize = 500;

/// The part of the keeper that fires schedules.
pub(crate) struct Scheduler {
    engine: Engine,
    known: HashMap<ScheduleName, (u64, ScheduleRecord)>,
    /// What was read of the log of changes.
    position: u64,
}

/// What the listener heard.
#[derive(Default)]
struct Heard {
    changed: bool,
    missed: bool,
}

impl Scheduler {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, known: HashMap::new(), position: 0 }
    }

    /// Fires what is due, until dropped.
    pub(crate) async fn run(mut self) {
        let (heard, rung) = (Mutex::new(Heard { changed: false, missed: true }), Notify::new());
        let mut wakes = self.engine.store().wakeups();
        let listen = async {
            while let Some(wake) = wakes.next().await {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                match wake {
                    Wake::Log(log) if log == LOG => heard.changed = true,
                    Wake::Missed => heard.missed = true,
                    _ => continue,
                }
                rung.notify_one();
            }
            std::future::pending::<()>().await;
        };
        let fire = async {
            let mut reconnect = Retry::reconnect(self.engine.door().clone());
            let clock = self.engine.door().clock.clone();
            let mut look_again = clock.after(self.engine.unprompted(LOOK_EVERY));
            loop {
                let mut news = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
                if look_again.is_over() {
                    news.changed = true;
                    look_again = clock.after(self.engine.unprompted(LOOK_EVERY));
                }
                if let Err(error) = self.round(&news).await {
                    if reconnect.failures() == 0 {
                        tracing::warn!(%error, "schedules wait for the store");
                    }
                    heard.lock().unwrap_or_else(PoisonError::into_inner).missed = true;
                    reconnect.wait().await;
                    continue;
                }
                reconnect = Retry::reconnect(self.engine.door().clone());
                let look = look_again.clone();
                tokio::select! {
                    () = clock.sleep_until(self.next().unwrap_or(Timestamp::MAX)) => {}
                    () = look.wait() => {}
                    () = rung.notified() => {}
                }
            }
        };
        tokio::select! {
            () = listen => {}
            () = fire => {}
        }
    }

    /// One round for tests on a manual clock: reads all schedules and fires what is due.
    pub(crate) async fn once(&mut self) -> StoreResult<usize> {
        let before: u64 = self.known.values().map(|(_, record)| record.standing.fires).sum();
        self.round(&Heard { changed: true, missed: true }).await?;
        let after: u64 = self.known.values().map(|(_, record)| record.standing.fires).sum();
        Ok(after.saturating_sub(before) as usize)
    }

    async fn round(&mut self, news: &Heard) -> StoreResult<()> {
        if news.missed {
            self.position = self.engine.store().log_end(LOG).await?;
            let all = book::all(&self.engine).await?;
            self.known = all.into_iter().map(|known| (known.1.schedule.name.clone(), known)).collect();
        } else if news.changed {
            self.read_changes().await?;
        }
        let now = self.engine.now();
        let due = |(_, record): &&(u64, ScheduleRecord)| next_of(record).is_some_and(|next| next <= now);
        let due: Vec<ScheduleName> =
            self.known.values().filter(due).map(|(_, record)| record.schedule.name.clone()).collect();
        for name in due {
            self.fire(&name).await?;
        }
        Ok(())
    }

    async fn read_changes(&mut self) -> StoreResult<()> {
        loop {
            let entries = self.engine.store().log_read(LOG, self.position, CHANGES).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            self.position = last.position;
            for entry in &entries {
                if let Ok(name) = ScheduleName::new(String::from_utf8_lossy(&entry.value)) {
                    self.read(&name).await?;
                }
            }
        }
    }

    async fn read(&mut self, name: &ScheduleName) -> StoreResult<()> {
        let doc = self.engine.store().doc_get(&book::key(name), self.engine.now()).await?;
        match doc.and_then(|doc| Some((doc.version, book::read(&doc)?))) {
            Some(known) => drop(self.known.insert(name.clone(), known)),
            None => drop(self.known.remove(name)),
        }
        Ok(())
    }

    fn next(&self) -> Option<Timestamp> {
        self.known.values().filter_map(|(_, record)| next_of(record)).min()
    }

    async fn fire(&mut self, name: &ScheduleName) -> StoreResult<()> {
        let Some((version, mut record)) = self.known.get(name).cloned() else { return Ok(()) };
        let before = self.before(&record).await?;
        let now = self.engine.now();
        let makes = plan(&mut record, before, now);
        let jobs = self.jobs(&record, &makes, now);
        if let Some(last) = jobs.last() {
            record.standing.last_job_id = Some(last.id.clone());
        }
        let key = book::key(name);
        let fire = Fire { key, expect: version, value: book::write(&record)?, jobs: jobs.clone() };
        match self.engine.store().fire(fire, now).await {
            Ok(Fired::Done { version, inserted }) => {
                let inserts = jobs.iter().zip(&inserted);
                for (spec, inserted) in inserts.filter(|(_, inserted)| !inserted.duplicate) {
                    crate::observe::count(&self.engine.meters().queue(&spec.queue).inserted);
                    book::tell(&self.engine, spec, inserted.state, now);
                }
                self.known.insert(name.clone(), (version, record));
                self.take_back_duplicates(name, &inserted).await?;
            }
            // Somebody else fired it, or changed it.
            Ok(Fired::Conflict) => self.read(name).await?,
            Err(StoreError::Invalid(error)) => self.stop(name, &error.of_one_job().to_string()).await?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A job that another one stood in the way of, because of its unique key, was not made.
    async fn take_back_duplicates(&mut self, name: &ScheduleName, inserted: &[Inserted]) -> StoreResult<()> {
        let duplicates = inserted.iter().filter(|inserted| inserted.duplicate).count() as u64;
        let Some((version, mut record)) = self.known.get(name).cloned().filter(|_| duplicates > 0) else {
            return Ok(());
        };
        let ScheduleRecord { schedule, standing } = &mut record;
        standing.fires = standing.fires.saturating_sub(duplicates);
        standing.skipped += duplicates;
        standing.last_job_id = inserted.last().map(|last| last.id.clone());
        if standing.next_at.is_none() {
            let now = self.engine.now();
            standing.next_at = schedule.after(standing.anchor_at, standing.last_nominal_at.unwrap_or(now));
            record.close();
        }
        let fire =
            Fire { key: book::key(name), expect: version, value: book::write(&record)?, jobs: Vec::new() };
        if let Fired::Done { version, .. } = self.engine.store().fire(fire, self.engine.now()).await? {
            self.known.insert(name.clone(), (version, record));
        }
        Ok(())
    }

    /// A schedule whose jobs the store refuses is paused with the reason, and the others go on.
    async fn stop(&mut self, name: &ScheduleName, reason: &str) -> StoreResult<()> {
        tracing::error!(schedule = %name, reason, "a schedule was paused, because its job was refused");
        let Some((version, mut record)) = self.known.get(name).cloned() else { return Ok(()) };
        record.standing.paused = true;
        record.standing.reason = Some(reason.to_owned());
        let value = book::write(&record)?;
        let fire = Fire { key: book::key(name), expect: version, value, jobs: Vec::new() };
        self.engine.store().fire(fire, self.engine.now()).await?;
        self.read(name).await
    }

    async fn before(&self, record: &ScheduleRecord) -> StoreResult<Before> {
        let last =
            record.standing.last_job_id.clone().filter(|_| record.schedule.overlap != Overlap::Parallel);
        let Some(last) = last else { return Ok(Before::Ended) };
        let state = self.engine.store().get(last).await?.map(|job| job.state);
        Ok(match state {
            Some(State::Blocked) => Before::Waits,
            Some(state) if !state.is_end() => Before::Lives,
            _ => Before::Ended,
        })
    }

    fn jobs(&self, record: &ScheduleRecord, makes: &[Make], now: Timestamp) -> Vec<Arc<JobSpec>> {
        let mut last = record.standing.last_job_id.clone();
        let mut jobs = Vec::with_capacity(makes.len());
        for make in makes {
            let id = JobId::from_u128(self.engine.door().new_id());
            let mut spec = record.schedule.job(id.clone(), Some(make.nominal_at));
            if let Some(jitter) = record.schedule.jitter {
                spec.run_at = Some(now + jitter.0.mul_f64(self.engine.door().chance.unit()));
            }
            if make.waits
                && let Some(last) = last.replace(id.clone())
            {
                let options = Arc::make_mut(&mut spec.options);
                options.depends_on = vec![Parent::new(last)];
                options.on_parent_failure = ParentPolicy::Run;
            }
            last = Some(id);
            jobs.push(Arc::new(spec));
        }
        jobs
    }
}

fn next_of(record: &ScheduleRecord) -> Option<Timestamp> {
    record.standing.next_at.filter(|_| !record.standing.paused)
}
