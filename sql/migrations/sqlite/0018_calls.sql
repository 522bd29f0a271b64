-- Pairs of calls under way. node: whose; seen: when that has last said that it lives; pair: JSON, voipsms/store/calls.py.
-- What is reserved for a pair is in tb_ledger, under its id.
CREATE TABLE IF NOT EXISTS tb_calls (
    id   INTEGER NOT NULL PRIMARY KEY,
    node INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    pair TEXT NOT NULL
);

-- hash: of the code, keyed; tail: its last characters, to be told from others. valid_to 0: for ever. redeemed_at 0: not
-- yet; redeemed_by: the user who has its amount.
CREATE TABLE IF NOT EXISTS tb_vouchers (
    id          INTEGER NOT NULL PRIMARY KEY,
    hash        TEXT NOT NULL UNIQUE,
    tail        TEXT NOT NULL,
    amount      INTEGER NOT NULL,
    currency    TEXT NOT NULL,
    valid_from  INTEGER NOT NULL,
    valid_to    INTEGER NOT NULL,
    made        INTEGER NOT NULL,
    redeemed_at INTEGER NOT NULL DEFAULT 0,
    redeemed_by INTEGER NOT NULL DEFAULT 0
);
