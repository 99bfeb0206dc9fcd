-- The audit is read newest first, by what was done, by whom or to what.
CREATE INDEX audit_log_action ON audit_log (action, id);
CREATE INDEX audit_log_actor_id ON audit_log (actor_id, id);
CREATE INDEX audit_log_object_type ON audit_log (object_type, id);
CREATE INDEX audit_log_object_id ON audit_log (object_id, id);
DROP INDEX audit_log_object;
