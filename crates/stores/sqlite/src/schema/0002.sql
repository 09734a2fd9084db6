-- Times to live, unique keys, and jobs that wait for other jobs. `args` stays last, so the table is made anew.
CREATE TABLE job_anew (
  place       INTEGER PRIMARY KEY,   -- given once, in the order of inserts
  id          NOT NULL,              -- 16 bytes of a UUID, or the text that the caller chose
  queue       INTEGER NOT NULL,      -- -> name
  kind        INTEGER NOT NULL,      -- -> name
  priority    REAL NOT NULL,
  created_at  INTEGER NOT NULL,      -- all times: milliseconds since the epoch
  run_at      INTEGER,               -- as asked
  waits       INTEGER NOT NULL,      -- 0 blocked, 1 scheduled, 2 ready
  due_at      INTEGER,               -- while scheduled
  turn        INTEGER NOT NULL,      -- its place in line among ready jobs of one priority
  attempt     INTEGER NOT NULL DEFAULT 0,
  stalls      INTEGER NOT NULL DEFAULT 0,
  ties        INTEGER NOT NULL DEFAULT 0, -- what else to look at when it moves: 1 edges, 2 a unique key, 4 a deadline, 8 limits
  lane        INTEGER,               -- while ready in a queue with lanes -> lane
  rank        REAL,                  -- its order there
  parents_left INTEGER NOT NULL DEFAULT 0,
  deadline_at INTEGER,
  unique_key  TEXT,
  reason      TEXT,
  worker      INTEGER,               -- of the latest attempt that did not end the job
  started_at  INTEGER,
  last_nonce  INTEGER,               -- which claim gave it back, and how
  last_way    INTEGER,
  last_state  INTEGER,
  owner       TEXT,
  correlation TEXT,
  retention        INTEGER,          -- two of the options, where the hot path can copy them
  result_retention INTEGER,
  options     TEXT,                  -- null: the defaults
  args        TEXT NOT NULL          -- last, so that reading the rest does not walk through it
);
INSERT INTO job_anew (place, id, queue, kind, priority, created_at, run_at, waits, due_at, turn, attempt, stalls, reason, worker,
                      started_at, last_nonce, last_way, last_state, owner, correlation, retention, result_retention, options, args)
SELECT place, id, queue, kind, priority, created_at, run_at, waits, due_at, turn, attempt, stalls, reason, worker,
       started_at, last_nonce, last_way, last_state, owner, correlation, retention, result_retention, options, args FROM job;
DROP TABLE job;
ALTER TABLE job_anew RENAME TO job;
CREATE UNIQUE INDEX job_id ON job (id);

ALTER TABLE running ADD COLUMN ties INTEGER NOT NULL DEFAULT 0;
ALTER TABLE running ADD COLUMN lease INTEGER; -- how long it was given for
ALTER TABLE running ADD COLUMN buckets TEXT; -- what counts it, as in lane

-- Waiting jobs with a time to live.
CREATE TABLE expiring (
  deadline_at INTEGER NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY (deadline_at, place)
) WITHOUT ROWID;

-- Who holds a unique key, and until when whatever becomes of it; null is until it has ended.
CREATE TABLE hold (
  queue INTEGER NOT NULL, key TEXT NOT NULL, place INTEGER NOT NULL, until INTEGER,
  PRIMARY KEY (queue, key)
) WITHOUT ROWID;

-- An edge stands from the insert of the child until the child has ended.
CREATE TABLE edge (
  parent INTEGER NOT NULL, child INTEGER NOT NULL, met INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX edge_child ON edge (child, parent);

-- Ended jobs with edges whose consequences are not all drawn: how they ended (7: the record was removed), and up to
-- which child.
CREATE TABLE mark (place INTEGER PRIMARY KEY, ended INTEGER NOT NULL, after INTEGER NOT NULL);

-- What a queue and a kind limit; null: nothing. `era` counts the changes, and what was sorted under an older one is
-- sorted anew; `lanes` tells that some jobs stand in lanes.
ALTER TABLE queue ADD COLUMN settings TEXT;
ALTER TABLE queue ADD COLUMN era INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN lanes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE kind (kind INTEGER PRIMARY KEY, limits TEXT NOT NULL);

-- One thing that a limit counts. Of a queue (then kind is 0) or of a kind (then queue is 0).
CREATE TABLE bucket (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, kind INTEGER NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL,
  running  INTEGER NOT NULL DEFAULT 0,
  starts   TEXT,                     -- what the rate remembers
  opens_at INTEGER                   -- no start before
);
CREATE UNIQUE INDEX bucket_of ON bucket (queue, kind, path, value);
CREATE INDEX bucket_opens ON bucket (opens_at) WHERE opens_at IS NOT NULL;

-- Ready jobs that count in the same buckets stand in one lane, which is open or waits for a bucket. Rank, turn and place
-- are those of its first job.
CREATE TABLE lane (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, era INTEGER NOT NULL, buckets TEXT NOT NULL, waits_for INTEGER,
  rank REAL NOT NULL, turn INTEGER NOT NULL, place INTEGER NOT NULL
);
CREATE UNIQUE INDEX lane_of ON lane (queue, era, buckets);
CREATE INDEX lane_open ON lane (queue, rank, turn, place) WHERE waits_for IS NULL;
CREATE INDEX lane_waiting ON lane (waits_for, queue, rank, turn, place) WHERE waits_for IS NOT NULL;
CREATE TABLE lined (
  lane INTEGER NOT NULL, rank REAL NOT NULL, turn INTEGER NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY (lane, rank, turn, place)
) WITHOUT ROWID;

-- Failed jobs that are alike, counted. `print` recognises them, on the row of each as well.
ALTER TABLE ended ADD COLUMN print INTEGER;
CREATE TABLE failure (
  queue INTEGER NOT NULL, print INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, jobs INTEGER NOT NULL,
  PRIMARY KEY (queue, print)
) WITHOUT ROWID;
