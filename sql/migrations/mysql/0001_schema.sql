-- Times are UTC milliseconds since 1970, money is millionths of the account's currency, ids are 64-bit and time-ordered.

CREATE TABLE IF NOT EXISTS tb_settings (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- One row a running process: who it is, until when it may work, and the newest id of its last commit.
CREATE TABLE IF NOT EXISTS tb_nodes (
    node INT NOT NULL PRIMARY KEY,
    holder VARCHAR(128) NOT NULL,
    lease BIGINT NOT NULL,
    mark BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tb_users (
    id BIGINT NOT NULL PRIMARY KEY,
    username VARCHAR(64) NOT NULL UNIQUE,
    type VARCHAR(16) NOT NULL,
    password VARCHAR(255) NOT NULL DEFAULT '',
    ha1_md5 VARCHAR(32) NOT NULL DEFAULT '',
    ha1_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    enabled TINYINT NOT NULL DEFAULT 1,
    balance BIGINT NOT NULL DEFAULT 0,
    credit_limit BIGINT NOT NULL DEFAULT 0,
    currency VARCHAR(8) NOT NULL,
    created BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tb_numbers (
    number VARCHAR(32) NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES tb_users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- sender '' : the recipient wants nothing from anybody here.
CREATE TABLE IF NOT EXISTS tb_optout (
    number VARCHAR(32) NOT NULL,
    sender VARCHAR(64) NOT NULL DEFAULT '',
    created BIGINT NOT NULL,
    PRIMARY KEY (number, sender)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The first answer to each request, so that its repeat gets the same one.
CREATE TABLE IF NOT EXISTS tb_ingress (
    id BIGINT NOT NULL PRIMARY KEY,
    ingress_key VARCHAR(32) NOT NULL UNIQUE,
    message_id BIGINT,
    code VARCHAR(32) NOT NULL,
    text TEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tb_messages (
    id BIGINT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    direction VARCHAR(4) NOT NULL,
    door VARCHAR(16) NOT NULL,
    user_id BIGINT NOT NULL,
    gateway_id BIGINT NOT NULL,
    sender VARCHAR(64) NOT NULL,
    target VARCHAR(32) NOT NULL,
    text TEXT NOT NULL,
    coding VARCHAR(8) NOT NULL,
    parts INT NOT NULL,
    duration INT NOT NULL,
    price BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    currency VARCHAR(8) NOT NULL,
    client_ip VARCHAR(64) NOT NULL,
    message_class TINYINT,
    state VARCHAR(16) NOT NULL,
    reason VARCHAR(32) NOT NULL DEFAULT '',
    comment VARCHAR(255) NOT NULL DEFAULT '',
    changed BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Every message that is not final yet, and nothing else, so this table stays small.
-- stage 0: waits for a provider · 1: a submit may be under way · 2: taken, waits for its receipts ·
-- 3: may have been taken, waits for a receipt that has its numbers.
-- node: who works on it (0: nobody). due: not before (0, 1) or not later (2, 3) than this.
CREATE TABLE IF NOT EXISTS tb_queue (
    id BIGINT NOT NULL PRIMARY KEY,
    node INT NOT NULL,
    stage TINYINT NOT NULL,
    attempt INT NOT NULL,
    due BIGINT NOT NULL,
    KEY ix_queue (node, stage, due)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- One row for each part that a provider took. state '': no receipt yet.
CREATE TABLE IF NOT EXISTS tb_parts (
    message_id BIGINT NOT NULL,
    part INT NOT NULL,
    total INT NOT NULL,
    attempt INT NOT NULL,
    gateway_id BIGINT NOT NULL,
    provider_id VARCHAR(80) NOT NULL,
    state VARCHAR(16) NOT NULL DEFAULT '',
    PRIMARY KEY (message_id, part, attempt),
    KEY ix_parts_provider (provider_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Receipts whose message is not known (yet): they may come before the answer to their submit.
CREATE TABLE IF NOT EXISTS tb_receipts (
    id BIGINT NOT NULL PRIMARY KEY,
    gateway_id BIGINT NOT NULL,
    provider_id VARCHAR(80) NOT NULL,
    state VARCHAR(16) NOT NULL,
    error VARCHAR(32) NOT NULL,
    comment VARCHAR(255) NOT NULL,
    sender VARCHAR(32) NOT NULL DEFAULT '',
    target VARCHAR(32) NOT NULL DEFAULT ''
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The billing record. id is the message's own id for an SMS, so a message can't have two.
CREATE TABLE IF NOT EXISTS tb_cdrs (
    id BIGINT NOT NULL PRIMARY KEY,
    msgid BIGINT NOT NULL,
    type VARCHAR(16) NOT NULL,
    direction VARCHAR(4) NOT NULL,
    user_id BIGINT NOT NULL,
    gateway_id BIGINT NOT NULL,
    sender VARCHAR(64) NOT NULL,
    target VARCHAR(32) NOT NULL,
    start BIGINT NOT NULL,
    duration INT NOT NULL,
    parts INT NOT NULL,
    price BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    currency VARCHAR(8) NOT NULL,
    state VARCHAR(16) NOT NULL,
    reason VARCHAR(32) NOT NULL,
    comment VARCHAR(255) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Every movement of money; a balance is the sum of its rows.
CREATE TABLE IF NOT EXISTS tb_ledger (
    id BIGINT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    msgid BIGINT,
    kind VARCHAR(16) NOT NULL,
    amount BIGINT NOT NULL,
    created BIGINT NOT NULL,
    comment VARCHAR(255) NOT NULL DEFAULT ''
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
