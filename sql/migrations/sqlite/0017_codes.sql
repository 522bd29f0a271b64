-- Sign-up codes (uauthverify). hash: of the code, keyed; tries: that were made with it; used: when it was the right one,
-- 0 not yet. address: of whoever asked for it. Times in UTC milliseconds.
CREATE TABLE IF NOT EXISTS tb_codes (
    id      TEXT NOT NULL PRIMARY KEY,
    number  TEXT NOT NULL,
    address TEXT NOT NULL,
    hash    TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0,
    used    INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS ix_codes_number ON tb_codes (number, created);
CREATE INDEX IF NOT EXISTS ix_codes_address ON tb_codes (address, created);
CREATE INDEX IF NOT EXISTS ix_codes_created ON tb_codes (created);
