-- Batches travel as one JSON parameter `rows`, an array of arrays: one statement a batch.
-- STRAIGHT_JOIN: from the batch to the tables, whatever the optimizer believes of JSON_TABLE's size.

-- name: insert_ingress!
INSERT INTO tb_ingress (id, ingress_key, message_id, code, text)
SELECT j.id, j.ingress_key, j.message_id, j.code, j.text
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', ingress_key VARCHAR(255) PATH '$[1]', message_id BIGINT
    PATH '$[2]', code VARCHAR(255) PATH '$[3]', text TEXT PATH '$[4]')) AS j;

-- name: answer_ingress!
-- The answer that a sender waited for (smsthread=0).
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (ingress_key VARCHAR(255) PATH '$[0]', code VARCHAR(255) PATH '$[1]', text TEXT
    PATH '$[2]')) AS j STRAIGHT_JOIN tb_ingress AS t ON t.ingress_key = j.ingress_key
SET t.code = j.code, t.text = j.text;

-- name: insert_messages!
INSERT INTO tb_messages (id, created, direction, door, user_id, gateway_id, sender, target, text, coding, parts,
    duration, price, cost, currency, client_ip, message_class, state, changed)
SELECT j.id, j.created, j.direction, j.door, j.user_id, j.gateway_id, j.sender, j.target, j.text, j.coding, j.parts,
    j.duration, j.price, j.cost, j.currency, j.client_ip, j.message_class, j.state, j.changed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', created BIGINT PATH '$[1]', direction VARCHAR(255) PATH
    '$[2]', door VARCHAR(255) PATH '$[3]', user_id BIGINT PATH '$[4]', gateway_id BIGINT PATH '$[5]', sender
    VARCHAR(255) PATH '$[6]', target VARCHAR(255) PATH '$[7]', text TEXT PATH '$[8]', coding VARCHAR(255) PATH '$[9]',
    parts BIGINT PATH '$[10]', duration BIGINT PATH '$[11]', price BIGINT PATH '$[12]', cost BIGINT PATH '$[13]',
    currency VARCHAR(255) PATH '$[14]', client_ip VARCHAR(255) PATH '$[15]', message_class BIGINT PATH '$[16]', state
    VARCHAR(255) PATH '$[17]', changed BIGINT PATH '$[18]')) AS j;

-- name: insert_options!
INSERT INTO tb_options (message_id, octets, udh, due, valid)
SELECT j.id, j.octets, j.udh, j.due, j.valid
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', octets TEXT PATH '$[1]', udh TEXT PATH '$[2]', due BIGINT
    PATH '$[3]', valid BIGINT PATH '$[4]')) AS j;

-- name: insert_queue!
INSERT INTO tb_queue (id, node, stage, attempt, due)
SELECT j.id, j.node, j.stage, j.attempt, j.due
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node BIGINT PATH '$[1]', stage BIGINT PATH '$[2]',
    attempt BIGINT PATH '$[3]', due BIGINT PATH '$[4]')) AS j;

-- name: insert_ledger!
INSERT INTO tb_ledger (id, user_id, msgid, kind, amount, created, comment)
SELECT j.id, j.user_id, j.msgid, j.kind, j.amount, j.created, j.comment
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', user_id BIGINT PATH '$[1]', msgid BIGINT PATH '$[2]',
    kind VARCHAR(255) PATH '$[3]', amount BIGINT PATH '$[4]', created BIGINT PATH '$[5]', comment VARCHAR(255) PATH
    '$[6]')) AS j;

-- name: insert_parts!
INSERT INTO tb_parts (message_id, part, total, attempt, gateway_id, provider_id, state)
SELECT j.message_id, j.part, j.total, j.attempt, j.gateway_id, j.provider_id, j.state
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (message_id BIGINT PATH '$[0]', part BIGINT PATH '$[1]', total BIGINT PATH '$[2]',
    attempt BIGINT PATH '$[3]', gateway_id BIGINT PATH '$[4]', provider_id VARCHAR(255) PATH '$[5]',
    state VARCHAR(255) PATH '$[6]')) AS j;

-- name: insert_spellings!
INSERT INTO tb_spellings (message_id, part, attempt, provider_id)
SELECT j.message_id, j.part, j.attempt, j.provider_id
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (message_id BIGINT PATH '$[0]', part BIGINT PATH '$[1]', attempt BIGINT PATH
    '$[2]', provider_id VARCHAR(80) PATH '$[3]')) AS j;

-- name: insert_receipts!
INSERT INTO tb_receipts (id, gateway_id, provider_id, state, error, comment, sender, target)
SELECT j.id, j.gateway_id, j.provider_id, j.state, j.error, j.comment, j.sender, j.target
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', gateway_id BIGINT PATH '$[1]',
    provider_id VARCHAR(255) PATH '$[2]', state VARCHAR(255) PATH '$[3]', error VARCHAR(255) PATH '$[4]',
    comment VARCHAR(255) PATH '$[5]', sender VARCHAR(255) PATH '$[6]', target VARCHAR(255) PATH '$[7]')) AS j;

-- name: apply_balances!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', delta BIGINT PATH '$[1]')) AS j STRAIGHT_JOIN tb_users
    AS t ON t.id = j.id
SET t.balance = t.balance + j.delta;

-- name: move_queue!
-- Only what is still ours is moved; that a provider took a message (2) is true whoever owns it.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node BIGINT PATH '$[1]', stage BIGINT PATH '$[2]',
    attempt BIGINT PATH '$[3]', due BIGINT PATH '$[4]')) AS j STRAIGHT_JOIN tb_queue AS t ON t.id = j.id AND
    (j.stage >= 2 OR t.node = j.node)
SET t.node = j.node, t.stage = j.stage, t.attempt = j.attempt, t.due = j.due;

-- name: hand_over!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_queue AS t ON t.id = j.id
SET t.node = 0, t.stage = 0, t.attempt = 0, t.due = 0;

-- name: settle_parts!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (message_id BIGINT PATH '$[0]', part BIGINT PATH '$[1]', attempt BIGINT PATH
    '$[2]', state VARCHAR(255) PATH '$[3]')) AS j STRAIGHT_JOIN tb_parts AS t ON t.message_id = j.message_id AND
    t.part = j.part AND t.attempt = j.attempt
SET t.state = j.state;

-- name: reroute_messages!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', gateway_id BIGINT PATH '$[1]', cost BIGINT PATH '$[2]'))
    AS j STRAIGHT_JOIN tb_messages AS t ON t.id = j.id
SET t.gateway_id = j.gateway_id, t.cost = j.cost;

-- name: update_messages!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', state VARCHAR(255) PATH '$[1]', reason VARCHAR(255)
    PATH '$[2]', comment VARCHAR(255) PATH '$[3]', changed BIGINT PATH '$[4]')) AS j STRAIGHT_JOIN tb_messages AS t ON
    t.id = j.id
SET t.state = j.state, t.reason = j.reason, t.comment = j.comment, t.changed = j.changed;

-- name: update_cdrs!
-- keeps: 1 leaves duration and price as they are, 0 makes them 0.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', state VARCHAR(255) PATH '$[1]', reason VARCHAR(255)
    PATH '$[2]', comment VARCHAR(255) PATH '$[3]', keeps BIGINT PATH '$[4]')) AS j STRAIGHT_JOIN tb_cdrs AS t ON t.id
    = j.id
SET t.state = j.state, t.reason = j.reason, t.comment = j.comment, t.duration = t.duration * j.keeps, t.price =
    t.price * j.keeps;

-- name: insert_cdrs!
-- took: 1 the provider took the message (its duration and price), 0 it did not (0 and 0).
INSERT INTO tb_cdrs (id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts, price,
    cost, currency, state, reason,
    comment)
SELECT m.id, m.id, 'SMS', m.direction, m.user_id, m.gateway_id, m.sender, m.target, m.created, m.duration * j.took,
    m.parts,
    m.price * j.took, m.cost * j.took, m.currency, j.state, j.reason, j.comment
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', took BIGINT PATH '$[1]', state VARCHAR(255) PATH '$[2]',
    reason VARCHAR(255) PATH '$[3]', comment VARCHAR(255) PATH '$[4]')) AS j
STRAIGHT_JOIN tb_messages AS m ON m.id = j.id;

-- name: delete_queue!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_queue AS t ON t.id =
    j.id;

-- name: delete_receipts!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_receipts AS t ON t.id =
    j.id;

-- name: find_ingress
SELECT t.ingress_key, t.message_id, t.code, t.text
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (ingress_key VARCHAR(255) PATH '$[0]')) AS j
STRAIGHT_JOIN tb_ingress AS t ON t.ingress_key = j.ingress_key;

-- name: lock_accounts
SELECT t.id, t.balance, t.credit_limit, t.type
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_users AS t ON t.id = j.id
ORDER BY t.id FOR UPDATE;

-- name: match_receipts
-- The common case: the id as it stands, of a message that waits for it. FOR UPDATE: another process may be hearing of
-- the same message, and it must be settled once.
SELECT j.n, p.message_id, p.part, p.attempt, p.state, p.total, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (n BIGINT PATH '$[0]', gateway_id BIGINT PATH '$[1]', form VARCHAR(255) PATH
    '$[2]')) AS j
STRAIGHT_JOIN tb_parts AS p ON p.provider_id = j.form AND p.gateway_id = j.gateway_id
STRAIGHT_JOIN tb_queue AS q ON q.id = p.message_id AND q.stage = 2
STRAIGHT_JOIN tb_messages AS m ON m.id = p.message_id
ORDER BY p.message_id DESC
FOR UPDATE;

-- name: match_receipts_again
-- The rest: other spellings of the id, and messages that are final already; the newest that fits.
SELECT j.n, p.message_id, p.part, p.attempt, p.state, p.total, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (n BIGINT PATH '$[0]', gateway_id BIGINT PATH '$[1]', form VARCHAR(255) PATH
    '$[2]')) AS j
STRAIGHT_JOIN tb_parts AS p ON p.message_id = (
    SELECT MAX(o.message_id) FROM tb_parts AS o WHERE o.provider_id = j.form AND o.gateway_id = j.gateway_id
) AND p.provider_id = j.form
STRAIGHT_JOIN tb_messages AS m ON m.id = p.message_id
FOR UPDATE;

-- name: match_doubts
-- Messages of one part whose submit got no answer, by gateway and numbers, oldest first.
SELECT j.n, m.id, 0, 0, '', 1, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (n BIGINT PATH '$[0]', gateway_id BIGINT PATH '$[1]',
    sender VARCHAR(255) PATH '$[2]', target VARCHAR(255) PATH '$[3]')) AS j
STRAIGHT_JOIN tb_queue AS q FORCE INDEX (ix_queue) ON q.node = 0 AND q.stage = 3
STRAIGHT_JOIN tb_messages AS m ON m.id = q.id AND m.gateway_id = j.gateway_id AND m.sender = j.sender
    AND m.target = j.target AND m.parts = 1
ORDER BY m.id
FOR UPDATE;

-- name: parts_of
-- The states of all parts of some messages, the newest attempt of each.
SELECT p.message_id, p.part, p.attempt, p.state, p.total, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_parts AS p ON p.message_id = j.id
STRAIGHT_JOIN tb_messages AS m ON m.id = j.id
ORDER BY p.message_id, p.part, p.attempt
FOR UPDATE;

-- name: node_mark
-- FOR UPDATE: waits until the transaction whose COMMIT got no answer is over.
SELECT mark FROM tb_nodes WHERE node = :node AND holder = :holder FOR UPDATE;

-- name: dead_nodes
-- SKIP LOCKED: one that renews its lease this moment is alive; the others can't, as long as we claim what was theirs.
SELECT node FROM tb_nodes WHERE lease < :now AND node <> :node FOR UPDATE SKIP LOCKED;

-- name: unowned
-- Work of these nodes that no provider has taken, but for what another process is claiming.
SELECT q.id, q.node
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (node BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_queue AS q FORCE INDEX (ix_queue) ON q.node = j.node AND q.stage IN (0, 1, 4)
WHERE q.id > :after
ORDER BY q.id
LIMIT 500
FOR UPDATE SKIP LOCKED;

-- name: overdue
-- Taken by a provider (so nobody's), and no receipt has settled it in time, nor does one now.
SELECT id FROM tb_queue WHERE node = 0 AND stage IN (2, 3) AND due < :now ORDER BY due LIMIT 500 FOR UPDATE SKIP LOCKED;

-- name: forget_orphans!
DELETE FROM tb_receipts WHERE id < :before ORDER BY id LIMIT 2000;

-- name: forget_ingress!
DELETE FROM tb_ingress WHERE id < :before ORDER BY id LIMIT 2000;

-- name: claim_queue!
-- node_was guards against another process that claimed the row first.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node_was BIGINT PATH '$[1]', node BIGINT PATH '$[2]'))
    AS j STRAIGHT_JOIN tb_queue AS t ON t.id = j.id AND t.node = j.node_was
SET t.node = j.node;

-- name: load_queue
SELECT q.stage, q.attempt, q.due, COALESCE(s.provider_id, p.provider_id),
    m.id, m.created, m.door, m.user_id, m.gateway_id, m.sender, m.target, m.text, m.coding, m.parts, m.duration, m.price,
    m.cost, m.currency, m.client_ip, m.message_class, o.octets, o.udh, o.due, o.valid
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_queue AS q ON q.id = j.id AND q.node = :node
STRAIGHT_JOIN tb_messages AS m ON m.id = j.id
LEFT JOIN tb_parts AS p ON q.stage = 4 AND p.message_id = q.id AND p.attempt = q.attempt AND p.part = p.total
LEFT JOIN tb_spellings AS s ON s.message_id = p.message_id AND s.part = p.part AND s.attempt = p.attempt
LEFT JOIN tb_options AS o ON o.message_id = j.id
ORDER BY q.id;

-- name: blank_texts!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_messages AS t ON t.id = j.id
SET t.text = '';

-- name: still_waiting
SELECT t.id FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_queue AS t ON t.id = j.id;

-- name: messages_of
SELECT t.id, t.created, t.direction, t.door, t.user_id, t.gateway_id, t.sender, t.target, t.text, t.coding, t.parts, t.duration,
    t.price, t.cost, t.currency, t.client_ip, t.message_class, t.state, t.reason, t.comment, t.changed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_messages AS t ON t.id = j.id
ORDER BY t.id;

-- name: movements_of
-- FOR UPDATE: another process may be removing the same ones, and their sum must be booked once.
SELECT t.id, t.user_id, t.msgid, t.kind, t.amount, t.created, t.comment
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_ledger AS t ON t.msgid = j.id
ORDER BY t.id
FOR UPDATE;

-- name: delete_messages!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_messages AS t ON t.id = j.id;

-- name: delete_options!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_options AS t ON t.message_id = j.id;

-- name: delete_parts!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_parts AS t ON t.message_id = j.id;

-- name: delete_spellings!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_spellings AS t ON t.message_id = j.id;

-- name: delete_cdrs!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_cdrs AS t ON t.id = j.id;

-- name: delete_movements!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_ledger AS t ON t.msgid = j.id;

-- name: insert_prices!
INSERT INTO tb_prices (packet, service, prefix, valid_from, timetable, valid_to, price, connect_fee, minimum)
SELECT :packet, :service, j.prefix, j.valid_from, j.timetable, j.valid_to, j.price, j.connect_fee, j.minimum
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (prefix VARCHAR(255) PATH '$[0]', valid_from BIGINT PATH '$[1]',
    timetable VARCHAR(255) PATH '$[2]', valid_to BIGINT PATH '$[3]', price BIGINT PATH '$[4]',
    connect_fee BIGINT PATH '$[5]', minimum BIGINT PATH '$[6]')) AS j;

-- name: delete_prices!
-- Called until it finds none: each call is answered soon.
DELETE FROM tb_prices WHERE packet = :packet AND service = :service LIMIT 20000;

-- name: price_page
-- The next ones after (prefix, valid_from, timetable), as one JSON value in no order: a third of the time of rows.
SELECT JSON_ARRAYAGG(
    JSON_ARRAY(p.prefix, p.valid_from, p.timetable, p.valid_to, p.price, p.connect_fee, p.minimum)
)
FROM (
    SELECT prefix, valid_from, timetable, valid_to, price, connect_fee, minimum
    FROM tb_prices
    WHERE packet = :packet AND service = :service AND prefix >= :prefix AND (prefix > :prefix
        OR valid_from > :valid_from OR (valid_from = :valid_from AND timetable > :timetable))
    ORDER BY prefix, valid_from, timetable
    LIMIT 1000
) AS p;

-- name: prices_at
-- Of these packets, services and prefixes.
SELECT p.packet, p.service, p.prefix, p.valid_from, p.timetable, p.valid_to, p.price, p.connect_fee, p.minimum
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (packet VARCHAR(64) PATH '$[0]', service VARCHAR(8) PATH '$[1]', prefix
    VARCHAR(32) PATH '$[2]')) AS j
STRAIGHT_JOIN tb_prices AS p FORCE INDEX (PRIMARY) ON p.packet = j.packet AND p.service = j.service AND p.prefix = j.prefix;

-- name: insert_charges!
INSERT INTO tb_charges (message_id, level, user_id, price)
SELECT j.message_id, j.level, j.user_id, j.price
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (message_id BIGINT PATH '$[0]', level BIGINT PATH '$[1]', user_id BIGINT PATH
    '$[2]', price BIGINT PATH '$[3]')) AS j;

-- name: refund_charges!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_charges AS t
    FORCE INDEX (PRIMARY) ON t.message_id = j.id
SET t.refunded = 1;

-- name: charges_of
-- What resellers have paid for these messages and not got back.
SELECT t.message_id, t.user_id, t.price
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_charges AS t FORCE INDEX (PRIMARY) ON t.message_id = j.id AND t.refunded = 0;

-- name: delete_charges!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_charges AS t
    FORCE INDEX (PRIMARY) ON t.message_id = j.id;

-- name: lock_counters
-- After lock_accounts, so that nobody else counts meanwhile.
SELECT t.user_id, t.monthly, t.month, t.sent, t.previous
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_terms AS t FORCE INDEX (PRIMARY) ON t.user_id = j.id
ORDER BY t.user_id FOR UPDATE;

-- name: update_counters!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', month BIGINT PATH '$[1]', sent BIGINT PATH '$[2]',
    previous BIGINT PATH '$[3]', last_sent BIGINT PATH '$[4]')) AS j STRAIGHT_JOIN tb_terms AS t
    FORCE INDEX (PRIMARY) ON t.user_id = j.id
SET t.month = j.month, t.sent = j.sent, t.previous = j.previous, t.last_sent = j.last_sent;

-- name: add_quality!
-- To what other processes have written.
INSERT INTO tb_quality (span, gateway_id, prefix, delivered, failed, timed, millis)
SELECT j.span, j.gateway_id, j.prefix, j.delivered, j.failed, j.timed, j.millis
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (span BIGINT PATH '$[0]', gateway_id BIGINT PATH '$[1]', prefix VARCHAR(16) PATH
    '$[2]', delivered BIGINT PATH '$[3]', failed BIGINT PATH '$[4]', timed BIGINT PATH '$[5]', millis BIGINT PATH
    '$[6]')) AS j
ON DUPLICATE KEY UPDATE delivered = tb_quality.delivered + j.delivered, failed = tb_quality.failed + j.failed,
    timed = tb_quality.timed + j.timed, millis = tb_quality.millis + j.millis;

-- name: insert_routes!
INSERT INTO tb_routes (
    id, type, prefix, pattern, country, kind, user_id, user_group, sender, timetable, priority, weight, gateway_id, ceiling
)
SELECT j.id, :type, j.prefix, j.pattern, j.country, j.kind, j.user_id, j.user_group, j.sender, j.timetable, j.priority,
    j.weight, j.gateway_id, j.ceiling
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', prefix VARCHAR(255) PATH '$[1]', pattern VARCHAR(255) PATH
    '$[2]', country VARCHAR(255) PATH '$[3]', kind VARCHAR(255) PATH '$[4]', user_id BIGINT PATH '$[5]', user_group
    VARCHAR(255) PATH '$[6]', sender VARCHAR(255) PATH '$[7]', timetable VARCHAR(255) PATH '$[8]', priority BIGINT PATH
    '$[9]', weight BIGINT PATH '$[10]', gateway_id BIGINT PATH '$[11]', ceiling BIGINT PATH '$[12]')) AS j;

-- name: all_charges_of
SELECT t.message_id, t.level, t.user_id, t.price, t.refunded
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_charges AS t FORCE INDEX (PRIMARY) ON t.message_id = j.id
ORDER BY t.message_id, t.level;

-- name: insert_outbox!
INSERT INTO tb_outbox (id, message_id, user_id, channel, subject, source, target, text, created, expires, attempt,
    otherwise, address, fields, node, stage, due, error)
SELECT j.id, j.message_id, j.user_id, j.channel, j.subject, j.source, j.target, j.text, j.created, j.expires,
    j.attempt, j.otherwise, j.address, j.fields, j.node, j.stage, j.due, j.error
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', message_id BIGINT PATH '$[1]', user_id BIGINT PATH
    '$[2]', channel VARCHAR(255) PATH '$[3]', subject VARCHAR(255) PATH '$[4]', source VARCHAR(255) PATH '$[5]',
    target VARCHAR(255) PATH '$[6]', text MEDIUMTEXT PATH '$[7]', created BIGINT PATH '$[8]', expires BIGINT PATH
    '$[9]', attempt BIGINT PATH '$[10]', otherwise VARCHAR(255) PATH '$[11]', address VARCHAR(255) PATH '$[12]',
    fields TEXT PATH '$[13]', node BIGINT PATH '$[14]', stage BIGINT PATH '$[15]', due BIGINT PATH '$[16]', error
    VARCHAR(255) PATH '$[17]')) AS j;

-- name: insert_imdn!
INSERT INTO tb_imdn (message_id, imdn_id, sent, delivered, failed)
SELECT j.message_id, j.imdn_id, j.sent, j.delivered, j.failed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (message_id BIGINT PATH '$[0]', imdn_id VARCHAR(255) PATH '$[1]', sent
    VARCHAR(255) PATH '$[2]', delivered BIGINT PATH '$[3]', failed BIGINT PATH '$[4]')) AS j;

-- name: defer_outbox!
-- To be tried again then, by whoever is free; only what is still ours.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node BIGINT PATH '$[1]', attempt BIGINT PATH '$[2]',
    due BIGINT PATH '$[3]', error VARCHAR(255) PATH '$[4]')) AS j STRAIGHT_JOIN tb_outbox AS t FORCE INDEX (PRIMARY)
    ON t.id = j.id AND t.node = j.node
SET t.node = 0, t.attempt = j.attempt, t.due = j.due, t.error = j.error;

-- name: divert_outbox!
-- Another channel has it now.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', channel VARCHAR(255) PATH '$[1]', expires BIGINT PATH
    '$[2]', error VARCHAR(255) PATH '$[3]')) AS j STRAIGHT_JOIN tb_outbox AS t FORCE INDEX (PRIMARY) ON t.id = j.id
SET t.channel = j.channel, t.expires = j.expires, t.error = j.error, t.otherwise = '', t.attempt = 0;

-- name: give_up_outbox!
-- due: when that was.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', attempt BIGINT PATH '$[1]', due BIGINT PATH '$[2]',
    error VARCHAR(255) PATH '$[3]')) AS j STRAIGHT_JOIN tb_outbox AS t FORCE INDEX (PRIMARY) ON t.id = j.id
SET t.stage = 1, t.node = 0, t.attempt = j.attempt, t.due = j.due, t.error = j.error;

-- name: claim_outbox!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node BIGINT PATH '$[1]')) AS j STRAIGHT_JOIN tb_outbox
    AS t FORCE INDEX (PRIMARY) ON t.id = j.id AND t.node = 0 AND t.stage = 0
SET t.node = j.node;

-- name: delete_outbox!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_outbox AS t
    FORCE INDEX (PRIMARY) ON t.id = j.id;

-- name: free_outbox!
-- What its process doesn't know of.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_outbox AS t
    FORCE INDEX (PRIMARY) ON t.id = j.id AND t.stage = 0 AND t.node = :node
SET t.node = 0;

-- name: disown_outbox!
-- Deliveries of these nodes, which have died.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_outbox AS t
    FORCE INDEX (ix_outbox) ON t.stage = 0 AND t.node = j.id
SET t.node = 0;

-- name: forget_outbox!
DELETE FROM tb_outbox WHERE stage = 1 AND node = 0 AND due < :before ORDER BY due LIMIT 2000;

-- name: forget_outbox_of!
-- Deliveries given up that are about these messages.
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_outbox AS t
    FORCE INDEX (ix_outbox_message) ON t.message_id = j.id AND t.stage = 1;

-- name: forget_imdn!
DELETE FROM tb_imdn WHERE message_id < :before ORDER BY message_id LIMIT 2000;

-- name: delete_imdn!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_imdn AS t
    FORCE INDEX (PRIMARY) ON t.message_id = j.id;

-- name: lost_texts
-- Messages from phones that nobody has, with the number of deliveries that are still open.
SELECT m.id, (SELECT COUNT(*) FROM tb_outbox AS o WHERE o.message_id = m.id AND o.stage = 0 AND o.subject = 'text')
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_messages AS m ON m.id = j.id AND m.direction = 'MO' AND m.state <> 'DELIVERED'
ORDER BY m.id
FOR UPDATE;

-- name: asked
-- What receipts say of their messages. must 0: only where the phone has asked for one.
SELECT m.id, m.user_id, m.door, m.sender, m.target, m.text, m.created, m.parts, m.price, m.currency, i.imdn_id, i.sent,
    i.delivered, i.failed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', must BIGINT PATH '$[1]')) AS j
LEFT JOIN tb_imdn AS i ON i.message_id = j.id
STRAIGHT_JOIN tb_messages AS m ON m.id = j.id
WHERE (j.must = 1 OR i.message_id IS NOT NULL) AND m.direction = 'MT';

-- name: outbox_due
-- What nobody has in memory and is to be tried.
SELECT id, message_id, user_id, channel, subject, source, target, text, created, expires, attempt, otherwise, address,
    fields
FROM tb_outbox FORCE INDEX (ix_outbox)
WHERE stage = 0 AND node = 0 AND due <= :now
ORDER BY due, id
LIMIT :room
FOR UPDATE SKIP LOCKED;

-- name: outbox_of
-- What a user is still to be given by a channel, due or not.
SELECT id, message_id, user_id, channel, subject, source, target, text, created, expires, attempt, otherwise, address,
    fields
FROM tb_outbox FORCE INDEX (ix_outbox_user)
WHERE user_id = :user_id AND channel = :channel AND stage = 0 AND node = 0
ORDER BY id
LIMIT :room
FOR UPDATE SKIP LOCKED;

-- name: insert_events!
INSERT IGNORE INTO tb_events (message_id, kind, detail, at)
SELECT j.message_id, j.kind, j.detail, j.at
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (message_id BIGINT PATH '$[0]', kind VARCHAR(255) PATH '$[1]', detail VARCHAR(255)
    PATH '$[2]', at BIGINT PATH '$[3]')) AS j;

-- name: keep_states!
-- The state that is about to be written over.
INSERT IGNORE INTO tb_events (message_id, kind, detail, at)
SELECT m.id, m.state, SUBSTR(CASE WHEN m.reason = '' THEN m.comment ELSE CONCAT(m.reason, ': ', m.comment) END, 1, 255), m.changed
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_messages AS m ON m.id = j.id;

-- name: delete_events!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_events AS t ON t.message_id = j.id;

-- name: claim_requests!
INSERT IGNORE INTO tb_requests (id, request_key, digest, holder, answer)
SELECT j.id, j.request_key, j.digest, j.holder, ''
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', request_key VARCHAR(32) PATH '$[1]', digest VARCHAR(32)
    PATH '$[2]', holder VARCHAR(32) PATH '$[3]')) AS j;

-- name: requests_of
SELECT r.request_key, r.id, r.digest, r.holder, r.status, r.answer
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (request_key VARCHAR(32) PATH '$[0]')) AS j
STRAIGHT_JOIN tb_requests AS r ON r.request_key = j.request_key;

-- name: answer_requests!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (request_key VARCHAR(32) PATH '$[0]', holder VARCHAR(32) PATH '$[1]', status BIGINT
    PATH '$[2]', answer MEDIUMTEXT PATH '$[3]')) AS j STRAIGHT_JOIN tb_requests AS t ON t.request_key = j.request_key
    AND t.holder = j.holder
SET t.status = j.status, t.answer = j.answer;

-- name: drop_requests!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (request_key VARCHAR(32) PATH '$[0]')) AS j
STRAIGHT_JOIN tb_requests AS t ON t.request_key = j.request_key;

-- name: forget_requests!
DELETE FROM tb_requests WHERE id < :before ORDER BY id LIMIT 2000;

-- name: listed_messages
-- Newest first; rows: whose, unless everyone is 1.
SELECT m.id, m.created, m.direction, u.username, m.sender, m.target, g.username, m.text, m.coding, m.parts, m.price, m.cost,
    m.currency, m.state, m.reason, m.comment, m.changed
FROM tb_messages AS m
LEFT JOIN tb_users AS u ON u.id = m.user_id
LEFT JOIN tb_users AS g ON g.id = m.gateway_id
WHERE m.id >= :first AND m.id < :before AND (:everyone = 1 OR m.user_id IN (
        SELECT j.id FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j))
    AND (:sender = '' OR m.sender = :sender) AND (:target = '' OR m.target = :target) AND (:state = '' OR m.state = :state)
    AND (:direction = '' OR m.direction = :direction)
ORDER BY m.id DESC
LIMIT :room;

-- name: listed_cdrs
-- As listed_messages.
SELECT c.id, c.msgid, c.type, c.direction, u.username, c.sender, c.target, g.username, c.start, c.duration, c.parts, c.price, c.cost,
    c.currency, c.state, c.reason, c.comment
FROM tb_cdrs AS c
LEFT JOIN tb_users AS u ON u.id = c.user_id
LEFT JOIN tb_users AS g ON g.id = c.gateway_id
WHERE c.id >= :first AND c.id < :before AND (:everyone = 1 OR c.user_id IN (
        SELECT j.id FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j))
    AND (:sender = '' OR c.sender = :sender) AND (:target = '' OR c.target = :target) AND (:state = '' OR c.state = :state)
    AND (:direction = '' OR c.direction = :direction)
ORDER BY c.id DESC
LIMIT :room;

-- name: insert_optout!
INSERT IGNORE INTO tb_optout (number, sender, created) VALUES (:number, :sender, :created);

-- name: insert_stop!
INSERT IGNORE INTO tb_stops (number, user_id, sender, keyword, created)
VALUES (:number, :user_id, :sender, :keyword, :created);

-- name: insert_confirmation!
INSERT IGNORE INTO tb_confirmations (number, user_id, sender, text_id, until, due)
VALUES (:number, :user_id, :sender, :text_id, :due, :due);

-- name: scopes_of
SELECT j.number, 0, t.sender
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (number VARCHAR(32) PATH '$[0]')) AS j
STRAIGHT_JOIN tb_optout AS t ON t.number = j.number
UNION ALL
SELECT j.number, t.user_id, t.sender
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (number VARCHAR(32) PATH '$[0]')) AS j
STRAIGHT_JOIN tb_stops AS t ON t.number = j.number;

-- name: tell_conflict!
-- No row where there is one.
INSERT IGNORE INTO tb_conflicts (phone, told)
SELECT j.phone, j.told FROM JSON_TABLE(:rows, '$[*]' COLUMNS (phone VARCHAR(32) PATH '$[0]', told BIGINT PATH '$[1]')) AS j;

-- name: warn!
-- No row where there is one.
INSERT IGNORE INTO tb_warned (message_id) SELECT j.id FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j;

-- name: writers
-- Who wrote to these phones since an id, with the newest message of each. From user to user by the index, so that it takes
-- no longer for a phone that was written to a million times.
WITH RECURSIVE w AS (
    SELECT j.n, j.phone, j.since, (
        SELECT t.user_id FROM tb_messages AS t FORCE INDEX (ix_messages_target) WHERE t.target = j.phone ORDER BY t.user_id LIMIT 1
    ) AS user_id
    FROM JSON_TABLE(:rows, '$[*]' COLUMNS (n BIGINT PATH '$[0]', phone VARCHAR(32) PATH '$[1]', since BIGINT PATH '$[2]')) AS j
    UNION ALL
    SELECT w.n, w.phone, w.since, (
        SELECT t.user_id FROM tb_messages AS t FORCE INDEX (ix_messages_target) WHERE t.target = w.phone AND t.user_id > w.user_id
        ORDER BY t.user_id LIMIT 1
    )
    FROM w
    WHERE w.user_id IS NOT NULL
)
SELECT w.n, m.user_id, m.id
FROM w
STRAIGHT_JOIN tb_messages AS m FORCE INDEX (PRIMARY) ON m.id = (
    SELECT t.id FROM tb_messages AS t FORCE INDEX (ix_messages_target) WHERE t.target = w.phone AND t.user_id = w.user_id ORDER BY t.id DESC LIMIT 1
) AND m.id >= w.since AND m.direction = 'MT';

-- name: undelivered_apart
-- Messages that are not final and have a time of their own: a page above `after`.
SELECT o.message_id, o.due, o.valid
FROM tb_options AS o FORCE INDEX (PRIMARY)
STRAIGHT_JOIN tb_queue AS q FORCE INDEX (PRIMARY) ON q.id = o.message_id
WHERE o.message_id > :after AND (o.due > 0 OR o.valid > 0)
ORDER BY o.message_id
LIMIT 500;

-- name: message_states
SELECT m.id, m.state, m.reason, m.comment
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_messages AS m ON m.id = j.id;

-- name: insert_inbound!
INSERT INTO tb_inbound (
    id, node, stage, user_id, door, created, gateway_id, source, target, text, octets, udh, parts, complete, sent, provider_id,
    belongs
)
SELECT j.id, j.node, 0, 0, j.door, j.created, j.gateway_id, j.source, j.target, j.text, j.octets, j.udh, j.parts, j.complete,
    j.sent, j.provider_id, ''
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node BIGINT PATH '$[1]', door VARCHAR(255) PATH '$[2]',
    created BIGINT PATH '$[3]', gateway_id BIGINT PATH '$[4]', source VARCHAR(255) PATH '$[5]', target VARCHAR(255) PATH
    '$[6]', text TEXT PATH '$[7]', octets MEDIUMTEXT PATH '$[8]', udh VARCHAR(512) PATH '$[9]', parts BIGINT PATH '$[10]',
    complete BIGINT PATH '$[11]', sent BIGINT PATH '$[12]', provider_id VARCHAR(255) PATH '$[13]')) AS j;

-- name: hold_inbound!
-- As what has been decided of it made it: it waits until its user can pay.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', user_id BIGINT PATH '$[1]', source VARCHAR(255) PATH '$[2]',
    target VARCHAR(255) PATH '$[3]', text TEXT PATH '$[4]', belongs TEXT PATH '$[5]')) AS j STRAIGHT_JOIN tb_inbound AS t FORCE INDEX (PRIMARY)
    ON t.id = j.id
SET t.stage = 1, t.node = 0, t.user_id = j.user_id, t.source = j.source, t.target = j.target, t.text = j.text,
    t.belongs = j.belongs;

-- name: delete_inbound!
DELETE t FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j STRAIGHT_JOIN tb_inbound AS t ON t.id =
    j.id;

-- name: find_inbound
-- Those of these that are this node's, or held. FOR UPDATE: another process may be settling the same text.
SELECT t.id
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node BIGINT PATH '$[1]')) AS j
STRAIGHT_JOIN tb_inbound AS t FORCE INDEX (PRIMARY) ON t.id = j.id AND (t.node = j.node OR t.stage = 1)
ORDER BY t.id
FOR UPDATE;

-- name: unowned_inbound
-- But for what another process is claiming.
SELECT q.id, q.node
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (node BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_inbound AS q FORCE INDEX (ix_inbound) ON q.stage = 0 AND q.node = j.node
ORDER BY q.id
LIMIT 500
FOR UPDATE SKIP LOCKED;

-- name: claim_inbound!
-- node_was guards against another process that claimed the row first.
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node_was BIGINT PATH '$[1]', node BIGINT PATH '$[2]'))
    AS j STRAIGHT_JOIN tb_inbound AS t FORCE INDEX (PRIMARY) ON t.id = j.id AND t.node = j.node_was
SET t.node = j.node;

-- name: load_inbound
SELECT q.id, q.door, q.created, q.gateway_id, q.source, q.target, q.text, q.octets, q.udh, q.parts, q.complete, q.sent,
    q.provider_id, q.belongs
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]')) AS j
STRAIGHT_JOIN tb_inbound AS q FORCE INDEX (PRIMARY) ON q.id = j.id AND q.node = :node AND q.stage = 0
ORDER BY q.id;

-- name: find_joining
-- FOR UPDATE: another process may have a part of the same text.
SELECT t.join_key, t.closed, t.due, t.door, t.source, t.target, t.total, t.parts
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (join_key VARCHAR(32) PATH '$[0]')) AS j
STRAIGHT_JOIN tb_joining AS t FORCE INDEX (PRIMARY) ON t.join_key = j.join_key
FOR UPDATE;

-- name: insert_joining!
INSERT INTO tb_joining (join_key, closed, due, door, source, target, total, parts)
SELECT j.join_key, j.closed, j.due, j.door, j.source, j.target, j.total, j.parts
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (join_key VARCHAR(32) PATH '$[0]', closed BIGINT PATH '$[1]', due BIGINT PATH '$[2]',
    door VARCHAR(255) PATH '$[3]', source VARCHAR(255) PATH '$[4]', target VARCHAR(255) PATH '$[5]', total BIGINT PATH
    '$[6]', parts MEDIUMTEXT PATH '$[7]')) AS j;

-- name: update_joining!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (join_key VARCHAR(32) PATH '$[0]', closed BIGINT PATH '$[1]', due BIGINT PATH '$[2]',
    door VARCHAR(255) PATH '$[3]', source VARCHAR(255) PATH '$[4]', target VARCHAR(255) PATH '$[5]', total BIGINT PATH
    '$[6]', parts MEDIUMTEXT PATH '$[7]')) AS j STRAIGHT_JOIN tb_joining AS t FORCE INDEX (PRIMARY) ON t.join_key = j.join_key
SET t.closed = j.closed, t.due = j.due, t.door = j.door, t.source = j.source, t.target = j.target, t.total = j.total,
    t.parts = j.parts;

-- name: overdue_joining
-- Whose parts have not all come in time, but for what gets one now.
SELECT join_key, closed, due, door, source, target, total, parts
FROM tb_joining FORCE INDEX (ix_joining)
WHERE closed = 0 AND due < :now
ORDER BY due
LIMIT 100
FOR UPDATE SKIP LOCKED;

-- name: beat_calls!
UPDATE JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', node BIGINT PATH '$[1]', seen BIGINT PATH '$[2]',
    pair MEDIUMTEXT PATH '$[3]')) AS j STRAIGHT_JOIN tb_calls AS t FORCE INDEX (PRIMARY) ON t.id = j.id
SET t.seen = j.seen, t.pair = j.pair
WHERE t.node = j.node;

-- name: insert_call_cdrs!
INSERT INTO tb_cdrs (id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts, price,
    cost, currency, state, reason, comment)
SELECT j.id, j.msgid, 'CALL', 'OUT', j.user_id, j.gateway_id, j.sender, j.target, j.start, j.duration, 0, j.price, j.cost,
    j.currency, j.state, j.reason, j.comment
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$[0]', msgid BIGINT PATH '$[1]', user_id BIGINT PATH '$[2]',
    gateway_id BIGINT PATH '$[3]', sender VARCHAR(255) PATH '$[4]', target VARCHAR(255) PATH '$[5]', start BIGINT PATH
    '$[6]', duration BIGINT PATH '$[7]', price BIGINT PATH '$[8]', cost BIGINT PATH '$[9]', currency VARCHAR(255) PATH
    '$[10]', state VARCHAR(255) PATH '$[11]', reason VARCHAR(255) PATH '$[12]', comment VARCHAR(255) PATH '$[13]')) AS j;

-- name: begin_command!
-- No row where there is one.
INSERT IGNORE INTO tb_commands (id, delivery, begun)
SELECT j.id, j.delivery, j.begun
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id VARCHAR(40) PATH '$[0]', delivery BIGINT PATH '$[1]', begun BIGINT PATH '$[2]')) AS j;

-- name: keep_salts!
-- Of what forget_ingress takes; their keys begin with the octets "salt".
INSERT IGNORE INTO tb_salts (ingress_key)
SELECT t.ingress_key FROM (SELECT ingress_key FROM tb_ingress WHERE id < :before ORDER BY id LIMIT 2000) AS t
WHERE SUBSTR(t.ingress_key, 1, 8) = '73616c74';

-- name: find_salts
SELECT t.ingress_key
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (ingress_key VARCHAR(255) PATH '$[0]')) AS j
STRAIGHT_JOIN tb_salts AS t ON t.ingress_key = j.ingress_key;
