-- How gateways have fared of late: messages by five minutes (span: UTC milliseconds since 1970 / 300,000), gateway and the
-- first digits of the target. timed: the delivered ones whose receipts tell the time, millis: the sum of it.
CREATE TABLE IF NOT EXISTS tb_quality (
    span       BIGINT NOT NULL,
    gateway_id BIGINT NOT NULL,
    prefix     VARCHAR(16) NOT NULL,
    delivered  BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    timed      BIGINT NOT NULL,
    millis     BIGINT NOT NULL,
    PRIMARY KEY (span, gateway_id, prefix)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
