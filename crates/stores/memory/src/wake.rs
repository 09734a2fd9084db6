use futures_util::stream;
use longshore_core::{Wake, WakeStream};
use tokio::sync::broadcast::{self, error::RecvError};

/// Rings that a slow listener may leave unheard before it is told that it missed some.
const UNHEARD_MAX: usize = 1_024;

pub(crate) struct Bell(broadcast::Sender<Wake>);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(UNHEARD_MAX))
    }

    pub(crate) fn ring(&self, wake: Wake) {
        // Nobody listening is fine.
        let _ = self.0.send(wake);
    }

    pub(crate) fn listen(&self) -> WakeStream {
        Box::pin(stream::unfold(self.0.subscribe(), async |mut rings| match rings.recv().await {
            Ok(wake) => Some((wake, rings)),
            Err(RecvError::Lagged(_)) => Some((Wake::Missed, rings)),
            Err(RecvError::Closed) => None,
        }))
    }
}
