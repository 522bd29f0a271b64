-- Rules in order. conditions and actions: JSON, an array of objects each, as a rules file has them; see docs/rules.md.
CREATE TABLE IF NOT EXISTS tb_rules (
    place      INT NOT NULL PRIMARY KEY,
    name       VARCHAR(64) NOT NULL UNIQUE,
    enabled    TINYINT NOT NULL,
    conditions MEDIUMTEXT NOT NULL,
    actions    MEDIUMTEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What smsadv puts in front of messages. valid_to is the end, not included, 0: none. user_groups: several by comma,
-- '' : everybody.
CREATE TABLE IF NOT EXISTS tb_advertisement (
    id          BIGINT NOT NULL PRIMARY KEY,
    text        TEXT NOT NULL,
    weight      INT NOT NULL,
    valid_from  BIGINT NOT NULL,
    valid_to    BIGINT NOT NULL,
    user_groups TEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
