use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};
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
    connections: Vec<Connection>,
    timeout: Timeout,
    connect_timeout: Timeout,
    breaker: CircuitBreaker,
}

/// A place for one connection.
struct Connection {
    wire: watch::Sender<Wire>,
    busy: AtomicUsize,
    /// Commands in a row that were not answered in time.
    late: AtomicU64,
    /// Wires made so far.
    made: AtomicU64,
    /// Only one at a time makes a wire.
    dialing: AtomicBool,
}

/// What commands go over.
enum Wire {
    /// There is none, and why.
    Away(String),
    /// With its number among those made here.
    Ready(u64, MultiplexedConnection),
}

impl Connection {
    fn new() -> Self {
        Self {
            wire: watch::Sender::new(Wire::Away("no connection yet".to_owned())),
            busy: AtomicUsize::new(0),
            late: AtomicU64::new(0),
            made: AtomicU64::new(0),
            dialing: AtomicBool::new(false),
        }
    }

    fn put(&self, wire: RedisResult<MultiplexedConnection>) {
        self.late.store(0, Ordering::Relaxed);
        let wire = match wire {
            Ok(wire) => Wire::Ready(self.made.fetch_add(1, Ordering::Relaxed), wire),
            Err(error) => Wire::Away(error.to_string()),
        };
        self.wire.send_replace(wire);
    }

    /// Gives up a wire, unless it has been replaced.
    fn lose(&self, lost: u64, why: &str) {
        self.wire.send_if_modified(|wire| {
            let is_same = matches!(wire, Wire::Ready(number, _) if *number == lost);
            if is_same {
                *wire = Wire::Away(why.to_owned());
            }
            is_same
        });
    }
}

/// The one who makes a wire; whatever becomes of it, another one may try.
struct Dialing(Arc<Link>, usize);

impl Drop for Dialing {
    fn drop(&mut self) {
        let connection = &self.0.connections[self.1];
        connection.dialing.store(false, Ordering::Release);
        if matches!(&*connection.wire.borrow(), Wire::Away(_)) {
            // Who waits is told.
            connection.wire.send_modify(|_| {});
        }
    }
}

/// A command under way.
struct Ride<'a>(&'a Connection);

impl Drop for Ride<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a server says that is for now only.
const FOR_NOW: [&str; 4] = ["LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN"];

/// Refuses an address because of what was said there; whoever is away may come later.
fn refuse(error: &RedisError) -> Result<(), Invalid> {
    let is_for_now = || {
        let text = error.to_string();
        FOR_NOW.iter().any(|word| text.contains(word)) || text.contains("max number of clients")
    };
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            let got = format!("another protocol there ({error})");
            Err(Invalid::new("url", "the address of a Redis", got))
        }
        ErrorKind::AuthenticationFailed => {
            Err(Invalid::new("url", "a user and a password that the Redis takes", error))
        }
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::InvalidClientConfig if !is_for_now() => {
            Err(Invalid::new("url", "a user, a password and a database that the Redis takes", error))
        }
        _ => Ok(()),
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
        let name = format!("cache/{}", client.get_connection_info().addr());
        let link = Self {
            client,
            connections: (0..config.max_connections).map(|_| Connection::new()).collect(),
            timeout: Timeout::new(config.timeout, door)?,
            connect_timeout: Timeout::new(config.connect_timeout, door)?,
            breaker: CircuitBreaker::new(CircuitBreakerConfig::simple(&name, FAULTS, REST), door)?,
        };
        let wire = link.dial().await;
        let answer = match wire.clone() {
            Ok(mut wire) => {
                let ping = redis::cmd("PING");
                let answer = link.timeout.run(ping.query_async::<redis::Value>(&mut wire)).await;
                answer.unwrap_or_else(|late| Err(late_error(&late)))
            }
            Err(error) => Err(error),
        };
        match answer {
            Ok(redis::Value::SimpleString(pong)) if pong == "PONG" => {}
            Ok(other) => {
                let got = format!("another protocol there (PING was answered with {other:?})");
                return Err(Invalid::new("url", "the address of a Redis", got));
            }
            Err(error) => refuse(&error)?,
        }
        link.connections[0].put(wire);
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
        let connection = self.pick();
        connection.busy.fetch_add(1, Ordering::Relaxed);
        let ride = Ride(connection);
        let mut number = None;
        let answer = self
            .timeout
            .run(async {
                let (own, wire) = self.wire(connection).await.map_err(|error| (true, error))?;
                number = Some(own);
                send(wire).await.map_err(|error| {
                    let is_over = error.is_unrecoverable_error() || error.is_connection_dropped();
                    if is_over {
                        connection.lose(own, &error.to_string());
                    }
                    (is_over || error.is_io_error() || error.is_timeout(), error.to_string())
                })
            })
            .await;
        drop(ride);
        if answer.is_ok() {
            connection.late.store(0, Ordering::Relaxed);
        }
        match answer {
            Ok(Ok(answer)) => {
                admission.success();
                Ok(answer)
            }
            // An error that the Redis tells is an answer; the Redis is well.
            Ok(Err((is_fault, error))) => {
                if is_fault {
                    admission.failure()
                } else {
                    admission.success()
                }
                Err(error)
            }
            Err(late) => {
                admission.failure();
                let in_a_row = connection.late.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(number) = number
                    && (in_a_row >= FAULTS || !self.breaker.is_closed())
                {
                    // Nothing comes over this wire any more; a new one may do.
                    connection.lose(number, &late.to_string());
                }
                Err(late.to_string())
            }
        }
    }

    /// The first connection with room, or the one with the least to do.
    fn pick(&self) -> &Connection {
        let busy = |connection: &&Connection| connection.busy.load(Ordering::Relaxed);
        let with_room = self.connections.iter().find(|connection| busy(connection) < RedisCacheConfig::BUSY);
        with_room.or_else(|| self.connections.iter().min_by_key(busy)).unwrap_or(&self.connections[0])
    }

    /// The wire of a connection. If there is none, one is made by a task of its own, which goes on when a caller has no
    /// more time.
    async fn wire(self: &Arc<Self>, connection: &Connection) -> Result<(u64, MultiplexedConnection), String> {
        let ready = |wire: &Wire| match wire {
            Wire::Ready(number, wire) => Some((*number, wire.clone())),
            Wire::Away(_) => None,
        };
        if let Some(wire) = ready(&connection.wire.borrow()) {
            return Ok(wire);
        }
        let mut changes = connection.wire.subscribe();
        // It may have come in between, and would not be told again.
        if let Some(wire) = ready(&changes.borrow_and_update()) {
            return Ok(wire);
        }
        if !connection.dialing.swap(true, Ordering::AcqRel) {
            let place =
                self.connections.iter().position(|other| std::ptr::eq(other, connection)).unwrap_or_default();
            let dialing = Dialing(self.clone(), place);
            tokio::spawn(async move {
                let Dialing(link, place) = &dialing;
                let wire = link.dial().await;
                link.connections[*place].put(wire);
            });
        }
        changes.changed().await.map_err(|_| "the cache is closed".to_owned())?;
        match &*changes.borrow() {
            Wire::Ready(number, wire) => Ok((*number, wire.clone())),
            Wire::Away(why) => Err(why.clone()),
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

fn late_error(late: &crate::TimeoutError) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, late.to_string()).into()
}

/// An address that may be shown.
pub(super) fn without_password(url: &str) -> String {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    // Passwords stand before an @, or among what follows a question mark.
    if url.contains(['@', '?']) { format!("{scheme}://...") } else { url.to_owned() }
}
