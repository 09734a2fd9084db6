use longshore_core::{Json, KindName, QueueName, ScheduleName, Timestamp};
use longshore_runtime::{Receipt, Schedule, ScheduleRecord};
use serde::{Deserialize, Serialize};

use super::remote::Segment;
use super::{Operator, listing};

listing!(ScheduleList, schedules, Json);

/// A schedule as it is shown.
pub(crate) struct Scheduled {
    /// All of it.
    pub(crate) shown: Json,
    /// What people look at first.
    pub(crate) line: Line,
}

#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) name: ScheduleName,
    every: Option<longshore_core::DurationText>,
    cron: Option<String>,
    pub(crate) timezone: String,
    pub(crate) kind: KindName,
    pub(crate) queue: QueueName,
    pub(crate) paused: bool,
    pub(crate) reason: Option<String>,
    pub(crate) next_at: Option<Timestamp>,
    pub(crate) last_nominal_at: Option<Timestamp>,
    pub(crate) fires: u64,
}

impl Line {
    /// The rule in one line.
    pub(crate) fn rule(&self) -> String {
        match (&self.every, &self.cron) {
            (Some(every), _) => format!("every {}", longshore_core::format_duration(every.0)),
            (None, cron) => cron.clone().unwrap_or_default(),
        }
    }
}

impl Scheduled {
    fn read(shown: Json) -> anyhow::Result<Self> {
        Ok(Self { line: shown.to()?, shown })
    }

    fn of(record: ScheduleRecord) -> anyhow::Result<Self> {
        Self::read(Json::from_value(&record.shown())?)
    }
}

impl Operator {
    pub(crate) async fn schedules(&self) -> anyhow::Result<Vec<Scheduled>> {
        match self {
            Self::Store(opened) => {
                opened.engine.schedules().list().await?.into_iter().map(Scheduled::of).collect()
            }
            Self::Api(api) => api
                .get::<ScheduleList>("/schedules")
                .await?
                .schedules
                .into_iter()
                .map(Scheduled::read)
                .collect(),
        }
    }

    pub(crate) async fn schedule(&self, name: &ScheduleName) -> anyhow::Result<Scheduled> {
        match self {
            Self::Store(opened) => Scheduled::of(opened.engine.schedules().get(name).await?),
            Self::Api(api) => Scheduled::read(api.get(&format!("/schedules/{}", Segment(name))).await?),
        }
    }

    /// `schedule` in a store, and what was really given, `body`, at a server, which has defaults of its own.
    pub(crate) async fn put_schedule(
        &self,
        schedule: Schedule,
        body: &(impl Serialize + Sync),
    ) -> anyhow::Result<Scheduled> {
        match self {
            Self::Store(opened) => Scheduled::of(opened.tell(opened.engine.schedules().put(schedule)).await?),
            Self::Api(api) => Scheduled::read(api.send("POST", "/schedules", body).await?),
        }
    }

    pub(crate) async fn pause_schedule(&self, name: &ScheduleName) -> anyhow::Result<Scheduled> {
        match self {
            Self::Store(opened) => Scheduled::of(opened.tell(opened.engine.schedules().pause(name)).await?),
            Self::Api(api) => {
                Scheduled::read(api.post(&format!("/schedules/{}/pause", Segment(name))).await?)
            }
        }
    }

    pub(crate) async fn resume_schedule(&self, name: &ScheduleName) -> anyhow::Result<Scheduled> {
        match self {
            Self::Store(opened) => Scheduled::of(opened.tell(opened.engine.schedules().resume(name)).await?),
            Self::Api(api) => {
                Scheduled::read(api.post(&format!("/schedules/{}/resume", Segment(name))).await?)
            }
        }
    }

    pub(crate) async fn remove_schedule(&self, name: &ScheduleName) -> anyhow::Result<()> {
        match self {
            Self::Store(opened) => {
                opened.tell(opened.engine.schedules().remove(name)).await?;
                Ok(())
            }
            Self::Api(api) => api.delete(&format!("/schedules/{}", Segment(name))).await,
        }
    }

    pub(crate) async fn run_schedule(&self, name: &ScheduleName) -> anyhow::Result<Receipt> {
        match self {
            Self::Store(opened) => Ok(opened.tell(opened.engine.schedules().run_now(name)).await?),
            Self::Api(api) => api.post(&format!("/schedules/{}/run-now", Segment(name))).await,
        }
    }
}
