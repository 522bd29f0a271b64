-- What a minute costs (millionths), by the digits that a number begins with ('' : any number). valid_to is the end, not
-- included, 0: none. timetable: hours of the week with their zone, '' : always; see voipsms/timetable.py.
CREATE TABLE IF NOT EXISTS tb_prices (
    packet      VARCHAR(64) NOT NULL,
    service     VARCHAR(8) NOT NULL,
    prefix      VARCHAR(32) NOT NULL,
    valid_from  BIGINT NOT NULL,
    timetable   VARCHAR(255) NOT NULL,
    valid_to    BIGINT NOT NULL,
    price       BIGINT NOT NULL,
    connect_fee BIGINT NOT NULL,
    minimum     BIGINT NOT NULL,
    PRIMARY KEY (packet, service, prefix, valid_from, timetable)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- One row a packet and service that has or had prices; revision grows with each change of them.
CREATE TABLE IF NOT EXISTS tb_packets (
    packet   VARCHAR(64) NOT NULL,
    service  VARCHAR(8) NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (packet, service)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- packet '' : its members pay by the packet `default`.
CREATE TABLE IF NOT EXISTS tb_groups (
    name   VARCHAR(64) NOT NULL PRIMARY KEY,
    packet VARCHAR(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What few users have. packet '' : their group's.
CREATE TABLE IF NOT EXISTS tb_user_options (
    user_id    BIGINT NOT NULL PRIMARY KEY,
    user_group VARCHAR(64) NOT NULL,
    packet     VARCHAR(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO tb_settings (name, value) VALUES ('prices', '1');
