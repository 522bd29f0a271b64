-- What few accounts have: who they buy from, when they expire (UTC milliseconds, 0: never), messages a month (0: any
-- number), the gateway that comes first; and the counters of those with a limit. month: 12 * year + month - 1 (UTC), to
-- which sent belongs; previous: the month before it.
CREATE TABLE IF NOT EXISTS tb_terms (
    user_id     INTEGER NOT NULL PRIMARY KEY,
    reseller_id INTEGER,
    expires     INTEGER NOT NULL,
    monthly     INTEGER NOT NULL,
    gateway_id  INTEGER,
    month       INTEGER NOT NULL DEFAULT 0,
    sent        INTEGER NOT NULL DEFAULT 0,
    previous    INTEGER NOT NULL DEFAULT 0,
    last_sent   INTEGER NOT NULL DEFAULT 0
);

-- What the resellers of a message's user pay for it, nearest first. refunded 1: each of them has it back.
CREATE TABLE IF NOT EXISTS tb_charges (
    message_id INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    user_id    INTEGER NOT NULL,
    price      INTEGER NOT NULL,
    refunded   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, level)
) WITHOUT ROWID;
