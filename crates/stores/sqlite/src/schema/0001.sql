-- What never changes about a job, and where it waits while it neither runs nor has ended.
CREATE TABLE job (
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
CREATE UNIQUE INDEX job_id ON job (id);

-- Narrow rows: what claims, renewals and the keeper touch.
CREATE TABLE ready (
  queue INTEGER NOT NULL, priority REAL NOT NULL, turn INTEGER NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY (queue, priority, turn, place)
) WITHOUT ROWID;

CREATE TABLE scheduled (
  due_at INTEGER NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY (due_at, place)
) WITHOUT ROWID;

CREATE TABLE running (
  place            INTEGER PRIMARY KEY,
  nonce            INTEGER NOT NULL,
  until            INTEGER NOT NULL,
  worker           INTEGER NOT NULL,
  started_at       INTEGER NOT NULL,
  queue            INTEGER NOT NULL,
  attempt          INTEGER NOT NULL,
  stalls           INTEGER NOT NULL,
  retention        INTEGER,          -- the job's own wishes, so that ending it reads nothing else
  result_retention INTEGER,
  cancel           INTEGER NOT NULL DEFAULT 0,
  percent          INTEGER,
  message          TEXT,
  data             TEXT
);

-- History: one row per ended job, found by queue and state, newest last.
CREATE TABLE ended (
  queue       INTEGER NOT NULL,
  state       INTEGER NOT NULL,
  place       INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  stalls      INTEGER NOT NULL,
  started_at  INTEGER,
  finished_at INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  reason      TEXT,
  worker      INTEGER,
  nonce       INTEGER,
  way         INTEGER,
  PRIMARY KEY (queue, state, place)
) WITHOUT ROWID;
CREATE INDEX ended_over ON ended (expires_at);

-- What only some jobs have.
CREATE TABLE detail (
  place             INTEGER PRIMARY KEY,
  percent           INTEGER,
  message           TEXT,
  data              TEXT,
  result            TEXT,
  result_expires_at INTEGER,
  result_expired_at INTEGER,
  errors            TEXT
);
CREATE INDEX detail_over ON detail (result_expires_at) WHERE result_expires_at IS NOT NULL;

CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE queue (id INTEGER PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0, retention TEXT);
CREATE TABLE count (
  queue INTEGER NOT NULL, state INTEGER NOT NULL, jobs INTEGER NOT NULL,
  PRIMARY KEY (queue, state)
) WITHOUT ROWID;
CREATE TABLE line (only INTEGER PRIMARY KEY CHECK (only = 1), next INTEGER NOT NULL);
INSERT INTO line VALUES (1, 1);

-- Records: documents, logs, limiters.
CREATE TABLE doc (
  key TEXT PRIMARY KEY, version INTEGER NOT NULL, expires_at INTEGER, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX doc_over ON doc (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE log (log INTEGER NOT NULL, position INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (log, position)) WITHOUT ROWID;
CREATE TABLE log_end (log INTEGER PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE tally (key TEXT PRIMARY KEY, idle_at INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
