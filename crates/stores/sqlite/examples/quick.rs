use longshore_clock::*; use longshore_core::*; use longshore_sqlite::*; use std::sync::Arc;
fn main() {
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let door = Door::system();
    let n = 200_000;
    for _ in 0..2 {
    let f = floor::run(&SqliteConfig::new("/work/main/target/floor.db"), n, "{}", &door).unwrap();
    println!("floor enqueue {:.0} process {:.0}", n as f64/f.enqueue.as_secs_f64(), n as f64/f.process.as_secs_f64());
    for s in ["", "-wal", "-shm"] { let _ = std::fs::remove_file(format!("/work/main/target/quick.db{s}")); }
    let store = SqliteStore::open(&SqliteConfig::new("/work/main/target/quick.db"), &door).unwrap();
    rt.block_on(async {
        let q = QueueName::new("default").unwrap(); let k = KindName::new("noop").unwrap();
        let w = Stopwatch::start();
        for _ in 0..n/500 {
            let jobs = (0..500).map(|_| Arc::new(JobSpec::new(JobId::from_u128(door.new_id()), q.clone(), k.clone(), Json::trusted("{}")))).collect();
            store.insert(jobs, door.clock.now()).await.unwrap();
        }
        println!("ours enqueue {:.0}", n as f64 / w.elapsed().as_secs_f64());
        let w = Stopwatch::start();
        let mut ends: Vec<End> = vec![]; let mut done = 0;
        let claim = Claim { worker: WorkerId::new("w").unwrap(), lanes: vec![LaneWant{queue:q.clone(), limit:500}], lease: limits::LEASE };
        while done < n {
            done += ends.len();
            let t = store.turn(Arc::new(std::mem::take(&mut ends)), claim.clone(), door.clock.now()).await.unwrap();
            ends = t.claimed.into_iter().map(|c| End::new(c.lease, Outcome::Done{result: None})).collect();
        }
        println!("ours process {:.0}", n as f64 / w.elapsed().as_secs_f64());
        store.close().await.unwrap();
    });
    }
}
