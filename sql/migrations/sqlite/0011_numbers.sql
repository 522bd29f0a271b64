-- Virtual numbers beside the plain ones in tb_numbers.

-- Tagged ranges: base itself, and base with up to so many further digits, are one number of one user.
CREATE TABLE IF NOT EXISTS tb_ranges (
    base     TEXT NOT NULL PRIMARY KEY,
    digits   INTEGER NOT NULL,
    user_id  INTEGER NOT NULL REFERENCES tb_users (id),
    callback INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Numbers that several users share: the first or last word of a text says whose it is. keyword: folded, see numbers_book.
CREATE TABLE IF NOT EXISTS tb_keywords (
    number   TEXT NOT NULL,
    keyword  TEXT NOT NULL,
    user_id  INTEGER NOT NULL REFERENCES tb_users (id),
    callback INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (number, keyword)
) WITHOUT ROWID;

-- What few rows of tb_numbers have. callback 1: texts to the number ask for a call.
CREATE TABLE IF NOT EXISTS tb_number_options (
    number   TEXT NOT NULL PRIMARY KEY,
    callback INTEGER NOT NULL
) WITHOUT ROWID;

-- Phones that were told that their text may be for several users, and when (UTC milliseconds).
CREATE TABLE IF NOT EXISTS tb_conflicts (
    phone TEXT NOT NULL PRIMARY KEY,
    told  INTEGER NOT NULL
) WITHOUT ROWID;

-- Messages whose sender hears what becomes of them, from the warning half-way until they are final.
CREATE TABLE IF NOT EXISTS tb_warned (
    message_id INTEGER NOT NULL PRIMARY KEY
);

-- Who wrote to a phone.
CREATE INDEX IF NOT EXISTS ix_messages_target ON tb_messages (target, user_id);
