-- What phones have opted out of by STOP, beside tb_optout, where it is no number of one account's own: sender '' all
-- numbers of that account; keyword '' none told whose the text was.
CREATE TABLE IF NOT EXISTS tb_stops (
    number  TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    sender  TEXT NOT NULL,
    keyword TEXT NOT NULL DEFAULT '',
    created INTEGER NOT NULL,
    PRIMARY KEY (number, user_id, sender, keyword)
);

-- Phones of which something in tb_optout or tb_stops has changed, for the other processes; kept for a day.
CREATE TABLE IF NOT EXISTS tb_stop_changes (
    id     INTEGER NOT NULL PRIMARY KEY,
    number TEXT NOT NULL
);

-- Confirmations of a STOP that are still to come: from the user until due (UTC milliseconds), then from us. text_id: the
-- text that said STOP; message_id: the user's own message, if there is one: whether it was accepted, tb_messages knows.
CREATE TABLE IF NOT EXISTS tb_confirmations (
    number     TEXT NOT NULL,
    user_id    INTEGER NOT NULL,
    sender     TEXT NOT NULL,
    text_id    INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    attempt    INTEGER NOT NULL DEFAULT 0,
    message_id INTEGER NOT NULL DEFAULT 0,
    claimed    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (number, user_id, sender)
);

CREATE INDEX IF NOT EXISTS ix_confirmations_due ON tb_confirmations (due);
