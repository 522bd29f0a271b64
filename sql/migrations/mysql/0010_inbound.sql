-- Texts from phones that are whole and not settled: nothing else, so this table stays small. stage 0: node works on it ·
-- 1: held until user_id can pay for it; belongs (JSON) is kept then. octets and udh: hexadecimal.
CREATE TABLE IF NOT EXISTS tb_inbound (
    id BIGINT NOT NULL PRIMARY KEY,
    node INT NOT NULL,
    stage TINYINT NOT NULL,
    user_id BIGINT NOT NULL,
    door VARCHAR(16) NOT NULL,
    created BIGINT NOT NULL,
    gateway_id BIGINT NOT NULL,
    source VARCHAR(64) NOT NULL,
    target VARCHAR(32) NOT NULL,
    text TEXT NOT NULL,
    octets MEDIUMTEXT NOT NULL,
    udh VARCHAR(512) NOT NULL,
    parts INT NOT NULL,
    complete TINYINT NOT NULL,
    sent BIGINT NOT NULL,
    provider_id VARCHAR(80) NOT NULL,
    belongs TEXT NOT NULL,
    KEY ix_inbound (stage, node),
    KEY ix_inbound_held (stage, user_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Texts of several parts. join_key: of source, target, reference and total. closed 0: parts are waited for until due ·
-- 1: the text has gone on, and until due its parts are known as repeats. parts: JSON, see store/joining.py.
CREATE TABLE IF NOT EXISTS tb_joining (
    join_key VARCHAR(32) NOT NULL PRIMARY KEY,
    closed TINYINT NOT NULL,
    due BIGINT NOT NULL,
    door VARCHAR(16) NOT NULL,
    source VARCHAR(64) NOT NULL,
    target VARCHAR(32) NOT NULL,
    total INT NOT NULL,
    parts MEDIUMTEXT NOT NULL,
    KEY ix_joining (closed, due)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Users who have been told that their balance is low, until it is not.
CREATE TABLE IF NOT EXISTS tb_low (
    user_id BIGINT NOT NULL PRIMARY KEY,
    told BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
