-- What has become of a letter: dead, claimed, replayed, resolved, dead_again, discarded, replaced.
ALTER TABLE dead_letters ADD COLUMN state TEXT NOT NULL DEFAULT 'dead';
-- Since when, by whom and why it is in that state; nobody and no reason where it came to it by itself.
ALTER TABLE dead_letters ADD COLUMN state_at TIMESTAMPTZ;
ALTER TABLE dead_letters ADD COLUMN state_by TEXT;
ALTER TABLE dead_letters ADD COLUMN state_reason TEXT;
-- The run that has claimed it, or has skipped it.
ALTER TABLE dead_letters ADD COLUMN redrive_id UUID;
-- An edited letter, the one that took its place, and what was changed.
ALTER TABLE dead_letters ADD COLUMN edited_from UUID;
ALTER TABLE dead_letters ADD COLUMN replaced_by UUID;
ALTER TABLE dead_letters ADD COLUMN changes TEXT;
-- Of what was replayed before there were states, only a new death is known.
UPDATE dead_letters SET state = 'replayed', state_at = replayed_at WHERE replayed_at IS NOT NULL;
UPDATE dead_letters SET state = 'dead_again' WHERE id IN (SELECT replay_of FROM dead_letters WHERE replay_of IS NOT NULL);
UPDATE dead_letters SET state_at = last_at WHERE state_at IS NULL;

-- Newest first in one state, and the groups of that state without a look at its rows.
CREATE INDEX dead_letters_state ON dead_letters (state, id, fingerprint, last_at);
CREATE INDEX dead_letters_state_queue ON dead_letters (state, queue, id);
CREATE INDEX dead_letters_state_fingerprint ON dead_letters (state, fingerprint, id);
CREATE INDEX dead_letters_kind ON dead_letters (kind, id);
CREATE INDEX dead_letters_error_code ON dead_letters (error_code, id);
CREATE INDEX dead_letters_last_at ON dead_letters (last_at);
-- The few that a broker gave up. The conditions of partial indexes stand in the queries word by word.
CREATE INDEX dead_letters_of_broker ON dead_letters (id) WHERE origin = 'broker';
-- A run's letters by what has become of them.
CREATE INDEX dead_letters_redrive ON dead_letters (redrive_id, state, id) WHERE redrive_id IS NOT NULL;
-- Its newest outcomes, for its stop rule.
CREATE INDEX dead_letters_outcomes ON dead_letters (redrive_id, state_at)
    WHERE redrive_id IS NOT NULL AND state IN ('resolved', 'dead_again');
-- What is under way about a payment: its letters are replayed one at a time.
CREATE INDEX dead_letters_under_way ON dead_letters (payment_id, id) WHERE state IN ('claimed', 'replayed');

-- A redrive run: a choice of dead letters that are replayed step by step.
CREATE TABLE redrives (
    id UUID PRIMARY KEY,
    -- JSON, see queue's dead_letters::Filter.
    filter TEXT NOT NULL,
    -- Letters with a greater id arrived later and do not belong to it; null: there was none.
    cut_off UUID,
    letters_max BIGINT,
    rate_per_second INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    stop_percent INTEGER NOT NULL,
    stop_window INTEGER NOT NULL,
    patience_seconds INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    state_at TIMESTAMPTZ NOT NULL,
    state_by TEXT,
    state_reason TEXT,
    total BIGINT NOT NULL,
    replayed BIGINT NOT NULL,
    resolved BIGINT NOT NULL,
    dead_again BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    -- Claiming has come this far, and whether it is through.
    claimed_until UUID,
    claimed_all BOOLEAN NOT NULL,
    canary_passed BOOLEAN NOT NULL,
    -- The stop rule and the canary look at what was replayed since then: the start, or the last resumption of a stopped run.
    judged_since TIMESTAMPTZ NOT NULL,
    -- A conductor has something to do for it.
    tended BOOLEAN NOT NULL,
    -- Drawn anew with each taking of the lease: whoever does not name it may not write.
    lease UUID,
    lease_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ
);
CREATE INDEX redrives_tended ON redrives (id) WHERE tended;
CREATE INDEX redrives_state ON redrives (state, id);
