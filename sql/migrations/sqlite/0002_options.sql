-- What few messages have: octets and user data header of a binary one (hexadecimal), not before (UTC milliseconds),
-- seconds that the provider shall try.
CREATE TABLE IF NOT EXISTS tb_options (
    message_id INTEGER NOT NULL PRIMARY KEY,
    octets     TEXT NOT NULL,
    udh        TEXT NOT NULL,
    due        INTEGER NOT NULL,
    valid      INTEGER NOT NULL
);

-- A provider's own spelling of an id that tb_parts keeps in another: who asks the provider needs it.
CREATE TABLE IF NOT EXISTS tb_spellings (
    message_id  INTEGER NOT NULL,
    part        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    provider_id TEXT NOT NULL,
    PRIMARY KEY (message_id, part, attempt)
) WITHOUT ROWID;
