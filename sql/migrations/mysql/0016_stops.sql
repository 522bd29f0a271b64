-- What phones have opted out of by STOP, beside tb_optout, where it is no number of one account's own: sender '' all
-- numbers of that account; keyword '' none told whose the text was.
CREATE TABLE IF NOT EXISTS tb_stops (
    number  VARCHAR(32) NOT NULL,
    user_id BIGINT NOT NULL,
    sender  VARCHAR(64) NOT NULL,
    keyword VARCHAR(64) NOT NULL DEFAULT '',
    created BIGINT NOT NULL,
    PRIMARY KEY (number, user_id, sender, keyword)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Phones of which something in tb_optout or tb_stops has changed, for the other processes; kept for a day.
CREATE TABLE IF NOT EXISTS tb_stop_changes (
    id     BIGINT NOT NULL PRIMARY KEY,
    number VARCHAR(32) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Confirmations of a STOP that are still to come: from the user until due (UTC milliseconds), then from us. text_id: the
-- text that said STOP; message_id: the user's own message, if there is one: whether it was accepted, tb_messages knows.
CREATE TABLE IF NOT EXISTS tb_confirmations (
    number     VARCHAR(32) NOT NULL,
    user_id    BIGINT NOT NULL,
    sender     VARCHAR(64) NOT NULL,
    text_id    BIGINT NOT NULL,
    until      BIGINT NOT NULL,
    due        BIGINT NOT NULL,
    attempt    BIGINT NOT NULL DEFAULT 0,
    message_id BIGINT NOT NULL DEFAULT 0,
    claimed    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (number, user_id, sender),
    INDEX ix_confirmations_due (due)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
