-- The movements of a message: CDRs show them, archiving takes them along.
CREATE INDEX IF NOT EXISTS ix_ledger_msgid ON tb_ledger (msgid);
