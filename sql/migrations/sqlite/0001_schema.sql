-- Times are UTC milliseconds since 1970, money is millionths of the account's currency, ids are 64-bit and time-ordered.

CREATE TABLE IF NOT EXISTS tb_settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row a running process: who it is, until when it may work, and the newest id of its last commit.
CREATE TABLE IF NOT EXISTS tb_nodes (
    node   INTEGER NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    lease  INTEGER NOT NULL,
    mark   INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS tb_users (
    id           INTEGER NOT NULL PRIMARY KEY,
    username     TEXT NOT NULL UNIQUE,
    type         TEXT NOT NULL,
    password     TEXT NOT NULL DEFAULT '',
    ha1_md5      TEXT NOT NULL DEFAULT '',
    ha1_sha256   TEXT NOT NULL DEFAULT '',
    enabled      INTEGER NOT NULL DEFAULT 1,
    balance      INTEGER NOT NULL DEFAULT 0,
    credit_limit INTEGER NOT NULL DEFAULT 0,
    currency     TEXT NOT NULL,
    created      INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS tb_numbers (
    number  TEXT NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES tb_users (id)
) WITHOUT ROWID;

-- sender '' : the recipient wants nothing from anybody here.
CREATE TABLE IF NOT EXISTS tb_optout (
    number  TEXT NOT NULL,
    sender  TEXT NOT NULL DEFAULT '',
    created INTEGER NOT NULL,
    PRIMARY KEY (number, sender)
) WITHOUT ROWID;

-- The first answer to each request, so that its repeat gets the same one.
CREATE TABLE IF NOT EXISTS tb_ingress (
    id          INTEGER NOT NULL PRIMARY KEY,
    ingress_key TEXT NOT NULL UNIQUE,
    message_id  INTEGER,
    code        TEXT NOT NULL,
    text        TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS tb_messages (
    id            INTEGER NOT NULL PRIMARY KEY,
    created       INTEGER NOT NULL,
    direction     TEXT NOT NULL,
    door          TEXT NOT NULL,
    user_id       INTEGER NOT NULL,
    gateway_id    INTEGER NOT NULL,
    sender        TEXT NOT NULL,
    target        TEXT NOT NULL,
    text          TEXT NOT NULL,
    coding        TEXT NOT NULL,
    parts         INTEGER NOT NULL,
    duration      INTEGER NOT NULL,
    price         INTEGER NOT NULL,
    cost          INTEGER NOT NULL,
    currency      TEXT NOT NULL,
    client_ip     TEXT NOT NULL,
    message_class INTEGER,
    state         TEXT NOT NULL,
    reason        TEXT NOT NULL DEFAULT '',
    comment       TEXT NOT NULL DEFAULT '',
    changed       INTEGER NOT NULL
);

-- Every message that is not final yet, and nothing else, so this table stays small.
-- stage 0: waits for a provider · 1: a submit may be under way · 2: taken, waits for its receipts ·
-- 3: may have been taken, waits for a receipt that has its numbers.
-- node: who works on it (0: nobody). due: not before (0, 1) or not later (2, 3) than this.
CREATE TABLE IF NOT EXISTS tb_queue (
    id      INTEGER NOT NULL PRIMARY KEY,
    node    INTEGER NOT NULL,
    stage   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    due     INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_queue ON tb_queue (node, stage, due);

-- One row for each part that a provider took. state '': no receipt yet.
CREATE TABLE IF NOT EXISTS tb_parts (
    message_id  INTEGER NOT NULL,
    part        INTEGER NOT NULL,
    total       INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    gateway_id  INTEGER NOT NULL,
    provider_id TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message_id, part, attempt)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ix_parts_provider ON tb_parts (provider_id);

-- Receipts whose message is not known (yet): they may come before the answer to their submit.
CREATE TABLE IF NOT EXISTS tb_receipts (
    id          INTEGER NOT NULL PRIMARY KEY,
    gateway_id  INTEGER NOT NULL,
    provider_id TEXT NOT NULL,
    state       TEXT NOT NULL,
    error       TEXT NOT NULL,
    comment     TEXT NOT NULL,
    sender      TEXT NOT NULL DEFAULT '',
    target      TEXT NOT NULL DEFAULT ''
);

-- The billing record. id is the message's own id for an SMS, so a message can't have two.
CREATE TABLE IF NOT EXISTS tb_cdrs (
    id         INTEGER NOT NULL PRIMARY KEY,
    msgid      INTEGER NOT NULL,
    type       TEXT NOT NULL,
    direction  TEXT NOT NULL,
    user_id    INTEGER NOT NULL,
    gateway_id INTEGER NOT NULL,
    sender     TEXT NOT NULL,
    target     TEXT NOT NULL,
    start      INTEGER NOT NULL,
    duration   INTEGER NOT NULL,
    parts      INTEGER NOT NULL,
    price      INTEGER NOT NULL,
    cost       INTEGER NOT NULL,
    currency   TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    comment    TEXT NOT NULL
);

-- Every movement of money; a balance is the sum of its rows.
CREATE TABLE IF NOT EXISTS tb_ledger (
    id      INTEGER NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL,
    msgid   INTEGER,
    kind    TEXT NOT NULL,
    amount  INTEGER NOT NULL,
    created INTEGER NOT NULL,
    comment TEXT NOT NULL DEFAULT ''
);
