-- Salts of authmd5 that were used and that tb_ingress knows no more: each proves a request once, for ever.
CREATE TABLE IF NOT EXISTS tb_salts (
    ingress_key VARCHAR(32) NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
