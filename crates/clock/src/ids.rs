use std::sync::{Arc, Mutex, PoisonError};

use crate::{Chance, Timestamp};

/// Makes UUIDv7 values that rise strictly within one process, so that they also keep their order in an index.
///
/// Layout: 48 bits of milliseconds, then a 42-bit counter that starts at a random place every millisecond
/// (around the version and variant bits), then 32 random bits.
#[derive(Clone, Debug)]
pub struct Ids {
    chance: Chance,
    last: Arc<Mutex<(i64, u64)>>,
}

const COUNTER_BITS: u32 = 42;

impl Ids {
    pub(crate) fn new(chance: Chance) -> Self {
        Self { chance, last: Arc::new(Mutex::new((0, 0))) }
    }

    /// The next id for the moment `now`. A `now` that went back does not make ids go back.
    pub fn next(&self, now: Timestamp) -> u128 {
        let bits = self.chance.bits();
        let (millis, counter) = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if now.as_millis() > last.0 {
                // The upper half stays free, so that the counter has room to rise within the millisecond.
                *last = (now.as_millis(), (bits >> 32) << (COUNTER_BITS - 33));
            } else if last.1 + 1 < 1 << COUNTER_BITS {
                last.1 += 1;
            } else {
                *last = (last.0 + 1, 0);
            }
            *last
        };
        let high = (millis as u64) << 16 | 0x7000 | (counter >> 30);
        let low = 0b10 << 62 | (counter & 0x3fff_ffff) << 32 | (bits & 0xffff_ffff);
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_rise_even_when_the_clock_goes_back() {
        let ids = Ids::new(Chance::seeded(1));
        let mut last = 0;
        for step in 0..10_000_i64 {
            let id = ids.next(Timestamp::from_millis(1_700_000_000_000 + step % 7));
            assert!(id > last);
            let uuid = uuid::Uuid::from_u128(id);
            assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
            last = id;
        }
    }
}
