//! How long a trivial endpoint takes while every thread for CPU-bound work is busy, and while none is.
//!
//! `cargo bench -p longshore-pool`

#![expect(clippy::unwrap_used, reason = "what goes wrong here ends the run")]
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore_clock::{Clock, Door, Stopwatch};
use longshore_pool::{CpuPool, CpuPoolConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

const CALLS: usize = 3_000;
const GAP: Duration = Duration::from_millis(2);

/// Answers each byte with a byte.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
        });
    }
}

/// The times of all calls, sorted.
fn call(address: SocketAddr, clock: &Clock) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let pause = Builder::new_current_thread().enable_time().build().unwrap();
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let watch = Stopwatch::start();
            stream.write_all(b"?").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            let took = watch.elapsed();
            pause.block_on(clock.sleep(GAP));
            took
        })
        .collect();
    times.sort();
    times
}

fn main() {
    let door = Door::system();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(serve(listener));
    for (name, nice) in [
        ("idle", None),
        ("busy, niceness 0", Some(0)),
        ("busy, as usual", Some(CpuPoolConfig::default().nice)),
    ] {
        let done = Arc::new(AtomicBool::new(false));
        let pool = nice
            .map(|nice| CpuPool::start(&CpuPoolConfig { nice, ..CpuPoolConfig::default() }, &door).unwrap());
        for pool in pool.iter().flat_map(|pool| std::iter::repeat_n(pool.clone(), pool.get_metrics().threads))
        {
            let done = done.clone();
            runtime.spawn(async move {
                let work = move || {
                    while !done.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                };
                pool.run(work).await.unwrap();
            });
        }
        while pool.as_ref().is_some_and(|pool| pool.busy() < pool.get_metrics().threads) {
            std::thread::yield_now();
        }
        let times = call(address, &door.clock);
        done.store(true, Ordering::Relaxed);
        let at = |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)].as_secs_f64() * 1e3;
        println!("{name:<17} p50 {:.3} ms  p99 {:.3} ms  p99.9 {:.3} ms", at(500), at(990), at(999));
    }
}
