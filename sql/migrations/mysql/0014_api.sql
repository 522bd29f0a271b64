-- What an account proves itself by to the API, besides its password. secret: of authmd5, as it is, since both sides need
-- it; bearer: SHA-256 of the key, in hexadecimal.
CREATE TABLE IF NOT EXISTS tb_api (
    user_id BIGINT NOT NULL PRIMARY KEY,
    secret  VARCHAR(64) NOT NULL,
    bearer  VARCHAR(64) NOT NULL UNIQUE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
