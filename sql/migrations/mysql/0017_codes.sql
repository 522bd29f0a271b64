-- Sign-up codes (uauthverify). hash: of the code, keyed; tries: that were made with it; used: when it was the right one,
-- 0 not yet. address: of whoever asked for it. Times in UTC milliseconds.
CREATE TABLE IF NOT EXISTS tb_codes (
    id      VARCHAR(32) NOT NULL PRIMARY KEY,
    number  VARCHAR(32) NOT NULL,
    address VARCHAR(64) NOT NULL,
    hash    VARCHAR(64) NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    used    BIGINT NOT NULL DEFAULT 0,
    INDEX ix_codes_number (number, created),
    INDEX ix_codes_address (address, created),
    INDEX ix_codes_created (created)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
