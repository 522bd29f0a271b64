-- Virtual numbers beside the plain ones in tb_numbers.

-- Tagged ranges: base itself, and base with up to so many further digits, are one number of one user.
CREATE TABLE IF NOT EXISTS tb_ranges (
    base     VARCHAR(32) NOT NULL PRIMARY KEY,
    digits   BIGINT NOT NULL,
    user_id  BIGINT NOT NULL REFERENCES tb_users (id),
    callback BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Numbers that several users share: the first or last word of a text says whose it is. keyword: folded, see numbers_book.
CREATE TABLE IF NOT EXISTS tb_keywords (
    number   VARCHAR(32) NOT NULL,
    keyword  VARCHAR(32) NOT NULL,
    user_id  BIGINT NOT NULL REFERENCES tb_users (id),
    callback BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (number, keyword)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What few rows of tb_numbers have. callback 1: texts to the number ask for a call.
CREATE TABLE IF NOT EXISTS tb_number_options (
    number   VARCHAR(32) NOT NULL PRIMARY KEY,
    callback BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Phones that were told that their text may be for several users, and when (UTC milliseconds).
CREATE TABLE IF NOT EXISTS tb_conflicts (
    phone VARCHAR(32) NOT NULL PRIMARY KEY,
    told  BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Messages whose sender hears what becomes of them, from the warning half-way until they are final.
CREATE TABLE IF NOT EXISTS tb_warned (
    message_id BIGINT NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Who wrote to a phone.
SET @messages_target = IF(
    (SELECT COUNT(*) FROM information_schema.statistics
     WHERE table_schema = DATABASE() AND table_name = 'tb_messages' AND index_name = 'ix_messages_target') = 0,
    'CREATE INDEX ix_messages_target ON tb_messages (target, user_id)', 'DO 0');
PREPARE messages_target FROM @messages_target;
EXECUTE messages_target;
DEALLOCATE PREPARE messages_target;
