-- Texts from phones that are whole and not settled: nothing else, so this table stays small. stage 0: node works on it ·
-- 1: held until user_id can pay for it; belongs (JSON) is kept then. octets and udh: hexadecimal.
CREATE TABLE IF NOT EXISTS tb_inbound (
    id          INTEGER NOT NULL PRIMARY KEY,
    node        INTEGER NOT NULL,
    stage       INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    door        TEXT NOT NULL,
    created     INTEGER NOT NULL,
    gateway_id  INTEGER NOT NULL,
    source      TEXT NOT NULL,
    target      TEXT NOT NULL,
    text        TEXT NOT NULL,
    octets      TEXT NOT NULL,
    udh         TEXT NOT NULL,
    parts       INTEGER NOT NULL,
    complete    INTEGER NOT NULL,
    sent        INTEGER NOT NULL,
    provider_id TEXT NOT NULL,
    belongs     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_inbound ON tb_inbound (stage, node);
CREATE INDEX IF NOT EXISTS ix_inbound_held ON tb_inbound (stage, user_id, id);

-- Texts of several parts. join_key: of source, target, reference and total. closed 0: parts are waited for until due ·
-- 1: the text has gone on, and until due its parts are known as repeats. parts: JSON, see store/joining.py.
CREATE TABLE IF NOT EXISTS tb_joining (
    join_key TEXT NOT NULL PRIMARY KEY,
    closed   INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    door     TEXT NOT NULL,
    source   TEXT NOT NULL,
    target   TEXT NOT NULL,
    total    INTEGER NOT NULL,
    parts    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ix_joining ON tb_joining (closed, due);

-- Users who have been told that their balance is low, until it is not.
CREATE TABLE IF NOT EXISTS tb_low (
    user_id INTEGER NOT NULL PRIMARY KEY,
    told    INTEGER NOT NULL
);
