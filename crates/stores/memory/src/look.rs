use std::collections::BTreeMap;
use std::ops::Bound;

use longshore_core::{
    Cursor, FailureGroup, Fingerprint, Job, JobFilter, JobId, JobPage, Page, QueueInfo, QueueName,
};

use crate::table::Table;

/// Records that one call of `list` looks at.
const LOOKED_AT_MAX: usize = 10_000;

impl Table {
    pub(crate) fn get(&self, id: &JobId) -> Option<Job> {
        self.jobs.get(self.by_id.get(id)?).map(|entry| entry.job.clone())
    }

    pub(crate) fn list(&self, filter: &JobFilter, page: Page) -> JobPage {
        let before = page.after.map_or(Bound::Unbounded, |cursor| Bound::Excluded(cursor.0));
        let (mut found, mut bytes) = (JobPage::default(), 0);
        for (looked_at, (place, entry)) in self.jobs.range((Bound::Unbounded, before)).rev().enumerate() {
            if filter.matches(&entry.job) {
                bytes += entry.job.bytes();
                found.jobs.push(entry.job.clone());
            }
            if page.is_full(found.jobs.len(), bytes) || looked_at + 1 == LOOKED_AT_MAX {
                found.next = Some(Cursor(*place))
                    .filter(|_| self.jobs.first_key_value().is_some_and(|(first, _)| first < place));
                break;
            }
        }
        found
    }

    pub(crate) fn failures(&self, queue: &QueueName, limit: usize) -> Vec<FailureGroup> {
        let mut groups: BTreeMap<Fingerprint, FailureGroup> = BTreeMap::new();
        let of_queue = self.jobs.values().filter(|entry| entry.job.spec.queue == *queue);
        for group in of_queue.filter_map(|entry| FailureGroup::of_job(&entry.job)) {
            groups.entry(group.fingerprint).and_modify(|same| same.jobs += 1).or_insert(group);
        }
        let mut groups: Vec<FailureGroup> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.jobs));
        groups.truncate(limit);
        groups
    }

    pub(crate) fn queues(&self) -> Vec<QueueInfo> {
        self.orders.queues.keys().filter_map(|name| self.info(name)).collect()
    }
}
