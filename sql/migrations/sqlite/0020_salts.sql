-- Salts of authmd5 that were used and that tb_ingress knows no more: each proves a request once, for ever.
CREATE TABLE IF NOT EXISTS tb_salts (
    ingress_key TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;
