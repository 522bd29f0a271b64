-- What users are to be given, until they have it. stage 0: open, 1: given up. Of an open row, node is the process that
-- has it in memory, 0: none, and due when it is to be tried next. otherwise: the channel that gets it when time is up.
-- fields: JSON, an array of [name, value].
CREATE TABLE IF NOT EXISTS tb_outbox (
    id         INTEGER NOT NULL PRIMARY KEY,
    message_id INTEGER NOT NULL,
    user_id    INTEGER NOT NULL,
    channel    TEXT NOT NULL,
    subject    TEXT NOT NULL,
    source     TEXT NOT NULL,
    target     TEXT NOT NULL,
    text       TEXT NOT NULL,
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    otherwise  TEXT NOT NULL,
    address    TEXT NOT NULL,
    fields     TEXT NOT NULL,
    node       INTEGER NOT NULL,
    stage      INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    error      TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_outbox ON tb_outbox (stage, node, due, id);
CREATE INDEX IF NOT EXISTS ix_outbox_message ON tb_outbox (message_id);
CREATE INDEX IF NOT EXISTS ix_outbox_user ON tb_outbox (user_id, channel, id);

-- Receipts that phones have asked for (RFC 5438): the message's id in their words and the time in it, and whether they
-- want to hear of delivery and of failure.
CREATE TABLE IF NOT EXISTS tb_imdn (
    message_id INTEGER NOT NULL PRIMARY KEY,
    imdn_id    TEXT NOT NULL,
    sent       TEXT NOT NULL,
    delivered  INTEGER NOT NULL,
    failed     INTEGER NOT NULL
);
