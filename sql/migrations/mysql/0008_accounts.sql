-- What few accounts have: who they buy from, when they expire (UTC milliseconds, 0: never), messages a month (0: any
-- number), the gateway that comes first; and the counters of those with a limit. month: 12 * year + month - 1 (UTC), to
-- which sent belongs; previous: the month before it.
CREATE TABLE IF NOT EXISTS tb_terms (
    user_id     BIGINT NOT NULL PRIMARY KEY,
    reseller_id BIGINT,
    expires     BIGINT NOT NULL,
    monthly     BIGINT NOT NULL,
    gateway_id  BIGINT,
    month       BIGINT NOT NULL DEFAULT 0,
    sent        BIGINT NOT NULL DEFAULT 0,
    previous    BIGINT NOT NULL DEFAULT 0,
    last_sent   BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What the resellers of a message's user pay for it, nearest first. refunded 1: each of them has it back.
CREATE TABLE IF NOT EXISTS tb_charges (
    message_id BIGINT NOT NULL,
    level      BIGINT NOT NULL,
    user_id    BIGINT NOT NULL,
    price      BIGINT NOT NULL,
    refunded   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, level)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
