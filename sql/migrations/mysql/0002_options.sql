-- What few messages have: octets and user data header of a binary one (hexadecimal), not before (UTC milliseconds),
-- seconds that the provider shall try.
CREATE TABLE IF NOT EXISTS tb_options (
    message_id BIGINT NOT NULL PRIMARY KEY,
    octets     TEXT NOT NULL,
    udh        TEXT NOT NULL,
    due        BIGINT NOT NULL,
    valid      BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A provider's own spelling of an id that tb_parts keeps in another: who asks the provider needs it.
CREATE TABLE IF NOT EXISTS tb_spellings (
    message_id  BIGINT NOT NULL,
    part        BIGINT NOT NULL,
    attempt     BIGINT NOT NULL,
    provider_id VARCHAR(80) NOT NULL,
    PRIMARY KEY (message_id, part, attempt)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
