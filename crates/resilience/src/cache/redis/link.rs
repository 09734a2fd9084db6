use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisResult};
use tokio::sync::watch;

use super::RedisCacheConfig;
use crate::{CircuitBreaker, CircuitBreakerConfig, Timeout};

/// Faults in a row after which a Redis is left alone.
const FAULTS: u64 = 5;
/// For how long.
const REST: Duration = Duration::from_secs(1);

/// The connections to one Redis. Every command has a time limit, and after some faults in a row callers do not even wait
/// for that.
pub(super) struct Link {
    client: Client,
    lanes: Vec<Lane>,
    timeout: Timeout,
    connect_timeout: Timeout,
    breaker: CircuitBreaker,
}

/// One connection, if there is one.
struct Lane {
    wire: watch::Sender<Wire>,
    busy: AtomicUsize,
    /// Only one at a time makes a connection.
    dialing: Mutex<bool>,
}

#[derive(Clone)]
enum Wire {
    Away(Option<Arc<str>>),
    Ready(MultiplexedConnection),
}

/// A command under way.
struct Ride<'a>(&'a Lane);

impl Drop for Ride<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    /// Refuses an address that is none, and a server that is no Redis. One that is away may come later.
    pub(super) async fn open(config: &RedisCacheConfig, door: &Door) -> Result<Arc<Self>, Invalid> {
        config.check()?;
        let expected = "redis://[user:password@]host[:port][/database] or redis+unix:///path";
        let client = Client::open(config.url.as_str()).map_err(|error| {
            Invalid::new("url", expected, format!("{} ({error})", without_password(&config.url)))
        })?;
        let lane = || Lane {
            wire: watch::Sender::new(Wire::Away(None)),
            busy: AtomicUsize::new(0),
            dialing: Mutex::new(false),
        };
        let name = format!("cache/{}", client.get_connection_info().addr());
        let link = Self {
            client,
            lanes: (0..config.max_connections).map(|_| lane()).collect(),
            timeout: Timeout::new(config.timeout, door)?,
            connect_timeout: Timeout::new(config.connect_timeout, door)?,
            breaker: CircuitBreaker::new(CircuitBreakerConfig::simple(&name, FAULTS, REST), door)?,
        };
        let wire = link.dial().await;
        if let Err(error) = &wire {
            match error.kind() {
                ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
                    let got = format!("another protocol there ({error})");
                    return Err(Invalid::new("url", "the address of a Redis", got));
                }
                ErrorKind::AuthenticationFailed => {
                    return Err(Invalid::new("url", "a user and a password that the Redis takes", error));
                }
                _ => {}
            }
        }
        link.lanes[0].wire.send_replace(state(wire));
        Ok(Arc::new(link))
    }

    async fn dial(&self) -> RedisResult<MultiplexedConnection> {
        // Limits of time are ours.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let wire = self.client.get_multiplexed_async_connection_with_config(&config);
        self.connect_timeout.run(wire).await.unwrap_or_else(|late| Err(late_error(&late)))
    }

    /// Sends commands. The error is for people.
    pub(super) async fn call<T, Fut>(
        self: &Arc<Self>,
        send: impl FnOnce(MultiplexedConnection) -> Fut,
    ) -> Result<T, String>
    where
        Fut: Future<Output = RedisResult<T>>,
    {
        let admission = self.breaker.admit().map_err(|refusal| refusal.to_string())?;
        let lane = self.lane();
        lane.busy.fetch_add(1, Ordering::Relaxed);
        let ride = Ride(lane);
        let answer = self
            .timeout
            .run(async {
                let wire = self.wire(lane).await?;
                send(wire).await.map_err(|error| {
                    let is_over = error.is_unrecoverable_error() || error.is_connection_dropped();
                    if is_over {
                        lane.wire.send_replace(Wire::Away(Some(error.to_string().into())));
                    }
                    error.to_string()
                })
            })
            .await;
        drop(ride);
        match answer {
            Ok(Ok(answer)) => {
                admission.success();
                Ok(answer)
            }
            Ok(Err(error)) => {
                admission.failure();
                Err(error)
            }
            Err(late) => {
                admission.failure();
                if !self.breaker.is_closed() {
                    // Nothing comes over this wire any more; a new one may do.
                    lane.wire.send_replace(Wire::Away(Some(late.to_string().into())));
                }
                Err(late.to_string())
            }
        }
    }

    /// The first lane with room, or the one with the least to do.
    fn lane(&self) -> &Lane {
        let busy = |lane: &&Lane| lane.busy.load(Ordering::Relaxed);
        let with_room = self.lanes.iter().find(|lane| busy(lane) < RedisCacheConfig::BUSY);
        with_room.or_else(|| self.lanes.iter().min_by_key(busy)).unwrap_or(&self.lanes[0])
    }

    /// The connection of a lane. If there is none, one is made by a task of its own, which goes on when a caller has no
    /// more time.
    async fn wire(self: &Arc<Self>, lane: &Lane) -> Result<MultiplexedConnection, String> {
        if let Wire::Ready(wire) = &*lane.wire.borrow() {
            return Ok(wire.clone());
        }
        let mut changes = lane.wire.subscribe();
        let is_mine = {
            let mut dialing = lane.dialing.lock().unwrap_or_else(PoisonError::into_inner);
            !std::mem::replace(&mut *dialing, true)
        };
        if is_mine {
            let place = self.lanes.iter().position(|other| std::ptr::eq(other, lane)).unwrap_or_default();
            let link = self.clone();
            tokio::spawn(async move {
                let wire = link.dial().await;
                let lane = &link.lanes[place];
                *lane.dialing.lock().unwrap_or_else(PoisonError::into_inner) = false;
                lane.wire.send_replace(state(wire));
            });
        }
        changes.changed().await.map_err(|_| "the cache is closed".to_owned())?;
        match &*changes.borrow() {
            Wire::Ready(wire) => Ok(wire.clone()),
            Wire::Away(why) => Err(why.as_deref().unwrap_or("no connection").to_owned()),
        }
    }

    /// A connection on which messages arrive.
    pub(super) async fn listen(&self) -> RedisResult<PubSub> {
        let listener = self.client.get_async_pubsub();
        self.connect_timeout.run(listener).await.unwrap_or_else(|late| Err(late_error(&late)))
    }

    pub(super) fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }
}

fn state(wire: RedisResult<MultiplexedConnection>) -> Wire {
    wire.map_or_else(|error| Wire::Away(Some(error.to_string().into())), Wire::Ready)
}

fn late_error(late: &crate::TimeoutError) -> redis::RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, late.to_string()).into()
}

/// An address that may be shown.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://...@{host}"),
        _ => url.to_owned(),
    }
}
