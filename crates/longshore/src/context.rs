//! What a command works with.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use longshore_clock::Door;
use longshore_core::{Store, Timestamp};
use longshore_runtime::{Caller, Client, Control, Engine, Source};

use crate::config::{Effective, Settings};
use crate::exit::Usage;
use crate::operator::{Operator, Remote};

/// Longest wait for the events of an operation to be on their way to other processes.
const SENT_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The configuration of this call.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) effective: Effective,
}

impl Context {
    /// What operators ask: the server, if one is configured, or the store, which has to be there.
    pub(crate) fn operator(&self) -> anyhow::Result<Operator> {
        if let Some(api) = self.server() {
            return Ok(Operator::Api(api));
        }
        self.refuse_forgetful()?;
        Ok(Operator::Store(self.open_existing()?))
    }

    /// The same where a new store is as good.
    pub(crate) fn operator_of_any(&self) -> anyhow::Result<Operator> {
        if let Some(api) = self.server() {
            return Ok(Operator::Api(api));
        }
        self.refuse_forgetful()?;
        Ok(Operator::Store(self.open()?))
    }

    fn server(&self) -> Option<Remote> {
        let url = self.settings.api.as_deref()?;
        Some(Remote::new(url, self.settings.api_token.as_deref()))
    }

    /// A store that is forgotten at the end of this command is not what anybody means.
    fn refuse_forgetful(&self) -> anyhow::Result<()> {
        if self.settings.store == "memory:" {
            let wrong = "--store: expected a store that outlives this command, got memory:";
            return Err(Usage(wrong.to_owned()).into());
        }
        Ok(())
    }

    /// Opens the configured store, which has to be there: whoever only looks makes none.
    pub(crate) fn open_existing(&self) -> anyhow::Result<Opened> {
        let url = &self.settings.store;
        let config = longshore_sqlite::SqliteConfig::from_url(url).ok();
        if let Some(path) = config.map(|config| config.path).filter(|path| !path.exists()) {
            let path = path.display();
            anyhow::bail!(
                "there is no store at {path}. Name another with --store, or make one: longshore store migrate"
            );
        }
        self.open()
    }

    /// Opens the configured store and an engine on it.
    pub(crate) fn open(&self) -> anyhow::Result<Opened> {
        let door = Door::system();
        let url = &self.settings.store;
        let store =
            longshore::open_store(url, &door).with_context(|| format!("cannot open the store {url}"))?;
        let caller = Caller::default().via(Source::Cli);
        Ok(Opened { engine: Engine::start(store.clone(), door).on_behalf_of(caller), store })
    }
}

/// An open store with its engine.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) engine: Engine,
}

impl Opened {
    pub(crate) fn control(&self) -> Control {
        self.engine.control()
    }

    pub(crate) fn client(&self, caller: Caller) -> Client {
        self.engine.on_behalf_of(caller).client()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.door().clock.now()
    }

    /// Does something that others may want to hear of, and stays until its events are on their way to them.
    pub(crate) async fn tell<T, E>(&self, operation: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let done = operation.await?;
        let (clock, hub) = (&self.engine.door().clock, self.engine.hub());
        let over = clock.after(SENT_WITHIN);
        while self.store.can().shared && hub.is_sending() && !over.is_over() {
            clock.sleep(LOOK_EVERY).await;
        }
        Ok(done)
    }
}
