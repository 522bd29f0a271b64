-- What an account proves itself by to the API, besides its password. secret: of authmd5, as it is, since both sides need
-- it; bearer: SHA-256 of the key, in hexadecimal.
CREATE TABLE IF NOT EXISTS tb_api (
    user_id INTEGER NOT NULL PRIMARY KEY,
    secret  TEXT NOT NULL,
    bearer  TEXT NOT NULL UNIQUE
);
