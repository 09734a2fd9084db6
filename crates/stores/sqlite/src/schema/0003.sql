-- What goes first of a queue and state, by time and beyond a number; and what belongs to an owner.
DROP INDEX ended_over;
CREATE INDEX ended_age ON ended (queue, state, expires_at);
CREATE INDEX job_owner ON job (owner, place) WHERE owner IS NOT NULL;
