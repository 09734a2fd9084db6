//! Following a job to its end: a bar for a person at a terminal, plain lines for everybody else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use longshore_core::{EventName, Job, JobId, State};
use longshore_runtime::{ControlError, Engine};

use crate::operator::Operator;
use crate::out;

/// Events of another process may be lost, so the record is looked at as well.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the progress of one job is shown.
pub(crate) struct Line {
    name: String,
    bar: Option<ProgressBar>,
    told: Mutex<String>,
    say: fn(&str),
}

impl Line {
    /// By itself.
    pub(crate) fn alone(name: &str) -> Self {
        let bar = out::is_watched().then(|| ProgressBar::new(100));
        Self::new(name, bar, |text| out::line(text))
    }

    /// Shown to nobody.
    pub(crate) fn silent() -> Self {
        Self { name: String::new(), bar: None, told: Mutex::default(), say: |_| {} }
    }

    /// One below the other; plain lines go where `say` takes them.
    pub(crate) fn among(lines: &MultiProgress, name: &str, say: fn(&str)) -> Self {
        let bar = out::is_watched().then(|| lines.add(ProgressBar::new(100)));
        Self::new(name, bar, say)
    }

    fn new(name: &str, bar: Option<ProgressBar>, say: fn(&str)) -> Self {
        if let Some(bar) = &bar {
            let style = ProgressStyle::with_template("{prefix:<36} {bar:24} {pos:>3}% {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(name.to_owned());
        }
        Self { name: name.to_owned(), bar, told: Mutex::default(), say }
    }

    fn show(&self, state: State, percent: u8, words: &str) {
        // A bar that is full says the job is done; the stored percent of a completed job may be lower.
        let percent = if state == State::Completed { 100 } else { percent };
        let message = format!("{state} {words}").trim_end().to_owned();
        if let Some(bar) = &self.bar {
            bar.set_position(percent.into());
            bar.set_message(message);
            return;
        }
        let text = format!("{}: {percent}% {message}", self.name);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != text {
            (self.say)(&text);
            *told = text;
        }
    }

    /// Leaves the bar as it is.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

/// Shows a job of another process until it has ended, as it stands every second, and gives its record.
pub(crate) async fn follow_from_afar(operator: &Operator, id: &JobId, line: &Line) -> anyhow::Result<Job> {
    let mut job = operator.job(id).await?;
    loop {
        show(line, &job);
        if job.state.is_end() {
            return Ok(job);
        }
        job = operator.wait(id, LOOK_EVERY).await?;
    }
}

fn show(line: &Line, job: &Job) {
    let words = job.progress.message.as_deref().filter(|_| !job.state.is_end());
    line.show(job.state, job.progress.percent, words.unwrap_or_default());
}

/// Shows a job until it has ended, and gives its record.
pub(crate) async fn follow(engine: &Engine, id: &JobId, line: &Line) -> Result<Job, ControlError> {
    let (control, clock) = (engine.control(), &engine.door().clock);
    // Listens before it looks, so that nothing falls between the two.
    let mut events = engine.hub().watch(id);
    loop {
        let job = control.job(id).await?;
        show(line, &job);
        if job.state.is_end() {
            return Ok(job);
        }
        let look_at = clock.after(LOOK_EVERY);
        loop {
            tokio::select! {
                told = events.next() => match told.map(|told| told.event) {
                    Some(event) if event.event == EventName::Progress => {
                        line.show(State::Running, event.progress.unwrap_or(0), event.progress_message.as_deref().unwrap_or_default());
                    }
                    _ => break,
                },
                () = look_at.wait() => break,
            }
        }
    }
}
