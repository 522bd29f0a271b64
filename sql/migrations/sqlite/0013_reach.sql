-- How users are reached, where it is otherwise than config.ini says. route: -1 as [global] smsreceive_route; notify: ''
-- as smsnotify; low: the balance (millionths) below which the user is told, 0: never; receipts 1: the webhook gets them.
CREATE TABLE IF NOT EXISTS tb_reach (
    user_id     INTEGER NOT NULL PRIMARY KEY,
    route       INTEGER NOT NULL,
    chat        TEXT NOT NULL,
    mail        TEXT NOT NULL,
    hook        TEXT NOT NULL,
    hook_format TEXT NOT NULL,
    hook_retry  TEXT NOT NULL,
    hook_secret TEXT NOT NULL,
    log         TEXT NOT NULL,
    receipts    INTEGER NOT NULL,
    notify      TEXT NOT NULL,
    low         INTEGER NOT NULL
);
