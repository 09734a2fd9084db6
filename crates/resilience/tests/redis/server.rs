use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use longshore_clock::Door;
use longshore_resilience::cache::{RedisCache, RedisCacheConfig};
use longshore_resilience::{Cache, CacheConfig};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A Redis of our own, behind a socket in a folder of its own. It goes when this is dropped.
pub(crate) struct Redis {
    folder: TempDir,
    process: Option<Child>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let mut redis = Self { folder: tempfile::tempdir().unwrap(), process: None };
        redis.start_again();
        redis
    }

    /// A new process, which knows nothing, behind the same socket.
    pub(crate) fn start_again(&mut self) {
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(self.folder.path().join("redis.sock"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed; `cargo xtask test` does that");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).any(|line| line.contains("eady to accept connections"));
        assert!(ready, "the Redis did not start");
        self.process = Some(process);
    }

    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// It is there and does nothing.
    pub(crate) fn hang(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_child(self.process.as_ref().unwrap());
        kill_process(process, signal).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    /// A connection that belongs to no cache.
    pub(crate) async fn wire(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) async fn place(&self) -> RedisCache {
        self.place_with(RedisCacheConfig::at(&self.url())).await
    }

    pub(crate) async fn place_with(&self, config: RedisCacheConfig) -> RedisCache {
        RedisCache::connect(config, &Door::system()).await.unwrap()
    }

    /// A cache with connections of its own, as another process would have.
    pub(crate) async fn cache(&self) -> Cache {
        Cache::in_redis(CacheConfig::default(), &self.patient().await).unwrap()
    }

    /// A place that waits as long as a busy machine may need.
    pub(crate) async fn patient(&self) -> RedisCache {
        let config = RedisCacheConfig { timeout: PATIENCE, ..RedisCacheConfig::at(&self.url()) };
        self.place_with(config).await
    }
}

/// No test waits for longer.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Asks until the answer is this one.
pub(crate) async fn until<T: PartialEq>(expected: T, mut ask: impl AsyncFnMut() -> T) {
    let asking = async {
        while ask().await != expected {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it never came to be");
}
