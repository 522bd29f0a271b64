-- What no other table says of a message: states that it no longer has (in capitals, with when they began), attempts that
-- failed, ways that were changed, receipts that changed nothing. The same said again is one row, with its first time.
CREATE TABLE IF NOT EXISTS tb_events (
    message_id BIGINT NOT NULL,
    kind       VARCHAR(16) NOT NULL,
    detail     VARCHAR(255) NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (message_id, kind, detail)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Messages that their users don't want any more, for the process that has them.
CREATE TABLE IF NOT EXISTS tb_cancels (
    message_id BIGINT NOT NULL PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    created    BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Requests with an Idempotency-Key and what they were answered. request_key and digest are hashes: of user and key, of
-- the body. status 0: holder is at it.
CREATE TABLE IF NOT EXISTS tb_requests (
    id          BIGINT NOT NULL PRIMARY KEY,
    request_key VARCHAR(32) NOT NULL UNIQUE,
    digest      VARCHAR(32) NOT NULL,
    holder      VARCHAR(32) NOT NULL,
    status      INT NOT NULL DEFAULT 0,
    answer      MEDIUMTEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
