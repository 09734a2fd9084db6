use std::sync::Arc;
use std::time::Duration;

use longshore_clock::{Door, Timestamp};
use longshore_core::Store;
use longshore_telemetry::Registry;

use crate::client::Client;
use crate::control::Control;
use crate::events::Hub;
use crate::guard::Guards;
use crate::identity::Caller;
use crate::observe::{Meters, Sampler};
use crate::schedule::{Counted, Schedules};

/// A store whose rings do not get lost is still looked at unasked, though more rarely.
const PUSHED_FACTOR: u32 = 5;

/// What all parts of one process share: the store, the door, the events and the meters; and on whose behalf they are
/// used. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Caller,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) door: Door,
    pub(crate) hub: Hub,
    pub(crate) meters: Meters,
    pub(crate) sampler: Sampler,
    pub(crate) schedules: tokio::sync::Mutex<Option<Counted>>,
    pub(crate) guards: Guards,
    pub(crate) parts: Registry,
}

impl Drop for Shared {
    // What travels in tasks of its own must not outlive the engine.
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl Engine {
    /// Around a store.
    pub fn start(store: Arc<dyn Store>, door: Door) -> Self {
        let hub = Hub::start(store.clone(), door.clone());
        let (meters, sampler, schedules) =
            (Meters::default(), Sampler::default(), tokio::sync::Mutex::default());
        let (guards, parts) = (Guards::default(), Registry::default());
        let shared = Shared { store, door, hub, meters, sampler, schedules, guards, parts };
        Self { shared: Arc::new(shared), caller: Caller::default() }
    }

    /// The way in for callers.
    pub fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// The way in for operators, and for everybody who looks.
    pub fn control(&self) -> Control {
        Control::new(self.clone())
    }

    /// The way in for schedules.
    pub fn schedules(&self) -> Schedules {
        Schedules::new(self.clone())
    }

    /// What happens, as it happens.
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// What was measured in this process.
    pub fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// Breakers, limiters, caches and pools of this process that `/metrics` shows. Those of kinds are here by themselves;
    /// a program may add its own.
    pub fn parts(&self) -> &Registry {
        &self.shared.parts
    }

    /// Time, ids and chance.
    pub fn door(&self) -> &Door {
        &self.shared.door
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// How long a look for what nobody rang for may wait: rings do not get lost within one process.
    pub(crate) fn unprompted(&self, interval: Duration) -> Duration {
        let store = &self.shared.store;
        let rings = store.can().push && (store.is_alone() || !store.can().shared);
        if rings { interval * PUSHED_FACTOR } else { interval }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.door.clock.now()
    }
}
