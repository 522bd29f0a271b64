-- What an operator has ordered by hand. paused 1: the gateway is given nothing new.
CREATE TABLE IF NOT EXISTS tb_gateways (
    gateway_id BIGINT NOT NULL PRIMARY KEY,
    paused     BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Parts that each process has sent by a gateway; day: since 1970, in UTC.
CREATE TABLE IF NOT EXISTS tb_gateway_days (
    gateway_id BIGINT NOT NULL,
    day        BIGINT NOT NULL,
    node       BIGINT NOT NULL,
    sent       BIGINT NOT NULL,
    PRIMARY KEY (gateway_id, day, node)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- How each running process sees a gateway, and since when.
CREATE TABLE IF NOT EXISTS tb_gateway_states (
    gateway_id BIGINT NOT NULL,
    node       BIGINT NOT NULL,
    state      VARCHAR(16) NOT NULL,
    reason     VARCHAR(255) NOT NULL,
    since      BIGINT NOT NULL,
    PRIMARY KEY (gateway_id, node)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
