/// Passes the records of a store on to its `inner` one, for wrappers that are about jobs alone.
#[macro_export]
macro_rules! pass_records {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl longshore_core::Records for $store {
            async fn doc_get(
                &self,
                key: &str,
                now: longshore_core::Timestamp,
            ) -> longshore_core::StoreResult<Option<longshore_core::Doc>> {
                self.inner.doc_get(key, now).await
            }

            async fn doc_put(
                &self,
                key: &str,
                value: bytes::Bytes,
                expect: longshore_core::Expect,
                ttl: Option<std::time::Duration>,
                now: longshore_core::Timestamp,
            ) -> longshore_core::StoreResult<longshore_core::Put> {
                self.inner.doc_put(key, value, expect, ttl, now).await
            }

            async fn doc_delete(
                &self,
                key: &str,
                expect: longshore_core::Expect,
                now: longshore_core::Timestamp,
            ) -> longshore_core::StoreResult<bool> {
                self.inner.doc_delete(key, expect, now).await
            }

            async fn doc_list(
                &self,
                prefix: &str,
                after: Option<&str>,
                limit: usize,
                now: longshore_core::Timestamp,
            ) -> longshore_core::StoreResult<Vec<longshore_core::Doc>> {
                self.inner.doc_list(prefix, after, limit, now).await
            }

            async fn log_append(
                &self,
                log: &str,
                entries: Vec<bytes::Bytes>,
                keep: usize,
            ) -> longshore_core::StoreResult<u64> {
                self.inner.log_append(log, entries, keep).await
            }

            async fn log_read(
                &self,
                log: &str,
                after: u64,
                limit: usize,
            ) -> longshore_core::StoreResult<Vec<longshore_core::LogEntry>> {
                self.inner.log_read(log, after, limit).await
            }

            async fn log_end(&self, log: &str) -> longshore_core::StoreResult<u64> {
                self.inner.log_end(log).await
            }

            async fn limit(
                &self,
                key: &str,
                rule: longshore_core::limiter::Rule,
                cost: u32,
                now: longshore_core::Timestamp,
            ) -> longshore_core::StoreResult<longshore_core::limiter::Permit> {
                self.inner.limit(key, rule, cost, now).await
            }
        }
    };
}
