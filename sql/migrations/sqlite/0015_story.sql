-- What no other table says of a message: states that it no longer has (in capitals, with when they began), attempts that
-- failed, ways that were changed, receipts that changed nothing. The same said again is one row, with its first time.
CREATE TABLE IF NOT EXISTS tb_events (
    message_id INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    detail     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (message_id, kind, detail)
) WITHOUT ROWID;

-- Messages that their users don't want any more, for the process that has them.
CREATE TABLE IF NOT EXISTS tb_cancels (
    message_id INTEGER NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL,
    created    INTEGER NOT NULL
);

-- Requests with an Idempotency-Key and what they were answered. request_key and digest are hashes: of user and key, of
-- the body. status 0: holder is at it.
CREATE TABLE IF NOT EXISTS tb_requests (
    id          INTEGER NOT NULL PRIMARY KEY,
    request_key TEXT NOT NULL UNIQUE,
    digest      TEXT NOT NULL,
    holder      TEXT NOT NULL,
    status      INTEGER NOT NULL DEFAULT 0,
    answer      TEXT NOT NULL
);
