-- Batches travel as one JSON parameter `rows`, an array of arrays: one statement a batch, run without the GIL.
-- CROSS JOIN keeps SQLite from choosing another order than the one written. What a commit reads comes back as one JSON
-- array of arrays, in no order: a row of its own would cost a wait for the interpreter lock each.

-- name: insert_ingress!
INSERT INTO tb_ingress (id, ingress_key, message_id, code, text)
SELECT j.id, j.ingress_key, j.message_id, j.code, j.text
FROM (SELECT value->>0 AS id, value->>1 AS ingress_key, value->>2 AS message_id, value->>3 AS code, value->>4 AS text
    FROM json_each(:rows)) AS j;

-- name: answer_ingress!
-- The answer that a sender waited for (smsthread=0).
UPDATE tb_ingress SET code = j.code, text = j.text
FROM (SELECT value->>0 AS ingress_key, value->>1 AS code, value->>2 AS text FROM json_each(:rows)) AS j
WHERE tb_ingress.ingress_key = j.ingress_key;

-- name: insert_messages!
INSERT INTO tb_messages (id, created, direction, door, user_id, gateway_id, sender, target, text, coding, parts,
    duration, price, cost, currency, client_ip, message_class, state, changed)
SELECT j.id, j.created, j.direction, j.door, j.user_id, j.gateway_id, j.sender, j.target, j.text, j.coding, j.parts,
    j.duration, j.price, j.cost, j.currency, j.client_ip, j.message_class, j.state, j.changed
FROM (SELECT value->>0 AS id, value->>1 AS created, value->>2 AS direction, value->>3 AS door, value->>4 AS user_id,
    value->>5 AS gateway_id, value->>6 AS sender, value->>7 AS target, value->>8 AS text, value->>9 AS coding,
    value->>10 AS parts, value->>11 AS duration, value->>12 AS price, value->>13 AS cost, value->>14 AS currency,
    value->>15 AS client_ip, value->>16 AS message_class, value->>17 AS state, value->>18 AS changed FROM
    json_each(:rows)) AS j;

-- name: insert_options!
INSERT INTO tb_options (message_id, octets, udh, due, valid)
SELECT j.id, j.octets, j.udh, j.due, j.valid
FROM (SELECT value->>0 AS id, value->>1 AS octets, value->>2 AS udh, value->>3 AS due, value->>4 AS valid FROM
    json_each(:rows)) AS j;

-- name: insert_queue!
INSERT INTO tb_queue (id, node, stage, attempt, due)
SELECT j.id, j.node, j.stage, j.attempt, j.due
FROM (SELECT value->>0 AS id, value->>1 AS node, value->>2 AS stage, value->>3 AS attempt, value->>4 AS due FROM
    json_each(:rows)) AS j;

-- name: insert_ledger!
INSERT INTO tb_ledger (id, user_id, msgid, kind, amount, created, comment)
SELECT j.id, j.user_id, j.msgid, j.kind, j.amount, j.created, j.comment
FROM (SELECT value->>0 AS id, value->>1 AS user_id, value->>2 AS msgid, value->>3 AS kind, value->>4 AS amount,
    value->>5 AS created, value->>6 AS comment FROM json_each(:rows)) AS j;

-- name: insert_parts!
INSERT INTO tb_parts (message_id, part, total, attempt, gateway_id, provider_id, state)
SELECT j.message_id, j.part, j.total, j.attempt, j.gateway_id, j.provider_id, j.state
FROM (SELECT value->>0 AS message_id, value->>1 AS part, value->>2 AS total, value->>3 AS attempt,
    value->>4 AS gateway_id, value->>5 AS provider_id, value->>6 AS state FROM json_each(:rows)) AS j;

-- name: insert_spellings!
INSERT INTO tb_spellings (message_id, part, attempt, provider_id)
SELECT j.message_id, j.part, j.attempt, j.provider_id
FROM (SELECT value->>0 AS message_id, value->>1 AS part, value->>2 AS attempt, value->>3 AS provider_id FROM
    json_each(:rows)) AS j;

-- name: insert_receipts!
INSERT INTO tb_receipts (id, gateway_id, provider_id, state, error, comment, sender, target)
SELECT j.id, j.gateway_id, j.provider_id, j.state, j.error, j.comment, j.sender, j.target
FROM (SELECT value->>0 AS id, value->>1 AS gateway_id, value->>2 AS provider_id, value->>3 AS state,
    value->>4 AS error, value->>5 AS comment, value->>6 AS sender, value->>7 AS target FROM json_each(:rows)) AS j;

-- name: apply_balances!
UPDATE tb_users SET balance = tb_users.balance + j.delta
FROM (SELECT value->>0 AS id, value->>1 AS delta FROM json_each(:rows)) AS j
WHERE tb_users.id = j.id;

-- name: move_queue!
-- Only what is still ours is moved; that a provider took a message (2) is true whoever owns it.
UPDATE tb_queue SET node = j.node, stage = j.stage, attempt = j.attempt, due = j.due
FROM (SELECT value->>0 AS id, value->>1 AS node, value->>2 AS stage, value->>3 AS attempt, value->>4 AS due FROM
    json_each(:rows)) AS j
WHERE tb_queue.id = j.id AND (j.stage >= 2 OR tb_queue.node = j.node);

-- name: hand_over!
UPDATE tb_queue SET node = 0, stage = 0, attempt = 0, due = 0 WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: settle_parts!
UPDATE tb_parts SET state = j.state
FROM (SELECT value->>0 AS message_id, value->>1 AS part, value->>2 AS attempt, value->>3 AS state FROM
    json_each(:rows)) AS j
WHERE tb_parts.message_id = j.message_id AND tb_parts.part = j.part AND tb_parts.attempt = j.attempt;

-- name: reroute_messages!
UPDATE tb_messages SET gateway_id = j.gateway_id, cost = j.cost
FROM (SELECT value->>0 AS id, value->>1 AS gateway_id, value->>2 AS cost FROM json_each(:rows)) AS j
WHERE tb_messages.id = j.id;

-- name: update_messages!
UPDATE tb_messages SET state = j.state, reason = j.reason, comment = j.comment, changed = j.changed
FROM (SELECT value->>0 AS id, value->>1 AS state, value->>2 AS reason, value->>3 AS comment, value->>4 AS changed FROM
    json_each(:rows)) AS j
WHERE tb_messages.id = j.id;

-- name: update_cdrs!
-- keeps: 1 leaves duration and price as they are, 0 makes them 0.
UPDATE tb_cdrs SET state = j.state, reason = j.reason, comment = j.comment, duration = tb_cdrs.duration * j.keeps,
    price = tb_cdrs.price * j.keeps
FROM (SELECT value->>0 AS id, value->>1 AS state, value->>2 AS reason, value->>3 AS comment, value->>4 AS keeps FROM
    json_each(:rows)) AS j
WHERE tb_cdrs.id = j.id;

-- name: insert_cdrs!
-- took: 1 the provider took the message (its duration and price), 0 it did not (0 and 0).
INSERT INTO tb_cdrs (id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts, price,
    cost, currency, state, reason,
    comment)
SELECT m.id, m.id, 'SMS', m.direction, m.user_id, m.gateway_id, m.sender, m.target, m.created, m.duration * j.took,
    m.parts,
    m.price * j.took, m.cost * j.took, m.currency, j.state, j.reason, j.comment
FROM (SELECT value->>0 AS id, value->>1 AS took, value->>2 AS state, value->>3 AS reason, value->>4 AS comment FROM
    json_each(:rows)) AS j
CROSS JOIN tb_messages AS m ON m.id = j.id;

-- name: delete_queue!
DELETE FROM tb_queue WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: delete_receipts!
DELETE FROM tb_receipts WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: find_ingress
SELECT json_group_array(json_array(t.ingress_key, t.message_id, t.code, t.text))
FROM (SELECT value->>0 AS ingress_key FROM json_each(:rows)) AS j
CROSS JOIN tb_ingress AS t ON t.ingress_key = j.ingress_key;

-- name: lock_accounts
SELECT json_group_array(json_array(t.id, t.balance, t.credit_limit, t.type))
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_users AS t ON t.id = j.id;

-- name: match_receipts
-- The common case: the id as it stands, of a message that waits for it.
SELECT json_group_array(json_array(j.n, p.message_id, p.part, p.attempt, p.state, p.total, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed))
FROM (SELECT value->>0 AS n, value->>1 AS gateway_id, value->>2 AS form FROM json_each(:rows)) AS j
CROSS JOIN tb_parts AS p ON p.provider_id = j.form AND p.gateway_id = j.gateway_id
CROSS JOIN tb_queue AS q ON q.id = p.message_id AND q.stage = 2
CROSS JOIN tb_messages AS m ON m.id = p.message_id;

-- name: match_receipts_again
-- The rest: other spellings of the id, and messages that are final already; the newest that fits.
SELECT json_group_array(json_array(j.n, p.message_id, p.part, p.attempt, p.state, p.total, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed))
FROM (SELECT value->>0 AS n, value->>1 AS gateway_id, value->>2 AS form FROM json_each(:rows)) AS j
CROSS JOIN tb_parts AS p ON p.message_id = (
    SELECT MAX(o.message_id) FROM tb_parts AS o WHERE o.provider_id = j.form AND o.gateway_id = j.gateway_id
) AND p.provider_id = j.form
CROSS JOIN tb_messages AS m ON m.id = p.message_id;

-- name: match_doubts
-- Messages of one part whose submit got no answer, by gateway and numbers, oldest first.
SELECT json_group_array(json_array(j.n, m.id, 0, 0, '', 1, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed))
FROM (SELECT value->>0 AS n, value->>1 AS gateway_id, value->>2 AS sender, value->>3 AS target FROM json_each(:rows)) AS j
CROSS JOIN tb_queue AS q INDEXED BY ix_queue ON q.node = 0 AND q.stage = 3
CROSS JOIN tb_messages AS m ON m.id = q.id AND m.gateway_id = j.gateway_id AND m.sender = j.sender
    AND m.target = j.target AND m.parts = 1;

-- name: parts_of
-- The states of all parts of some messages, the newest attempt of each.
SELECT json_group_array(json_array(p.message_id, p.part, p.attempt, p.state, p.total, m.state, m.user_id, m.price,
    m.gateway_id, m.target, m.changed))
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_parts AS p ON p.message_id = j.id
CROSS JOIN tb_messages AS m ON m.id = j.id;

-- name: node_mark
SELECT mark FROM tb_nodes WHERE node = :node AND holder = :holder;

-- name: dead_nodes
SELECT node FROM tb_nodes WHERE lease < :now AND node <> :node;

-- name: unowned
-- Work of these nodes that no provider has taken.
SELECT q.id, q.node
FROM (SELECT value->>0 AS node FROM json_each(:rows)) AS j
CROSS JOIN tb_queue AS q INDEXED BY ix_queue ON q.node = j.node AND q.stage IN (0, 1, 4)
WHERE q.id > :after
ORDER BY q.id
LIMIT 500;

-- name: overdue
-- Taken by a provider (so nobody's), and no receipt has settled it in time.
SELECT id FROM tb_queue WHERE node = 0 AND stage IN (2, 3) AND due < :now ORDER BY due LIMIT 500;

-- name: forget_orphans!
DELETE FROM tb_receipts WHERE id IN (SELECT id FROM tb_receipts WHERE id < :before ORDER BY id LIMIT 2000);

-- name: forget_ingress!
DELETE FROM tb_ingress WHERE id IN (SELECT id FROM tb_ingress WHERE id < :before ORDER BY id LIMIT 2000);

-- name: claim_queue!
-- node_was guards against another process that claimed the row first.
UPDATE tb_queue SET node = j.node
FROM (SELECT value->>0 AS id, value->>1 AS node_was, value->>2 AS node FROM json_each(:rows)) AS j
WHERE tb_queue.id = j.id AND tb_queue.node = j.node_was;

-- name: load_queue
SELECT q.stage, q.attempt, q.due, COALESCE(s.provider_id, p.provider_id),
    m.id, m.created, m.door, m.user_id, m.gateway_id, m.sender, m.target, m.text, m.coding, m.parts, m.duration, m.price,
    m.cost, m.currency, m.client_ip, m.message_class, o.octets, o.udh, o.due, o.valid
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_queue AS q ON q.id = j.id AND q.node = :node
CROSS JOIN tb_messages AS m ON m.id = j.id
LEFT JOIN tb_parts AS p ON q.stage = 4 AND p.message_id = q.id AND p.attempt = q.attempt AND p.part = p.total
LEFT JOIN tb_spellings AS s ON s.message_id = p.message_id AND s.part = p.part AND s.attempt = p.attempt
LEFT JOIN tb_options AS o ON o.message_id = j.id
ORDER BY q.id;

-- name: blank_texts!
UPDATE tb_messages SET text = '' WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: still_waiting
SELECT id FROM tb_queue WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: messages_of
SELECT t.id, t.created, t.direction, t.door, t.user_id, t.gateway_id, t.sender, t.target, t.text, t.coding, t.parts, t.duration,
    t.price, t.cost, t.currency, t.client_ip, t.message_class, t.state, t.reason, t.comment, t.changed
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_messages AS t ON t.id = j.id
ORDER BY t.id;

-- name: movements_of
SELECT t.id, t.user_id, t.msgid, t.kind, t.amount, t.created, t.comment
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_ledger AS t ON t.msgid = j.id
ORDER BY t.id;

-- name: delete_messages!
DELETE FROM tb_messages WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: delete_options!
DELETE FROM tb_options WHERE message_id IN (SELECT value->>0 FROM json_each(:rows));

-- name: delete_parts!
DELETE FROM tb_parts WHERE message_id IN (SELECT value->>0 FROM json_each(:rows));

-- name: delete_spellings!
DELETE FROM tb_spellings WHERE message_id IN (SELECT value->>0 FROM json_each(:rows));

-- name: delete_cdrs!
DELETE FROM tb_cdrs WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: delete_movements!
DELETE FROM tb_ledger WHERE msgid IN (SELECT value->>0 FROM json_each(:rows));

-- name: insert_prices!
INSERT INTO tb_prices (packet, service, prefix, valid_from, timetable, valid_to, price, connect_fee, minimum)
SELECT :packet, :service, j.prefix, j.valid_from, j.timetable, j.valid_to, j.price, j.connect_fee, j.minimum
FROM (SELECT value->>0 AS prefix, value->>1 AS valid_from, value->>2 AS timetable, value->>3 AS valid_to,
    value->>4 AS price, value->>5 AS connect_fee, value->>6 AS minimum FROM json_each(:rows)) AS j;

-- name: delete_prices!
-- Called until it finds none.
DELETE FROM tb_prices WHERE packet = :packet AND service = :service;

-- name: price_page
-- The next ones after (prefix, valid_from, timetable), as one JSON value in no order, so that a thread that reads half a
-- million of them seldom asks for the interpreter lock.
SELECT json_group_array(
    json_array(p.prefix, p.valid_from, p.timetable, p.valid_to, p.price, p.connect_fee, p.minimum)
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
FROM (SELECT value->>0 AS packet, value->>1 AS service, value->>2 AS prefix FROM json_each(:rows)) AS j
CROSS JOIN tb_prices AS p ON p.packet = j.packet AND p.service = j.service AND p.prefix = j.prefix;

-- name: insert_charges!
INSERT INTO tb_charges (message_id, level, user_id, price)
SELECT j.message_id, j.level, j.user_id, j.price
FROM (SELECT value->>0 AS message_id, value->>1 AS level, value->>2 AS user_id, value->>3 AS price FROM
    json_each(:rows)) AS j;

-- name: refund_charges!
UPDATE tb_charges SET refunded = 1 WHERE message_id IN (SELECT value->>0 FROM json_each(:rows));

-- name: charges_of
-- What resellers have paid for these messages and not got back.
SELECT json_group_array(json_array(t.message_id, t.user_id, t.price))
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_charges AS t ON t.message_id = j.id AND t.refunded = 0;

-- name: delete_charges!
DELETE FROM tb_charges WHERE message_id IN (SELECT value->>0 FROM json_each(:rows));

-- name: lock_counters
-- After lock_accounts, so that nobody else counts meanwhile.
SELECT json_group_array(json_array(t.user_id, t.monthly, t.month, t.sent, t.previous))
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_terms AS t ON t.user_id = j.id;

-- name: update_counters!
UPDATE tb_terms SET month = j.month, sent = j.sent, previous = j.previous, last_sent = j.last_sent
FROM (SELECT value->>0 AS id, value->>1 AS month, value->>2 AS sent, value->>3 AS previous, value->>4 AS last_sent FROM
    json_each(:rows)) AS j
WHERE tb_terms.user_id = j.id;

-- name: add_quality!
-- To what other processes have written.
INSERT INTO tb_quality (span, gateway_id, prefix, delivered, failed, timed, millis)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 FROM json_each(:rows) WHERE true
ON CONFLICT (span, gateway_id, prefix) DO UPDATE SET delivered = delivered + excluded.delivered,
    failed = failed + excluded.failed, timed = timed + excluded.timed, millis = millis + excluded.millis;

-- name: insert_routes!
INSERT INTO tb_routes (
    id, type, prefix, pattern, country, kind, user_id, user_group, sender, timetable, priority, weight, gateway_id, ceiling
)
SELECT value->>0, :type, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8,
    value->>9, value->>10, value->>11, value->>12
FROM json_each(:rows);

-- name: all_charges_of
SELECT t.message_id, t.level, t.user_id, t.price, t.refunded
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_charges AS t ON t.message_id = j.id
ORDER BY t.message_id, t.level;

-- name: insert_outbox!
INSERT INTO tb_outbox (id, message_id, user_id, channel, subject, source, target, text, created, expires, attempt,
    otherwise, address, fields, node, stage, due, error)
SELECT j.id, j.message_id, j.user_id, j.channel, j.subject, j.source, j.target, j.text, j.created, j.expires,
    j.attempt, j.otherwise, j.address, j.fields, j.node, j.stage, j.due, j.error
FROM (SELECT value->>0 AS id, value->>1 AS message_id, value->>2 AS user_id, value->>3 AS channel, value->>4 AS
    subject, value->>5 AS source, value->>6 AS target, value->>7 AS text, value->>8 AS created, value->>9 AS expires,
    value->>10 AS attempt, value->>11 AS otherwise, value->>12 AS address, value->>13 AS fields, value->>14 AS node,
    value->>15 AS stage, value->>16 AS due, value->>17 AS error FROM json_each(:rows)) AS j;

-- name: insert_imdn!
INSERT INTO tb_imdn (message_id, imdn_id, sent, delivered, failed)
SELECT j.message_id, j.imdn_id, j.sent, j.delivered, j.failed
FROM (SELECT value->>0 AS message_id, value->>1 AS imdn_id, value->>2 AS sent, value->>3 AS delivered, value->>4 AS
    failed FROM json_each(:rows)) AS j;

-- name: defer_outbox!
-- To be tried again then, by whoever is free; only what is still ours.
UPDATE tb_outbox SET node = 0, attempt = j.attempt, due = j.due, error = j.error
FROM (SELECT value->>0 AS id, value->>1 AS node, value->>2 AS attempt, value->>3 AS due, value->>4 AS error FROM
    json_each(:rows)) AS j
WHERE tb_outbox.id = j.id AND tb_outbox.node = j.node;

-- name: divert_outbox!
-- Another channel has it now.
UPDATE tb_outbox SET channel = j.channel, expires = j.expires, error = j.error, otherwise = '', attempt = 0
FROM (SELECT value->>0 AS id, value->>1 AS channel, value->>2 AS expires, value->>3 AS error FROM json_each(:rows)) AS
    j
WHERE tb_outbox.id = j.id;

-- name: give_up_outbox!
-- due: when that was.
UPDATE tb_outbox SET stage = 1, node = 0, attempt = j.attempt, due = j.due, error = j.error
FROM (SELECT value->>0 AS id, value->>1 AS attempt, value->>2 AS due, value->>3 AS error FROM json_each(:rows)) AS j
WHERE tb_outbox.id = j.id;

-- name: claim_outbox!
UPDATE tb_outbox SET node = j.node
FROM (SELECT value->>0 AS id, value->>1 AS node FROM json_each(:rows)) AS j
WHERE tb_outbox.id = j.id AND tb_outbox.node = 0 AND tb_outbox.stage = 0;

-- name: delete_outbox!
DELETE FROM tb_outbox WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: free_outbox!
-- What its process doesn't know of.
UPDATE tb_outbox SET node = 0
WHERE stage = 0 AND node = :node AND id IN (SELECT value->>0 FROM json_each(:rows));

-- name: disown_outbox!
-- Deliveries of these nodes, which have died.
UPDATE tb_outbox SET node = 0 WHERE stage = 0 AND node IN (SELECT value->>0 FROM json_each(:rows));

-- name: forget_outbox!
DELETE FROM tb_outbox WHERE id IN (
    SELECT id FROM tb_outbox WHERE stage = 1 AND node = 0 AND due < :before ORDER BY due LIMIT 2000
);

-- name: forget_outbox_of!
-- Deliveries given up that are about these messages.
DELETE FROM tb_outbox WHERE message_id IN (SELECT value->>0 FROM json_each(:rows)) AND stage = 1;

-- name: forget_imdn!
DELETE FROM tb_imdn WHERE message_id IN (
    SELECT message_id FROM tb_imdn WHERE message_id < :before ORDER BY message_id LIMIT 2000
);

-- name: delete_imdn!
DELETE FROM tb_imdn WHERE message_id IN (SELECT value->>0 FROM json_each(:rows));

-- name: lost_texts
-- Messages from phones that nobody has, with the number of deliveries that are still open.
SELECT json_group_array(json_array(m.id, (SELECT COUNT(*) FROM tb_outbox AS o WHERE o.message_id = m.id AND o.stage = 0
    AND o.subject = 'text')))
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_messages AS m ON m.id = j.id AND m.direction = 'MO' AND m.state <> 'DELIVERED';

-- name: asked
-- What receipts say of their messages. must 0: only where the phone has asked for one.
SELECT json_group_array(json_array(m.id, m.user_id, m.door, m.sender, m.target, m.text, m.created, m.parts, m.price,
    m.currency, i.imdn_id, i.sent, i.delivered, i.failed))
FROM (SELECT value->>0 AS id, value->>1 AS must FROM json_each(:rows)) AS j
LEFT JOIN tb_imdn AS i ON i.message_id = j.id
CROSS JOIN tb_messages AS m ON m.id = j.id
WHERE (j.must = 1 OR i.message_id IS NOT NULL) AND m.direction = 'MT';

-- name: outbox_due
-- What nobody has in memory and is to be tried.
SELECT id, message_id, user_id, channel, subject, source, target, text, created, expires, attempt, otherwise, address,
    fields
FROM tb_outbox
WHERE stage = 0 AND node = 0 AND due <= :now
ORDER BY due, id
LIMIT :room;

-- name: outbox_of
-- What a user is still to be given by a channel, due or not.
SELECT id, message_id, user_id, channel, subject, source, target, text, created, expires, attempt, otherwise, address,
    fields
FROM tb_outbox
WHERE user_id = :user_id AND channel = :channel AND stage = 0 AND node = 0
ORDER BY id
LIMIT :room;

-- name: insert_events!
INSERT INTO tb_events (message_id, kind, detail, at)
SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING;

-- name: keep_states!
-- The state that is about to be written over.
INSERT INTO tb_events (message_id, kind, detail, at)
SELECT m.id, m.state, SUBSTR(CASE WHEN m.reason = '' THEN m.comment ELSE m.reason || ': ' || m.comment END, 1, 255), m.changed
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_messages AS m ON m.id = j.id
WHERE true
ON CONFLICT DO NOTHING;

-- name: delete_events!
DELETE FROM tb_events WHERE message_id IN (SELECT value->>0 FROM json_each(:rows));

-- name: claim_requests!
INSERT INTO tb_requests (id, request_key, digest, holder, answer)
SELECT value->>0, value->>1, value->>2, value->>3, '' FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING;

-- name: requests_of
SELECT r.request_key, r.id, r.digest, r.holder, r.status, r.answer
FROM (SELECT value->>0 AS request_key FROM json_each(:rows)) AS j
CROSS JOIN tb_requests AS r ON r.request_key = j.request_key;

-- name: answer_requests!
UPDATE tb_requests SET status = j.status, answer = j.answer
FROM (SELECT value->>0 AS request_key, value->>1 AS holder, value->>2 AS status, value->>3 AS answer FROM
    json_each(:rows)) AS j
WHERE tb_requests.request_key = j.request_key AND tb_requests.holder = j.holder;

-- name: drop_requests!
DELETE FROM tb_requests WHERE request_key IN (SELECT value->>0 FROM json_each(:rows));

-- name: forget_requests!
DELETE FROM tb_requests WHERE id IN (SELECT id FROM tb_requests WHERE id < :before ORDER BY id LIMIT 2000);

-- name: listed_messages
-- Newest first; rows: whose, unless everyone is 1.
SELECT m.id, m.created, m.direction, u.username, m.sender, m.target, g.username, m.text, m.coding, m.parts, m.price, m.cost,
    m.currency, m.state, m.reason, m.comment, m.changed
FROM tb_messages AS m
LEFT JOIN tb_users AS u ON u.id = m.user_id
LEFT JOIN tb_users AS g ON g.id = m.gateway_id
WHERE m.id >= :first AND m.id < :before AND (:everyone = 1 OR m.user_id IN (SELECT value->>0 FROM json_each(:rows)))
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
WHERE c.id >= :first AND c.id < :before AND (:everyone = 1 OR c.user_id IN (SELECT value->>0 FROM json_each(:rows)))
    AND (:sender = '' OR c.sender = :sender) AND (:target = '' OR c.target = :target) AND (:state = '' OR c.state = :state)
    AND (:direction = '' OR c.direction = :direction)
ORDER BY c.id DESC
LIMIT :room;

-- name: insert_optout!
INSERT OR IGNORE INTO tb_optout (number, sender, created) VALUES (:number, :sender, :created);

-- name: insert_stop!
INSERT OR IGNORE INTO tb_stops (number, user_id, sender, keyword, created)
VALUES (:number, :user_id, :sender, :keyword, :created);

-- name: insert_confirmation!
INSERT OR IGNORE INTO tb_confirmations (number, user_id, sender, text_id, until, due)
VALUES (:number, :user_id, :sender, :text_id, :due, :due);

-- name: scopes_of
SELECT j.number, 0, t.sender
FROM (SELECT value->>0 AS number FROM json_each(:rows)) AS j
CROSS JOIN tb_optout AS t ON t.number = j.number
UNION ALL
SELECT j.number, t.user_id, t.sender
FROM (SELECT value->>0 AS number FROM json_each(:rows)) AS j
CROSS JOIN tb_stops AS t ON t.number = j.number;

-- name: tell_conflict!
-- No row where there is one.
INSERT OR IGNORE INTO tb_conflicts (phone, told) SELECT value->>0, value->>1 FROM json_each(:rows);

-- name: warn!
-- No row where there is one.
INSERT OR IGNORE INTO tb_warned (message_id) SELECT value->>0 FROM json_each(:rows);

-- name: writers
-- Who wrote to these phones since an id, with the newest message of each. From user to user by the index, so that it takes
-- no longer for a phone that was written to a million times.
WITH RECURSIVE w AS (
    SELECT j.n, j.phone, j.since, (
        SELECT t.user_id FROM tb_messages AS t INDEXED BY ix_messages_target WHERE t.target = j.phone ORDER BY t.user_id LIMIT 1
    ) AS user_id
    FROM (SELECT value->>0 AS n, value->>1 AS phone, value->>2 AS since FROM json_each(:rows)) AS j
    UNION ALL
    SELECT w.n, w.phone, w.since, (
        SELECT t.user_id FROM tb_messages AS t INDEXED BY ix_messages_target WHERE t.target = w.phone AND t.user_id > w.user_id
        ORDER BY t.user_id LIMIT 1
    )
    FROM w
    WHERE w.user_id IS NOT NULL
)
SELECT w.n, m.user_id, m.id
FROM w
CROSS JOIN tb_messages AS m ON m.id = (
    SELECT t.id FROM tb_messages AS t INDEXED BY ix_messages_target WHERE t.target = w.phone AND t.user_id = w.user_id ORDER BY t.id DESC LIMIT 1
) AND m.id >= w.since AND m.direction = 'MT';

-- name: undelivered_apart
-- Messages that are not final and have a time of their own: a page above `after`.
SELECT o.message_id, o.due, o.valid
FROM tb_options AS o
CROSS JOIN tb_queue AS q ON q.id = o.message_id
WHERE o.message_id > :after AND (o.due > 0 OR o.valid > 0)
ORDER BY o.message_id
LIMIT 500;

-- name: message_states
SELECT m.id, m.state, m.reason, m.comment
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_messages AS m ON m.id = j.id;

-- name: insert_inbound!
INSERT INTO tb_inbound (
    id, node, stage, user_id, door, created, gateway_id, source, target, text, octets, udh, parts, complete, sent, provider_id,
    belongs
)
SELECT value->>0, value->>1, 0, 0, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
    value->>10, value->>11, value->>12, value->>13, ''
FROM json_each(:rows);

-- name: hold_inbound!
-- As what has been decided of it made it: it waits until its user can pay.
UPDATE tb_inbound SET stage = 1, node = 0, user_id = j.user_id, source = j.source, target = j.target, text = j.text,
    belongs = j.belongs
FROM (SELECT value->>0 AS id, value->>1 AS user_id, value->>2 AS source, value->>3 AS target, value->>4 AS text,
    value->>5 AS belongs FROM json_each(:rows)) AS j
WHERE tb_inbound.id = j.id;

-- name: delete_inbound!
DELETE FROM tb_inbound WHERE id IN (SELECT value->>0 FROM json_each(:rows));

-- name: find_inbound
-- Those of these that are this node's, or held.
SELECT json_group_array(json_array(t.id))
FROM (SELECT value->>0 AS id, value->>1 AS node FROM json_each(:rows)) AS j
CROSS JOIN tb_inbound AS t ON t.id = j.id AND (t.node = j.node OR t.stage = 1);

-- name: unowned_inbound
SELECT q.id, q.node
FROM (SELECT value->>0 AS node FROM json_each(:rows)) AS j
CROSS JOIN tb_inbound AS q INDEXED BY ix_inbound ON q.stage = 0 AND q.node = j.node
ORDER BY q.id
LIMIT 500;

-- name: claim_inbound!
-- node_was guards against another process that claimed the row first.
UPDATE tb_inbound SET node = j.node
FROM (SELECT value->>0 AS id, value->>1 AS node_was, value->>2 AS node FROM json_each(:rows)) AS j
WHERE tb_inbound.id = j.id AND tb_inbound.node = j.node_was;

-- name: load_inbound
SELECT q.id, q.door, q.created, q.gateway_id, q.source, q.target, q.text, q.octets, q.udh, q.parts, q.complete, q.sent,
    q.provider_id, q.belongs
FROM (SELECT value->>0 AS id FROM json_each(:rows)) AS j
CROSS JOIN tb_inbound AS q ON q.id = j.id AND q.node = :node AND q.stage = 0
ORDER BY q.id;

-- name: find_joining
SELECT json_group_array(json_array(t.join_key, t.closed, t.due, t.door, t.source, t.target, t.total, t.parts))
FROM (SELECT value->>0 AS join_key FROM json_each(:rows)) AS j
CROSS JOIN tb_joining AS t ON t.join_key = j.join_key;

-- name: insert_joining!
INSERT INTO tb_joining (join_key, closed, due, door, source, target, total, parts)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7 FROM json_each(:rows);

-- name: update_joining!
UPDATE tb_joining SET closed = j.closed, due = j.due, door = j.door, source = j.source, target = j.target, total = j.total,
    parts = j.parts
FROM (SELECT value->>0 AS join_key, value->>1 AS closed, value->>2 AS due, value->>3 AS door, value->>4 AS source,
    value->>5 AS target, value->>6 AS total, value->>7 AS parts FROM json_each(:rows)) AS j
WHERE tb_joining.join_key = j.join_key;

-- name: overdue_joining
-- Whose parts have not all come in time.
SELECT join_key, closed, due, door, source, target, total, parts
FROM tb_joining
WHERE closed = 0 AND due < :now
ORDER BY due
LIMIT 100;

-- name: beat_calls!
UPDATE tb_calls SET seen = j.seen, pair = j.pair
FROM (SELECT value->>0 AS id, value->>1 AS node, value->>2 AS seen, value->>3 AS pair FROM json_each(:rows)) AS j
WHERE tb_calls.id = j.id AND tb_calls.node = j.node;

-- name: insert_call_cdrs!
INSERT INTO tb_cdrs (id, msgid, type, direction, user_id, gateway_id, sender, target, start, duration, parts, price,
    cost, currency, state, reason, comment)
SELECT value->>0, value->>1, 'CALL', 'OUT', value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, 0,
    value->>8, value->>9, value->>10, value->>11, value->>12, value->>13
FROM json_each(:rows);

-- name: begin_command!
-- No row where there is one.
INSERT OR IGNORE INTO tb_commands (id, delivery, begun) SELECT value->>0, value->>1, value->>2 FROM json_each(:rows);

-- name: keep_salts!
-- Of what forget_ingress takes; their keys begin with the octets "salt".
INSERT OR IGNORE INTO tb_salts (ingress_key)
SELECT ingress_key FROM (SELECT ingress_key FROM tb_ingress WHERE id < :before ORDER BY id LIMIT 2000)
WHERE SUBSTR(ingress_key, 1, 8) = '73616c74';

-- name: find_salts
SELECT t.ingress_key
FROM (SELECT value->>0 AS ingress_key FROM json_each(:rows)) AS j
CROSS JOIN tb_salts AS t ON t.ingress_key = j.ingress_key;
