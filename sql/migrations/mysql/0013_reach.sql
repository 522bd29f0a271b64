-- How users are reached, where it is otherwise than config.ini says. route: -1 as [global] smsreceive_route; notify: ''
-- as smsnotify; low: the balance (millionths) below which the user is told, 0: never; receipts 1: the webhook gets them.
CREATE TABLE IF NOT EXISTS tb_reach (
    user_id     BIGINT NOT NULL PRIMARY KEY,
    route       BIGINT NOT NULL,
    chat        VARCHAR(64) NOT NULL,
    mail        VARCHAR(254) NOT NULL,
    hook        VARCHAR(2048) NOT NULL,
    hook_format VARCHAR(8) NOT NULL,
    hook_retry  VARCHAR(12) NOT NULL,
    hook_secret VARCHAR(128) NOT NULL,
    log         VARCHAR(2048) NOT NULL,
    receipts    BIGINT NOT NULL,
    notify      VARCHAR(8) NOT NULL,
    low         BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
