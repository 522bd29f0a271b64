-- Which gateways may take which messages. '' and NULL: this condition is not asked.
CREATE TABLE IF NOT EXISTS tb_routes (
    id         INTEGER NOT NULL PRIMARY KEY,
    type       TEXT NOT NULL,
    prefix     TEXT NOT NULL,
    pattern    TEXT NOT NULL,
    country    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    user_id    INTEGER,
    user_group TEXT NOT NULL,
    sender     TEXT NOT NULL,
    timetable  TEXT NOT NULL,
    priority   INTEGER NOT NULL,
    weight     INTEGER NOT NULL,
    gateway_id INTEGER NOT NULL,
    ceiling    INTEGER
);
