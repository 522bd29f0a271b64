-- Rules in order. conditions and actions: JSON, an array of objects each, as a rules file has them; see docs/rules.md.
CREATE TABLE IF NOT EXISTS tb_rules (
    place      INTEGER NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    enabled    INTEGER NOT NULL,
    conditions TEXT NOT NULL,
    actions    TEXT NOT NULL
);

-- What smsadv puts in front of messages. valid_to is the end, not included, 0: none. user_groups: several by comma,
-- '' : everybody.
CREATE TABLE IF NOT EXISTS tb_advertisement (
    id          INTEGER NOT NULL PRIMARY KEY,
    text        TEXT NOT NULL,
    weight      INTEGER NOT NULL,
    valid_from  INTEGER NOT NULL,
    valid_to    INTEGER NOT NULL,
    user_groups TEXT NOT NULL
);
