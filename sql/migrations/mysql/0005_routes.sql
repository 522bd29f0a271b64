-- Which gateways may take which messages. '' and NULL: this condition is not asked.
CREATE TABLE IF NOT EXISTS tb_routes (
    id         BIGINT NOT NULL PRIMARY KEY,
    type       VARCHAR(8) NOT NULL,
    prefix     VARCHAR(16) NOT NULL,
    pattern    VARCHAR(255) NOT NULL,
    country    VARCHAR(2) NOT NULL,
    kind       VARCHAR(16) NOT NULL,
    user_id    BIGINT,
    user_group VARCHAR(64) NOT NULL,
    sender     VARCHAR(255) NOT NULL,
    timetable  VARCHAR(255) NOT NULL,
    priority   BIGINT NOT NULL,
    weight     BIGINT NOT NULL,
    gateway_id BIGINT NOT NULL,
    ceiling    BIGINT
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
