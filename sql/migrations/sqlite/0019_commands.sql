-- hash: of the pincode, keyed, so that a text with it is found by it.
CREATE TABLE IF NOT EXISTS tb_pincodes (
    user_id INTEGER NOT NULL PRIMARY KEY,
    hash    TEXT NOT NULL UNIQUE
);

-- Numbers that users say are theirs, until the code sent there has come back. hash: of the code, keyed; tries: that
-- were made with it. Times in UTC milliseconds.
CREATE TABLE IF NOT EXISTS tb_claims (
    number  TEXT NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL,
    hash    TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS ix_claims_user ON tb_claims (user_id, created);

-- Commands that were begun, so that none is carried out twice. id: of its text or request; delivery: of tb_outbox, that
-- began it; outcome: empty until it is known.
CREATE TABLE IF NOT EXISTS tb_commands (
    id       TEXT NOT NULL PRIMARY KEY,
    delivery INTEGER NOT NULL,
    begun    INTEGER NOT NULL,
    outcome  TEXT NOT NULL DEFAULT ''
);

CREATE INDEX IF NOT EXISTS ix_commands_begun ON tb_commands (begun);
