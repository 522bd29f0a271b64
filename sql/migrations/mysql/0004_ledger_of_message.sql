-- The movements of a message: CDRs show them, archiving takes them along.
-- MySQL has no CREATE INDEX IF NOT EXISTS, MariaDB has.
SET @ledger_of_message = IF(
    (SELECT COUNT(*) FROM information_schema.statistics
     WHERE table_schema = DATABASE() AND table_name = 'tb_ledger' AND index_name = 'ix_ledger_msgid') = 0,
    'CREATE INDEX ix_ledger_msgid ON tb_ledger (msgid)', 'DO 0');
PREPARE ledger_of_message FROM @ledger_of_message;
EXECUTE ledger_of_message;
DEALLOCATE PREPARE ledger_of_message;
