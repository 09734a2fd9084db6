use std::sync::Arc;

/// Marks for keys, and as many for tags.
pub(super) const BUCKETS: usize = 256;

/// Counts of what has been invalidated so far. Keys share marks, and so do tags: an invalidation may look like that of another
/// key, which costs a load and never an old value.
pub(super) struct Marks {
    epoch: u64,
    all: u64,
    keys: Box<[u64]>,
    tags: Box<[u64]>,
}

/// The marks that matter to one load, as they stood when it began.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    /// The tags that its value is to have.
    pub(super) tags: Arc<[Arc<str>]>,
    /// Of this process.
    pub(super) near: Vec<u64>,
    /// Of what all processes share; none if there is no such thing, or it could not be reached.
    pub(super) far: Option<FarMarks>,
}

/// The marks of a Redis.
#[derive(Clone, Debug)]
pub(super) struct FarMarks {
    /// A number by which marks that were lost and begin anew are told from those before.
    pub(super) epoch: u64,
    pub(super) marks: Vec<u64>,
}

impl Baseline {
    /// Whether a load that began at this sees what one that began at the other sees, or more.
    pub(super) fn is_as_new_as(&self, other: &Self) -> bool {
        let reach =
            |mine: &[u64], theirs: &[u64]| mine.iter().zip(theirs).all(|(mine, theirs)| mine >= theirs);
        let far = match (&self.far, &other.far) {
            (Some(mine), Some(theirs)) => mine.epoch == theirs.epoch && reach(&mine.marks, &theirs.marks),
            (None, None) => true,
            _ => false,
        };
        far && self.tags == other.tags && reach(&self.near, &other.near)
    }
}

/// The same in every process.
pub(super) fn bucket(text: &str) -> usize {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    ((hash ^ (hash >> 32)) as usize) % BUCKETS
}

impl Marks {
    pub(super) fn new() -> Self {
        Self { epoch: 0, all: 0, keys: [0; BUCKETS].into(), tags: [0; BUCKETS].into() }
    }

    /// How many invalidations there were.
    #[cfg(feature = "redis")]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn read(&self, key: &str, tags: &[Arc<str>]) -> Vec<u64> {
        let first = [self.all, self.keys[bucket(key)]];
        first.into_iter().chain(tags.iter().map(|tag| self.tags[bucket(tag)])).collect()
    }

    pub(super) fn key(&mut self, key: &str) {
        self.epoch += 1;
        self.keys[bucket(key)] += 1;
    }

    pub(super) fn tag(&mut self, tag: &str) {
        self.epoch += 1;
        self.tags[bucket(tag)] += 1;
    }

    pub(super) fn all(&mut self) {
        self.epoch += 1;
        self.all += 1;
    }
}
