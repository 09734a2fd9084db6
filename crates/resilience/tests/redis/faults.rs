use std::io::{Read, Write};
use std::time::Duration;

use longshore_clock::{Door, Stopwatch};
use longshore_resilience::cache::{RedisCache, RedisCacheConfig};
use longshore_resilience::{Cache, CacheConfig, CacheError, CachePolicy, LoadError};
use redis::AsyncCommands;

use crate::server::{PATIENCE, Redis, until};

const MINUTE: Duration = Duration::from_secs(60);

/// For answers that may take as long as a busy machine needs.
fn patient(url: &str) -> RedisCacheConfig {
    RedisCacheConfig { timeout: PATIENCE, connect_timeout: PATIENCE, ..RedisCacheConfig::at(url) }
}

/// Everything a caller can do while the Redis is not there.
async fn works_without(cache: &Cache) {
    let before = cache.stats().errors;
    assert_eq!(cache.get::<u32>("a").await.unwrap(), None);
    let not_kept = cache.stats().not_kept;
    cache.set("a", &2, MINUTE).await.unwrap();
    assert_eq!(cache.stats().not_kept, not_kept + 1);
    let loaded: Result<u32, LoadError<String>> = cache.get_or_set("b", MINUTE, || async { Ok(7) }).await;
    assert_eq!(loaded.unwrap(), 7);
    for removed in [
        cache.invalidate("a").await.map(u64::from),
        cache.invalidate_tag("t").await,
        cache.invalidate_pattern("*").await,
        cache.clear().await,
    ] {
        assert!(matches!(removed, Err(CacheError::Unreachable(_))), "{removed:?}");
    }
    assert!(cache.stats().errors >= before + 7);
}

#[tokio::test]
async fn a_killed_redis_costs_nobody_a_call() {
    let mut redis = Redis::start();
    let place = redis.patient().await;
    let cache = Cache::in_redis(CacheConfig::default(), &place).unwrap();
    cache.set("a", &1, MINUTE).await.unwrap();
    redis.kill();
    works_without(&cache).await;
    assert!(!place.breaker().is_closed());
    redis.start_again();
    until(true, async || {
        cache.set("a", &1, MINUTE).await.unwrap();
        cache.get::<u32>("a").await.unwrap() == Some(1)
    })
    .await;
    assert!(cache.invalidate("a").await.unwrap());
}

#[tokio::test]
async fn a_redis_that_hangs_costs_nobody_more_than_its_time() {
    let redis = Redis::start();
    let place = redis.place().await;
    let cache = Cache::in_redis(CacheConfig::default(), &place).unwrap();
    redis.hang();
    let watch = Stopwatch::start();
    works_without(&cache).await;
    assert!(!place.breaker().is_closed(), "nobody waits any more");
    // Fifty milliseconds each for the first five; much more only on a machine that has no time for this.
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    redis.go_on();
    until(true, async || {
        cache.set("a", &1, MINUTE).await.unwrap();
        cache.get::<u32>("a").await.unwrap() == Some(1)
    })
    .await;
}

#[tokio::test]
async fn one_that_comes_later_is_found() {
    let mut redis = Redis::start();
    redis.kill();
    let place = redis.place().await;
    let cache = Cache::in_redis(CacheConfig::default(), &place).unwrap();
    works_without(&cache).await;
    redis.start_again();
    until(true, async || {
        cache.set("a", &1, MINUTE).await.unwrap();
        cache.get::<u32>("a").await.unwrap() == Some(1)
    })
    .await;
}

#[tokio::test]
async fn what_is_damaged_or_foreign_is_not_found() {
    let redis = Redis::start();
    let place = redis.patient().await;
    let cache = Cache::in_redis(CacheConfig::default(), &place).unwrap();
    let mut wire = redis.wire().await;
    let packed_bomb = [&[1, 1][..], &[0; 8], &[0], &u32::MAX.to_le_bytes(), b"xx"].concat();
    let cut_tag = [&[1, 0][..], &[0; 8], &[1, 200], b"short"].concat();
    let long_ago = [&[1, 2][..], &i64::MIN.to_le_bytes(), &[0], b"7"].concat();
    let whole = [&[1, 4][..], &[0; 8], &[0], b"7"].concat();
    for (number, bytes) in
        [b"".to_vec(), b"7".to_vec(), vec![9; 40], packed_bomb, cut_tag, long_ago].iter().enumerate()
    {
        let _: () = wire.set(format!("cache:{number}"), bytes).await.unwrap();
        assert_eq!(cache.get::<u32>(&number.to_string()).await.unwrap(), None, "{number}");
        // What is over for long is no fault.
        assert_eq!(cache.stats().errors, (number as u64 + 1).min(5));
    }
    let _: () = wire.set("cache:whole", whole).await.unwrap();
    assert_eq!(cache.get::<u32>("whole").await.unwrap(), Some(7));
    let _: () = wire.rpush("cache:list", "x").await.unwrap();
    assert_eq!(cache.get::<u32>("list").await.unwrap(), None);
    // A foreign thing under one of our names does not keep what is asked for from being answered.
    let _: () = wire.set("cache#marks", "x").await.unwrap();
    let policy = CachePolicy::ttl(MINUTE).tag("t");
    let loaded: Result<u32, LoadError<String>> = cache.get_or_set("n", policy, || async { Ok(7) }).await;
    assert_eq!(loaded.unwrap(), 7);
    assert!(cache.stats().errors >= 7);
    for _ in 0..9 {
        let loaded: Result<u32, LoadError<String>> =
            cache.get_or_set("list", MINUTE, || async { Ok(7) }).await;
        assert_eq!(loaded.unwrap(), 7);
    }
    assert!(place.breaker().is_closed(), "an answer that is wrong is an answer");
}

#[tokio::test]
async fn what_is_no_redis_is_refused_by_name() {
    let door = Door::system();
    let refused = async |config: RedisCacheConfig| match RedisCache::connect(config, &door).await {
        Ok(_) => String::new(),
        Err(invalid) => format!("{}: {invalid}", invalid.field),
    };
    let at = patient;
    assert!(refused(at("nonsense")).await.starts_with("url: "));
    let error = refused(at("http://:secret@localhost/")).await;
    assert!(error.starts_with("url: ") && !error.contains("secret"), "{error}");
    let zero = RedisCacheConfig { timeout: Duration::ZERO, ..RedisCacheConfig::default() };
    assert!(refused(zero).await.starts_with("timeout: "));
    let none = RedisCacheConfig { max_connections: 0, ..RedisCacheConfig::default() };
    assert!(refused(none).await.starts_with("max_connections: "));

    let web = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", web.local_addr().unwrap());
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = web.accept().unwrap();
        let _ = stream.read(&mut [0; 512]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let error = refused(at(&url)).await;
    answers.join().unwrap();
    assert!(error.starts_with("url: ") && error.contains("another protocol"), "{error}");
    // One that answers everything with a yes.
    let yes = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", yes.local_addr().unwrap());
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = yes.accept().unwrap();
        let mut said = [0; 512];
        while let Ok(1..) = stream.read(&mut said) {
            let _ = stream.write_all(b"+OK\r\n+OK\r\n+OK\r\n");
        }
    });
    let error = refused(at(&url)).await;
    assert!(error.starts_with("url: ") && error.contains("PING"), "{error}");
    // Not on this thread, which has to close the connection first.
    tokio::task::spawn_blocking(|| answers.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn what_a_redis_does_not_let_in_is_refused() {
    let (redis, door) = (Redis::start(), Door::system());
    let refused = async |url: String| match RedisCache::connect(patient(&url), &door).await {
        Ok(_) => String::new(),
        Err(invalid) => invalid.to_string(),
    };
    let error = refused(format!("{}?db=999", redis.url())).await;
    assert!(error.contains("expected a user, a password and a database"), "{error}");
    let mut wire = redis.wire().await;
    let set = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("open").exec_async(&mut wire).await;
    set.unwrap();
    let error = refused(redis.url()).await;
    assert!(error.starts_with("url: expected a user") && error.contains("NOAUTH"), "{error}");
    assert_eq!(refused(format!("{}?pass=open", redis.url())).await, "");
}
