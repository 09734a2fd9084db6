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
  ties        INTEGER NOT NULL DEFAULT 0, -- what else to look at when it moves: 1 edges, 2 a unique key, 4 a deadline
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
