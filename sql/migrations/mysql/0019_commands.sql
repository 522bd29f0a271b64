-- hash: of the pincode, keyed, so that a text with it is found by it.
CREATE TABLE IF NOT EXISTS tb_pincodes (
    user_id BIGINT NOT NULL PRIMARY KEY,
    hash    VARCHAR(64) NOT NULL UNIQUE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Numbers that users say are theirs, until the code sent there has come back. hash: of the code, keyed; tries: that
-- were made with it. Times in UTC milliseconds.
CREATE TABLE IF NOT EXISTS tb_claims (
    number  VARCHAR(32) NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    hash    VARCHAR(64) NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    INDEX ix_claims_user (user_id, created)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Commands that were begun, so that none is carried out twice. id: of its text or request; delivery: of tb_outbox, that
-- began it; outcome: empty until it is known.
CREATE TABLE IF NOT EXISTS tb_commands (
    id       VARCHAR(40) NOT NULL PRIMARY KEY,
    delivery BIGINT NOT NULL,
    begun    BIGINT NOT NULL,
    outcome  VARCHAR(32) NOT NULL DEFAULT '',
    INDEX ix_commands_begun (begun)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
