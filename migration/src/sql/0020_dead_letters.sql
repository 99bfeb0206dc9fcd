-- The row that a dead letter's job works on; with its kind it names a step.
ALTER TABLE dead_letters ADD COLUMN subject_id UUID;
-- How often its replay has failed so far, and the last error, while the replay is under way.
ALTER TABLE dead_letters ADD COLUMN replay_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letters ADD COLUMN replay_error TEXT;
-- When somebody last looked whom it belongs to and whether its effect is there; 1970: nobody has.
ALTER TABLE dead_letters ADD COLUMN tended_at TIMESTAMPTZ NOT NULL DEFAULT '1970-01-01T00:00:00+00:00';
CREATE INDEX dead_letters_to_tend ON dead_letters (tended_at, id) WHERE state = 'dead';
-- Steps that an operator wants left alone: the safety net asks for each that it takes up.
CREATE INDEX dead_letters_set_aside ON dead_letters (subject_id, kind) WHERE state = 'discarded';
-- Replays under way that keep failing, for a run's verdict.
CREATE INDEX dead_letters_failing ON dead_letters (redrive_id, replayed_at)
    WHERE state = 'replayed' AND replay_failures > 1;
