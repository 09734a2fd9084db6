//! The stage: polls one of the futures that can go on, chosen by chance, and lets time pass when none can.
//!
//! A process is a handful of futures that live and die together. It can die wherever one of them waits, which is at
//! every call of the store, before and after it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::scene::Scene;

/// What one process does in one of its tasks.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Starts a process, and starts it again after a crash.
pub(crate) type Make = Box<dyn Fn(&Arc<Scene>) -> Vec<Task> + Send>;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Slot {
    process: usize,
    flag: Arc<Flag>,
    waker: Waker,
    task: Task,
}

struct Process {
    name: String,
    make: Make,
    /// When it starts again after a crash.
    starts_at: Option<i64>,
}

/// All that moves in a history.
pub(crate) struct Stage {
    scene: Arc<Scene>,
    processes: Vec<Process>,
    slots: Vec<Slot>,
}

/// How rough it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Crashes, as a fraction of all polls.
    pub(crate) crash: f64,
    /// Settings of the wall clock, as a fraction of all polls.
    pub(crate) set: f64,
    /// Polls after which a little time passes although somebody could go on.
    pub(crate) lag: f64,
}

impl Stage {
    pub(crate) fn new(scene: Arc<Scene>) -> Self {
        Self { scene, processes: Vec::new(), slots: Vec::new() }
    }

    /// Starts a process.
    pub(crate) fn enter(&mut self, name: String, make: Make) {
        self.processes.push(Process { name, make, starts_at: None });
        self.start(self.processes.len() - 1);
    }

    fn start(&mut self, process: usize) {
        self.processes[process].starts_at = None;
        for task in (self.processes[process].make)(&self.scene) {
            let flag = Arc::new(Flag(AtomicBool::new(true)));
            let waker = Waker::from(flag.clone());
            self.slots.push(Slot { process, flag, waker, task });
        }
    }

    /// Everybody goes.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.processes.clear();
    }

    /// Plays until so much time has passed, until nobody can ever go on, or until the auditor finds something.
    pub(crate) fn play(&mut self, millis: i64, polls_max: u64, weather: Weather) {
        let until = self.scene.time.passed() + millis;
        let mut polls = 0;
        while self.scene.time.passed() < until && polls < polls_max && self.scene.is_sound() {
            self.happen(weather);
            self.restart();
            let ready: Vec<usize> = (0..self.slots.len())
                .filter(|slot| self.slots[*slot].flag.0.load(Ordering::Relaxed))
                .collect();
            if ready.is_empty() {
                let Some(wait) = self.next() else { return };
                self.scene.time.pass(wait.min(until - self.scene.time.passed()).max(1));
                continue;
            }
            polls += 1;
            self.poll(ready[self.scene.chance.below(ready.len() as u64) as usize]);
        }
    }

    fn poll(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.flag.0.store(false, Ordering::Relaxed);
        if let Poll::Ready(()) = slot.task.as_mut().poll(&mut Context::from_waker(&slot.waker)) {
            self.slots.remove(index);
        }
    }

    fn next(&self) -> Option<i64> {
        let passed = self.scene.time.passed();
        let starts = self.processes.iter().filter_map(|process| process.starts_at).map(|at| at - passed);
        starts.chain(self.scene.time.next()).min()
    }

    /// What the weather does between two polls.
    fn happen(&mut self, weather: Weather) {
        let chance = &self.scene.chance;
        let draw = chance.unit();
        if draw < weather.crash {
            let process = chance.below(self.processes.len() as u64) as usize;
            let starts_at = self.scene.time.passed() + 1 + chance.below(3_000) as i64;
            if self.slots.iter().any(|slot| slot.process == process) {
                self.scene.announce(&format!("{} dies", self.processes[process].name));
                self.scene.crashed();
                self.slots.retain(|slot| slot.process != process);
                self.processes[process].starts_at = Some(starts_at);
            }
        } else if draw < weather.crash + weather.set {
            let far = if chance.unit() < 0.5 { 2_000 } else { 600_000 };
            let by = chance.below(far) as i64 - if chance.unit() < 0.4 { far as i64 } else { 0 };
            self.scene.announce(&format!("the clock is set by {by} ms"));
            self.scene.time.set_by(by);
        } else if draw < weather.crash + weather.set + weather.lag {
            self.scene.time.pass(1 + chance.below(40) as i64);
        }
    }

    fn restart(&mut self) {
        let passed = self.scene.time.passed();
        for process in 0..self.processes.len() {
            if self.processes[process].starts_at.is_some_and(|at| at <= passed) {
                self.scene.announce(&format!("{} starts again", self.processes[process].name));
                self.start(process);
            }
        }
    }
}
