-- What an operator has ordered by hand. paused 1: the gateway is given nothing new.
CREATE TABLE IF NOT EXISTS tb_gateways (
    gateway_id INTEGER NOT NULL PRIMARY KEY,
    paused     INTEGER NOT NULL
);

-- Parts that each process has sent by a gateway; day: since 1970, in UTC.
CREATE TABLE IF NOT EXISTS tb_gateway_days (
    gateway_id INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    node       INTEGER NOT NULL,
    sent       INTEGER NOT NULL,
    PRIMARY KEY (gateway_id, day, node)
) WITHOUT ROWID;

-- How each running process sees a gateway, and since when.
CREATE TABLE IF NOT EXISTS tb_gateway_states (
    gateway_id INTEGER NOT NULL,
    node       INTEGER NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (gateway_id, node)
) WITHOUT ROWID;
