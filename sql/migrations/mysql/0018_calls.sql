-- Pairs of calls under way. node: whose; seen: when that has last said that it lives; pair: JSON, voipsms/store/calls.py.
-- What is reserved for a pair is in tb_ledger, under its id.
CREATE TABLE IF NOT EXISTS tb_calls (
    id   BIGINT NOT NULL PRIMARY KEY,
    node BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    pair MEDIUMTEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- hash: of the code, keyed; tail: its last characters, to be told from others. valid_to 0: for ever. redeemed_at 0: not
-- yet; redeemed_by: the user who has its amount.
CREATE TABLE IF NOT EXISTS tb_vouchers (
    id          BIGINT NOT NULL PRIMARY KEY,
    hash        VARCHAR(64) NOT NULL UNIQUE,
    tail        VARCHAR(8) NOT NULL,
    amount      BIGINT NOT NULL,
    currency    VARCHAR(8) NOT NULL,
    valid_from  BIGINT NOT NULL,
    valid_to    BIGINT NOT NULL,
    made        BIGINT NOT NULL,
    redeemed_at BIGINT NOT NULL DEFAULT 0,
    redeemed_by BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
