-- What users are to be given, until they have it. stage 0: open, 1: given up. Of an open row, node is the process that
-- has it in memory, 0: none, and due when it is to be tried next. otherwise: the channel that gets it when time is up.
-- fields: JSON, an array of [name, value].
CREATE TABLE IF NOT EXISTS tb_outbox (
    id         BIGINT NOT NULL PRIMARY KEY,
    message_id BIGINT NOT NULL,
    user_id    BIGINT NOT NULL,
    channel    VARCHAR(16) NOT NULL,
    subject    VARCHAR(16) NOT NULL,
    source     VARCHAR(64) NOT NULL,
    target     VARCHAR(64) NOT NULL,
    text       MEDIUMTEXT NOT NULL,
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    otherwise  VARCHAR(16) NOT NULL,
    address    VARCHAR(255) NOT NULL,
    fields     TEXT NOT NULL,
    node       BIGINT NOT NULL,
    stage      BIGINT NOT NULL,
    due        BIGINT NOT NULL,
    error      VARCHAR(255) NOT NULL,
    KEY ix_outbox (stage, node, due, id),
    KEY ix_outbox_message (message_id),
    KEY ix_outbox_user (user_id, channel, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Receipts that phones have asked for (RFC 5438): the message's id in their words and the time in it, and whether they
-- want to hear of delivery and of failure.
CREATE TABLE IF NOT EXISTS tb_imdn (
    message_id BIGINT NOT NULL PRIMARY KEY,
    imdn_id    VARCHAR(255) NOT NULL,
    sent       VARCHAR(64) NOT NULL,
    delivered  BIGINT NOT NULL,
    failed     BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
