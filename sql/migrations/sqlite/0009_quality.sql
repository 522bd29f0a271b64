-- How gateways have fared of late: messages by five minutes (span: UTC milliseconds since 1970 / 300,000), gateway and the
-- first digits of the target. timed: the delivered ones whose receipts tell the time, millis: the sum of it.
CREATE TABLE IF NOT EXISTS tb_quality (
    span       INTEGER NOT NULL,
    gateway_id INTEGER NOT NULL,
    prefix     TEXT NOT NULL,
    delivered  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    timed      INTEGER NOT NULL,
    millis     INTEGER NOT NULL,
    PRIMARY KEY (span, gateway_id, prefix)
);
