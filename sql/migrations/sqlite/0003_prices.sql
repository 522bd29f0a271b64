-- What a minute costs (millionths), by the digits that a number begins with ('' : any number). valid_to is the end, not
-- included, 0: none. timetable: hours of the week with their zone, '' : always; see voipsms/timetable.py.
CREATE TABLE IF NOT EXISTS tb_prices (
    packet      TEXT NOT NULL,
    service     TEXT NOT NULL,
    prefix      TEXT NOT NULL,
    valid_from  INTEGER NOT NULL,
    timetable   TEXT NOT NULL,
    valid_to    INTEGER NOT NULL,
    price       INTEGER NOT NULL,
    connect_fee INTEGER NOT NULL,
    minimum     INTEGER NOT NULL,
    PRIMARY KEY (packet, service, prefix, valid_from, timetable)
) WITHOUT ROWID;

-- One row a packet and service that has or had prices; revision grows with each change of them.
CREATE TABLE IF NOT EXISTS tb_packets (
    packet   TEXT NOT NULL,
    service  TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (packet, service)
) WITHOUT ROWID;

-- packet '' : its members pay by the packet `default`.
CREATE TABLE IF NOT EXISTS tb_groups (
    name   TEXT NOT NULL PRIMARY KEY,
    packet TEXT NOT NULL
) WITHOUT ROWID;

-- What few users have. packet '' : their group's.
CREATE TABLE IF NOT EXISTS tb_user_options (
    user_id    INTEGER NOT NULL PRIMARY KEY,
    user_group TEXT NOT NULL,
    packet     TEXT NOT NULL
);

INSERT OR IGNORE INTO tb_settings (name, value) VALUES ('prices', '1');
