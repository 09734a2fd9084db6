//! The door bell between processes that share the file.
//!
//! Beside `jobs.db` stands the folder `jobs.db-peers`. Every process binds a datagram socket in it; a commit sends
//! what changed to every other socket. Two lock files in it make the gate (the module `gate`). The folder holds nothing
//! that matters: it may be removed when no process uses the file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::stream;
use longshore_core::{QueueName, StoreError, StoreResult, Wake, WakeStream};
use tokio::sync::broadcast::{self, error::RecvError};

/// Rings that a slow listener may leave unheard before it is told that it missed some.
const UNHEARD_MAX: usize = 1_024;
/// Longest datagram; more news than fits becomes "look at everything".
const DATAGRAM_BYTES_MAX: usize = 4_096;

/// The folder beside the database file.
pub(crate) struct Peers {
    folder: PathBuf,
    /// Keeps the folder open, so that sockets in it have a short path however long the real one is.
    handle: File,
}

impl Peers {
    pub(crate) fn open(database: &Path) -> StoreResult<Self> {
        // Whoever comes through a link has to meet the others.
        let database = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        let mut name = database.as_os_str().to_owned();
        name.push("-peers");
        let folder = PathBuf::from(name);
        let open = || -> io::Result<File> {
            fs::create_dir_all(&folder)?;
            File::open(&folder)
        };
        let handle =
            open().map_err(|error| StoreError::ReadOnly(format!("{}: {error}", folder.display())))?;
        Ok(Self { folder, handle })
    }

    /// A socket address has about a hundred bytes for its path.
    fn short(&self, name: &str) -> PathBuf {
        let through = PathBuf::from(format!("/proc/self/fd/{}", self.handle.as_raw_fd()));
        if through.exists() { through.join(name) } else { self.folder.join(name) }
    }

    /// The sockets of all processes.
    fn sockets(&self) -> impl Iterator<Item = String> {
        let names = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.ends_with(SOCKET))
    }

    pub(crate) fn lock_file(&self, name: &str) -> StoreResult<File> {
        let path = self.folder.join(name);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        file.map_err(|error| StoreError::ReadOnly(format!("{}: {error}", path.display())))
    }
}

/// Rings here, and at every other process.
#[derive(Clone)]
pub(crate) struct Bell {
    here: broadcast::Sender<Wake>,
    out: Arc<Mutex<Out>>,
}

struct Out {
    peers: Arc<Peers>,
    own: String,
    /// Another socket than the one we listen at, because it must never block.
    voice: UnixDatagram,
    others: Vec<String>,
    looked_at: Option<SystemTime>,
    /// Those whose mailbox was full; a thread each waits until there is room.
    owed: Arc<Mutex<HashSet<String>>>,
    /// To wake our own listener at the end.
    ears: UnixDatagram,
}

impl Bell {
    /// Binds this process's socket and starts to listen at it.
    pub(crate) fn start(peers: Peers, nonce: u64) -> StoreResult<Self> {
        let peers = Arc::new(peers);
        let own = format!("{}-{:08x}{SOCKET}", std::process::id(), nonce as u32);
        let bind = || -> io::Result<(UnixDatagram, UnixDatagram)> {
            let voice = UnixDatagram::unbound()?;
            voice.set_nonblocking(true)?;
            Ok((UnixDatagram::bind(peers.short(&own))?, voice))
        };
        let deaf = |error: io::Error| {
            StoreError::Unavailable(format!("{}: cannot bind a socket: {error}", peers.folder.display()))
        };
        let (ears, voice) = bind().map_err(deaf)?;
        let heard = ears.try_clone().map_err(deaf)?;
        let here = broadcast::Sender::new(UNHEARD_MAX);
        let ring = here.clone();
        let listen = move || listen(&heard, &ring);
        std::thread::Builder::new()
            .name("sqlite-bell".to_owned())
            .spawn(listen)
            .map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?;
        let out = Out { peers, own, voice, others: Vec::new(), looked_at: None, owed: Arc::default(), ears };
        Ok(Self { here, out: Arc::new(Mutex::new(out)) })
    }

    pub(crate) fn ring_everywhere(&self, wakes: Vec<Wake>) {
        if wakes.is_empty() {
            return;
        }
        let letter = write(&wakes);
        for wake in wakes {
            let _ = self.here.send(wake);
        }
        self.out.lock().unwrap_or_else(PoisonError::into_inner).send(&letter);
    }

    /// Whether no other process listens.
    pub(crate) fn is_alone(&self) -> bool {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.look_for_others();
        out.others.is_empty()
    }

    pub(crate) fn listen(&self) -> WakeStream {
        Box::pin(stream::unfold(self.here.subscribe(), async |mut rings| match rings.recv().await {
            Ok(wake) => Some((wake, rings)),
            Err(RecvError::Lagged(_)) => Some((Wake::Missed, rings)),
            Err(RecvError::Closed) => None,
        }))
    }

    /// Stops listening and takes the socket away.
    pub(crate) fn stop(&self) {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.ears.shutdown(std::net::Shutdown::Both);
        let _ = fs::remove_file(out.peers.folder.join(&out.own));
    }
}

impl Out {
    fn send(&mut self, letter: &[u8]) {
        self.look_for_others();
        let (peers, voice, owed) = (&self.peers, &self.voice, &self.owed);
        self.others.retain(|other| reach(peers, voice, owed, other, letter));
    }

    fn look_for_others(&mut self) {
        let changed_at = fs::metadata(&self.peers.folder).and_then(|folder| folder.modified()).ok();
        // A file system keeps times in ticks: only a change that is a while ago cannot hide a second one.
        let settled = changed_at.and_then(|at| at.elapsed().ok()).is_some_and(|ago| ago > SETTLED);
        if settled && changed_at == self.looked_at {
            return;
        }
        self.others = self.peers.sockets().filter(|name| *name != self.own).collect();
        self.looked_at = changed_at;
    }
}

/// Puts a letter into one mailbox; false if nobody is behind that socket any more, because its process was killed.
fn reach(
    peers: &Arc<Peers>,
    voice: &UnixDatagram,
    owed: &Arc<Mutex<HashSet<String>>>,
    other: &str,
    letter: &[u8],
) -> bool {
    match voice.send_to(letter, peers.short(other)) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _ = fs::remove_file(peers.folder.join(other));
            return false;
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => owe(peers, owed, other),
        _ => {}
    }
    true
}

/// Rings at every process on a file, without one of its own that listens.
pub(crate) fn ring_all(database: &Path, wakes: &[Wake]) -> StoreResult<()> {
    let mute = |error: io::Error| StoreError::Unavailable(format!("cannot ring: {error}"));
    let (peers, voice) = (Arc::new(Peers::open(database)?), UnixDatagram::unbound().map_err(mute)?);
    voice.set_nonblocking(true).map_err(mute)?;
    let (owed, letter) = (Arc::default(), write(wakes));
    for other in peers.sockets() {
        reach(&peers, &voice, &owed, &other, &letter);
    }
    Ok(())
}

const SETTLED: Duration = Duration::from_secs(1);
const SOCKET: &str = ".sock";
const MISSED: &[u8] = b"m\n";
/// A process that does not empty its mailbox for so long is halted, and looks at everything when it goes on.
const OWED_WITHIN: Duration = Duration::from_secs(10);

/// Sees to it that a process whose mailbox is full looks at everything once it has room again.
fn owe(peers: &Arc<Peers>, owed: &Arc<Mutex<HashSet<String>>>, other: &str) {
    if !debts(owed).insert(other.to_owned()) {
        return;
    }
    let (peers, owing, creditor) = (peers.clone(), owed.clone(), other.to_owned());
    let pay = move || {
        let sent = UnixDatagram::unbound().and_then(|voice| {
            voice.set_write_timeout(Some(OWED_WITHIN))?;
            voice.send_to(MISSED, peers.short(&creditor))
        });
        debts(&owing).remove(&creditor);
        if let Err(error) = sent {
            tracing::debug!(%error, creditor, "another process does not hear");
        }
    };
    if std::thread::Builder::new().name("sqlite-owed".to_owned()).spawn(pay).is_err() {
        debts(owed).remove(other);
    }
}

fn debts(owed: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    owed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One line per ring: a letter for its sort, then the name.
fn write(wakes: &[Wake]) -> Vec<u8> {
    let mut letter = Vec::new();
    for wake in wakes {
        let (sort, name) = match wake {
            Wake::Ready(queue) => ('r', queue.as_str()),
            Wake::Paused(queue) => ('p', queue.as_str()),
            Wake::Due => ('d', ""),
            Wake::Settle => ('s', ""),
            Wake::Sort => ('o', ""),
            Wake::Cancel => ('c', ""),
            Wake::Log(log) => ('l', log.as_str()),
            Wake::Missed => ('m', ""),
        };
        letter.extend_from_slice(format!("{sort}{name}\n").as_bytes());
    }
    if letter.len() > DATAGRAM_BYTES_MAX { MISSED.to_vec() } else { letter }
}

fn read(letter: &[u8]) -> Vec<Wake> {
    let lines = std::str::from_utf8(letter).unwrap_or_default().lines();
    lines
        .filter_map(|line| match line.split_at_checked(1)? {
            ("r", queue) => QueueName::new(queue).ok().map(Wake::Ready),
            ("p", queue) => QueueName::new(queue).ok().map(Wake::Paused),
            ("d", _) => Some(Wake::Due),
            ("s", _) => Some(Wake::Settle),
            ("o", _) => Some(Wake::Sort),
            ("c", _) => Some(Wake::Cancel),
            ("l", log) => Some(Wake::Log(log.to_owned())),
            ("m", _) => Some(Wake::Missed),
            _ => None,
        })
        .collect()
}

/// Passes on what comes in, until the socket is shut down.
fn listen(ears: &UnixDatagram, ring: &broadcast::Sender<Wake>) {
    let mut letter = [0; DATAGRAM_BYTES_MAX];
    loop {
        match ears.recv(&mut letter) {
            Ok(0) => return,
            Ok(length) => read(&letter[..length]).into_iter().for_each(|wake| drop(ring.send(wake))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::error!(%error, "rings of other processes are not heard any more, only looked for");
                let _ = ring.send(Wake::Missed);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_read_as_they_were_written() {
        let wakes = vec![
            Wake::Ready(QueueName::new("mail:eu").unwrap()),
            Wake::Paused(QueueName::new("pdf").unwrap()),
            Wake::Due,
            Wake::Settle,
            Wake::Sort,
            Wake::Cancel,
            Wake::Log("events".to_owned()),
        ];
        assert_eq!(read(&write(&wakes)), wakes);
        let many: Vec<Wake> = (0..2_000).map(|n| Wake::Log(format!("log-{n}"))).collect();
        assert_eq!(read(&write(&many)), [Wake::Missed]);
    }
}
