-- Statements that read the same on both engines. Batches, which do not, are in queries.<engine>.sql.

-- name: setting
SELECT value FROM tb_settings WHERE name = :name;

-- name: delete_setting!
DELETE FROM tb_settings WHERE name = :name;

-- name: insert_setting!
INSERT INTO tb_settings (name, value) VALUES (:name, :value);

-- name: bump_revision!
-- Tells every process that accounts, numbers or opt-outs have changed.
UPDATE tb_settings SET value = CAST(value + 1 AS CHAR) WHERE name = 'revision';

-- name: nodes
SELECT node, holder, lease, mark FROM tb_nodes ORDER BY node;

-- name: insert_node!
INSERT INTO tb_nodes (node, holder, lease, mark) VALUES (:node, :holder, :lease, :mark);

-- name: take_node!
UPDATE tb_nodes SET holder = :holder, lease = :lease WHERE node = :node AND holder = :held_by AND lease = :lease_was;

-- name: disown!
-- What the process that had this node number before us left behind.
UPDATE tb_queue SET node = 0 WHERE stage IN (0, 1, 4) AND node = :node;

-- name: owned
SELECT id FROM tb_queue WHERE stage IN (0, 1, 4) AND node = :node;

-- name: renew_lease!
-- Fences: no row changes where another process has taken this node over. mark proves afterwards what was committed.
UPDATE tb_nodes SET lease = :lease, mark = :mark WHERE node = :node AND holder = :holder;

-- name: release_node!
UPDATE tb_nodes SET lease = 0 WHERE node = :node AND holder = :holder;

-- name: node_lease
SELECT lease FROM tb_nodes WHERE node = :node AND holder = :holder;

-- name: orphans
SELECT id, gateway_id, provider_id, state, error, comment, sender, target
FROM tb_receipts
WHERE id > :after
ORDER BY id
LIMIT 500;

-- name: users
SELECT id, username, type, ha1_md5, ha1_sha256, enabled, balance, credit_limit, currency FROM tb_users ORDER BY id;

-- name: user_numbers
SELECT number, user_id FROM tb_numbers ORDER BY number;

-- name: opted_out
SELECT number, 0 AS user_id, sender FROM tb_optout UNION ALL SELECT number, user_id, sender FROM tb_stops;

-- name: user_by_name
SELECT id, balance, currency, type FROM tb_users WHERE username = :username;

-- name: insert_user!
INSERT INTO tb_users (
    id, username, type, password, ha1_md5, ha1_sha256, balance, credit_limit, currency, created
) VALUES (
    :id, :username, :type, :password, :ha1_md5, :ha1_sha256, 0, :credit_limit, :currency, :created
);

-- name: insert_number!
INSERT INTO tb_numbers (number, user_id) VALUES (:number, :user_id);

-- name: number_owner
SELECT user_id FROM tb_numbers WHERE number = :number;

-- name: credit_user!
UPDATE tb_users SET balance = balance + :amount WHERE id = :id;

-- name: insert_movement!
INSERT INTO tb_ledger (id, user_id, msgid, kind, amount, created, comment)
VALUES (:id, :user_id, NULL, :kind, :amount, :created, :comment);

-- name: list_users
SELECT u.id, u.username, u.type, u.enabled, u.balance, u.credit_limit, u.currency, u.created
FROM tb_users AS u
WHERE u.type <> 'smsgw'
ORDER BY u.id;

-- name: message
SELECT id, created, state, reason, comment, sender, target, parts, price, currency, gateway_id, text
FROM tb_messages
WHERE id = :id;

-- name: cdrs
-- Oldest first, a page at a time: `after` is the last id of the page before. The last column: its ledger rows.
SELECT c.id, c.msgid, c.type, c.direction, u.username, c.sender, c.target, g.username, c.start, c.duration, c.parts, c.price, c.cost,
    c.currency, c.state, c.reason, c.comment, (SELECT GROUP_CONCAT(l.id) FROM tb_ledger AS l WHERE l.msgid = c.msgid)
FROM tb_cdrs AS c
LEFT JOIN tb_users AS u ON u.id = c.user_id
LEFT JOIN tb_users AS g ON g.id = c.gateway_id
WHERE c.id > :after AND c.id < :before AND c.start >= :start AND c.start < :stop
    AND (:user_id = 0 OR c.user_id = :user_id) AND (:gateway_id = 0 OR c.gateway_id = :gateway_id)
    AND (:type = '' OR c.type = :type)
ORDER BY c.id
LIMIT 1000;

-- name: wrong_balances
SELECT u.username, u.balance, COALESCE(SUM(l.amount), 0)
FROM tb_users AS u
LEFT JOIN tb_ledger AS l ON l.user_id = u.id
GROUP BY u.id, u.username, u.balance
HAVING u.balance <> COALESCE(SUM(l.amount), 0);

-- name: wrong_charges
-- Messages that are no longer waiting for a provider, and pairs of calls that are over: what the ledger took from each who
-- pays for one is what its CDR says (of calls, those of all legs), or the charge of a reseller, of which there is one. The
-- last column: the reseller, '' for the message's own user.
SELECT x.msgid, x.charged, x.billed, x.papers, CASE WHEN x.charges > 0 THEN u.username ELSE '' END
FROM (
    SELECT y.msgid, y.user_id, SUM(y.charged) AS charged, SUM(y.billed) AS billed, SUM(y.papers) AS papers,
        SUM(y.legs) AS legs, SUM(y.charges) AS charges
    FROM (
        SELECT l.msgid, l.user_id, -SUM(l.amount) AS charged, 0 AS billed, 0 AS papers, 0 AS legs, 0 AS charges
        FROM tb_ledger AS l
        WHERE l.msgid IS NOT NULL
        GROUP BY l.msgid, l.user_id
        UNION ALL
        SELECT c.msgid, c.user_id, 0, SUM(c.price), COUNT(*), SUM(CASE WHEN c.type = 'CALL' THEN 1 ELSE 0 END), 0
        FROM tb_cdrs AS c
        GROUP BY c.msgid, c.user_id
        UNION ALL
        SELECT h.message_id, h.user_id, 0, h.price * (1 - h.refunded), 1, 0, 1 FROM tb_charges AS h
    ) AS y
    GROUP BY y.msgid, y.user_id
) AS x
LEFT JOIN tb_queue AS q ON q.id = x.msgid AND q.stage IN (0, 1, 4)
LEFT JOIN tb_calls AS p ON p.id = x.msgid
LEFT JOIN tb_users AS u ON u.id = x.user_id
WHERE q.id IS NULL AND p.id IS NULL
    AND (x.charged <> x.billed OR x.papers = 0 OR (x.papers <> 1 AND x.papers <> x.legs));

-- name: wrong_calls
-- Legs that were not answered, and cost something all the same; pairs under way that have CDRs already.
SELECT c.msgid, c.id FROM tb_cdrs AS c WHERE c.type = 'CALL' AND c.duration = 0 AND (c.price <> 0 OR c.cost <> 0)
UNION ALL
SELECT p.id, c.id FROM tb_calls AS p JOIN tb_cdrs AS c ON c.msgid = p.id;

-- name: uneven_charges
-- Messages of which one has the money back and another has not: the user, by the CDR, and a reseller.
SELECT h.message_id, u.username, h.refunded
FROM tb_charges AS h
JOIN tb_messages AS m ON m.id = h.message_id AND m.price > 0
JOIN (SELECT DISTINCT msgid, price FROM tb_cdrs) AS c ON c.msgid = h.message_id
LEFT JOIN tb_users AS u ON u.id = h.user_id
WHERE (c.price = 0) <> (h.refunded = 1);

-- name: missing_cdrs
-- tb_cdrs has no index on msgid: a derived table gets one, where each message would read all CDRs.
SELECT m.id
FROM tb_messages AS m
LEFT JOIN (SELECT DISTINCT msgid FROM tb_cdrs) AS c ON c.msgid = m.id
LEFT JOIN tb_queue AS q ON q.id = m.id
WHERE c.msgid IS NULL AND q.id IS NULL;

-- name: unsettled
-- Parts without a receipt, of messages whose time for one is over: a page of them.
SELECT p.part, COALESCE(s.provider_id, p.provider_id),
    m.id, m.created, m.door, m.user_id, m.gateway_id, m.sender, m.target, m.text, m.coding, m.parts, m.duration, m.price,
    m.cost, m.currency, m.client_ip, m.message_class, o.octets, o.udh, o.due, o.valid
FROM tb_queue AS q
JOIN tb_messages AS m ON m.id = q.id
JOIN tb_parts AS p ON p.message_id = q.id AND p.attempt = q.attempt AND p.state = '' AND p.provider_id <> ''
LEFT JOIN tb_spellings AS s ON s.message_id = p.message_id AND s.part = p.part AND s.attempt = p.attempt
LEFT JOIN tb_options AS o ON o.message_id = q.id
WHERE q.node = 0 AND q.stage = 2 AND q.due < :before AND (q.id > :after OR (q.id = :after AND p.part > :part))
ORDER BY q.id, p.part
LIMIT 100;

-- name: routes
SELECT id, prefix, pattern, country, kind, user_id, user_group, sender, timetable, priority, weight, gateway_id, ceiling
FROM tb_routes
WHERE type = 'SMS'
ORDER BY id;

-- name: call_routes
SELECT id, prefix, pattern, country, kind, user_id, user_group, sender, timetable, priority, weight, gateway_id, ceiling
FROM tb_routes
WHERE type = 'CALL'
ORDER BY id;

-- name: listed_routes
SELECT r.id, r.prefix, r.pattern, r.country, r.kind, u.username, r.user_group, r.sender, r.timetable, r.priority, r.weight,
    g.username, r.ceiling, r.type
FROM tb_routes AS r
LEFT JOIN tb_users AS u ON u.id = r.user_id
LEFT JOIN tb_users AS g ON g.id = r.gateway_id
WHERE :type = '' OR r.type = :type
ORDER BY r.type DESC, r.prefix, r.priority, r.id;

-- name: insert_route!
INSERT INTO tb_routes (
    id, type, prefix, pattern, country, kind, user_id, user_group, sender, timetable, priority, weight, gateway_id, ceiling
) VALUES (
    :id, :type, :prefix, :pattern, :country, :kind, :user_id, :user_group, :sender, :timetable, :priority, :weight,
    :gateway_id, :ceiling
);

-- name: delete_route!
DELETE FROM tb_routes WHERE id = :id;

-- name: cdr_span
SELECT MIN(id), MAX(id) FROM tb_cdrs;

-- name: usernames
SELECT id, username FROM tb_users;

-- name: figures
SELECT '', '', 0, c.currency, c.state, COUNT(*), SUM(c.parts), SUM(c.duration), SUM(c.price), SUM(c.cost)
FROM tb_cdrs AS c
WHERE c.id >= :first AND c.id < :before AND (:user_id = 0 OR c.user_id = :user_id)
    AND (:gateway_id = 0 OR c.gateway_id = :gateway_id) AND (:type = '' OR c.type = :type)
GROUP BY c.currency, c.state;

-- name: figures_by_user
SELECT c.user_id, '', 0, c.currency, c.state, COUNT(*), SUM(c.parts), SUM(c.duration), SUM(c.price), SUM(c.cost)
FROM tb_cdrs AS c
WHERE c.id >= :first AND c.id < :before AND (:user_id = 0 OR c.user_id = :user_id)
    AND (:gateway_id = 0 OR c.gateway_id = :gateway_id) AND (:type = '' OR c.type = :type)
GROUP BY c.user_id, c.currency, c.state;

-- name: figures_by_gateway
SELECT c.gateway_id, '', 0, c.currency, c.state, COUNT(*), SUM(c.parts), SUM(c.duration), SUM(c.price), SUM(c.cost)
FROM tb_cdrs AS c
WHERE c.id >= :first AND c.id < :before AND (:user_id = 0 OR c.user_id = :user_id)
    AND (:gateway_id = 0 OR c.gateway_id = :gateway_id) AND (:type = '' OR c.type = :type)
GROUP BY c.gateway_id, c.currency, c.state;

-- name: figures_by_reason
SELECT c.reason, '', 0, c.currency, c.state, COUNT(*), SUM(c.parts), SUM(c.duration), SUM(c.price), SUM(c.cost)
FROM tb_cdrs AS c
WHERE c.id >= :first AND c.id < :before AND (:user_id = 0 OR c.user_id = :user_id)
    AND (:gateway_id = 0 OR c.gateway_id = :gateway_id) AND (:type = '' OR c.type = :type)
GROUP BY c.reason, c.currency, c.state;

-- name: figures_by_prefix
SELECT SUBSTR(c.target, 1, :digits), MIN(c.target), 0, c.currency, c.state, COUNT(*), SUM(c.parts), SUM(c.duration), SUM(c.price), SUM(c.cost)
FROM tb_cdrs AS c
WHERE c.id >= :first AND c.id < :before AND (:user_id = 0 OR c.user_id = :user_id)
    AND (:gateway_id = 0 OR c.gateway_id = :gateway_id) AND (:type = '' OR c.type = :type)
GROUP BY SUBSTR(c.target, 1, :digits), c.currency, c.state;

-- name: figures_by_prefix_and_gateway
-- For a page that shows both: one pass.
SELECT SUBSTR(c.target, 1, :digits), MIN(c.target), c.gateway_id, c.currency, c.state, COUNT(*), SUM(c.parts), SUM(c.duration), SUM(c.price), SUM(c.cost)
FROM tb_cdrs AS c
WHERE c.id >= :first AND c.id < :before AND (:user_id = 0 OR c.user_id = :user_id)
    AND (:gateway_id = 0 OR c.gateway_id = :gateway_id) AND (:type = '' OR c.type = :type)
GROUP BY SUBSTR(c.target, 1, :digits), c.gateway_id, c.currency, c.state;

-- name: text_page
-- Messages in the order of their ids, and whether each is not final yet.
SELECT m.id, q.id IS NOT NULL
FROM tb_messages AS m
LEFT JOIN tb_queue AS q ON q.id = m.id
WHERE m.id > :after AND m.id < :before
ORDER BY m.id
LIMIT 500;

-- name: final_messages
SELECT m.id
FROM tb_messages AS m
LEFT JOIN tb_queue AS q ON q.id = m.id
WHERE m.id < :before AND q.id IS NULL
ORDER BY m.id
LIMIT 500;

-- name: final_parts
-- Messages whose receipts may still change their CDR, though they are final.
SELECT DISTINCT p.message_id
FROM tb_parts AS p
LEFT JOIN tb_queue AS q ON q.id = p.message_id
WHERE p.message_id >= :first AND p.message_id < :before AND q.id IS NULL
ORDER BY p.message_id
LIMIT 500;

-- name: archivable
-- CDRs that nothing can change any more: their messages are final and have no parts that a receipt could name.
SELECT c.id, c.msgid, c.type, c.direction, c.user_id, c.gateway_id, c.sender, c.target, c.start, c.duration, c.parts, c.price,
    c.cost, c.currency, c.state, c.reason, c.comment
FROM tb_cdrs AS c
LEFT JOIN tb_queue AS q ON q.id = c.msgid
WHERE c.id > :after AND c.id < :before AND q.id IS NULL
    AND NOT EXISTS (SELECT 1 FROM tb_parts AS p WHERE p.message_id = c.msgid)
ORDER BY c.id
LIMIT 500;

-- name: count_cdrs
-- All of them, and those whose message is not final yet.
SELECT COUNT(*), COUNT(q.id)
FROM tb_cdrs AS c
LEFT JOIN tb_queue AS q ON q.id = c.msgid
WHERE c.id >= :first AND c.id < :before;

-- name: add_to_movement!
UPDATE tb_ledger SET amount = amount + :amount WHERE id = :id;

-- name: bump_prices!
-- Tells every process that prices have changed; which, tb_packets says.
UPDATE tb_settings SET value = CAST(value + 1 AS CHAR) WHERE name = 'prices';

-- name: packets
SELECT packet, service, revision FROM tb_packets ORDER BY packet, service;

-- name: bump_packet!
UPDATE tb_packets SET revision = revision + 1 WHERE packet = :packet AND service = :service;

-- name: insert_packet!
INSERT INTO tb_packets (packet, service, revision) VALUES (:packet, :service, 1);

-- name: delete_prefix!
DELETE FROM tb_prices WHERE packet = :packet AND service = :service AND prefix = :prefix;

-- name: user_options
-- The packet is the user's own, else that of the user's group.
SELECT o.user_id, o.user_group, CASE WHEN o.packet <> '' THEN o.packet ELSE COALESCE(g.packet, '') END
FROM tb_user_options AS o
LEFT JOIN tb_groups AS g ON g.name = o.user_group;

-- name: options_of
SELECT user_group, packet FROM tb_user_options WHERE user_id = :user_id;

-- name: update_user_options!
UPDATE tb_user_options SET user_group = :user_group, packet = :packet WHERE user_id = :user_id;

-- name: insert_user_options!
INSERT INTO tb_user_options (user_id, user_group, packet) VALUES (:user_id, :user_group, :packet);

-- name: groups
SELECT g.name, g.packet, COUNT(o.user_id)
FROM tb_groups AS g
LEFT JOIN tb_user_options AS o ON o.user_group = g.name
GROUP BY g.name, g.packet
ORDER BY g.name;

-- name: group_by_name
SELECT packet FROM tb_groups WHERE name = :name;

-- name: update_group!
UPDATE tb_groups SET packet = :packet WHERE name = :name;

-- name: insert_group!
INSERT INTO tb_groups (name, packet) VALUES (:name, :packet);

-- name: rules
SELECT name, enabled, conditions, actions FROM tb_rules ORDER BY place;

-- name: delete_rules!
DELETE FROM tb_rules;

-- name: insert_rule!
INSERT INTO tb_rules (place, name, enabled, conditions, actions)
VALUES (:place, :name, :enabled, :conditions, :actions);

-- name: enable_rule!
UPDATE tb_rules SET enabled = :enabled WHERE name = :name;

-- name: adverts
SELECT id, text, weight, valid_from, valid_to, user_groups FROM tb_advertisement ORDER BY id;

-- name: insert_advert!
INSERT INTO tb_advertisement (id, text, weight, valid_from, valid_to, user_groups)
VALUES (:id, :text, :weight, :valid_from, :valid_to, :user_groups);

-- name: delete_advert!
DELETE FROM tb_advertisement WHERE id = :id;

-- name: terms
SELECT user_id, reseller_id, expires, monthly, gateway_id FROM tb_terms;

-- name: terms_of
SELECT reseller_id, expires, monthly, gateway_id FROM tb_terms WHERE user_id = :user_id;

-- name: listed_terms
SELECT t.user_id, r.username, t.expires, t.monthly, t.month, t.sent, t.previous, t.last_sent, g.username
FROM tb_terms AS t
LEFT JOIN tb_users AS r ON r.id = t.reseller_id
LEFT JOIN tb_users AS g ON g.id = t.gateway_id;

-- name: insert_terms!
INSERT INTO tb_terms (user_id, reseller_id, expires, monthly, gateway_id)
VALUES (:user_id, :reseller_id, :expires, :monthly, :gateway_id);

-- name: update_terms!
UPDATE tb_terms SET reseller_id = :reseller_id, expires = :expires, monthly = :monthly, gateway_id = :gateway_id
WHERE user_id = :user_id;

-- name: set_counters!
UPDATE tb_terms SET month = :month, sent = :sent, previous = :previous WHERE user_id = :user_id;

-- name: enable_user!
UPDATE tb_users SET enabled = :enabled WHERE id = :id;

-- name: set_credit_limit!
UPDATE tb_users SET credit_limit = :credit_limit WHERE id = :id;

-- name: quality
SELECT span, gateway_id, prefix, delivered, failed, timed, millis
FROM tb_quality
WHERE span >= :first AND span <= :last
ORDER BY span
LIMIT 200000;

-- name: forget_quality!
DELETE FROM tb_quality WHERE span < :first OR span > :last;

-- name: delete_routes!
DELETE FROM tb_routes WHERE type = :type;

-- name: gateway_orders
SELECT gateway_id, paused FROM tb_gateways;

-- name: update_gateway!
UPDATE tb_gateways SET paused = :paused WHERE gateway_id = :gateway_id;

-- name: gateway_order
SELECT paused FROM tb_gateways WHERE gateway_id = :gateway_id;

-- name: insert_gateway!
INSERT INTO tb_gateways (gateway_id, paused) VALUES (:gateway_id, :paused);

-- name: gateway_days
SELECT gateway_id, node, sent FROM tb_gateway_days WHERE day = :day;

-- name: delete_gateway_day!
DELETE FROM tb_gateway_days WHERE gateway_id = :gateway_id AND day = :day AND node = :node;

-- name: insert_gateway_day!
INSERT INTO tb_gateway_days (gateway_id, day, node, sent) VALUES (:gateway_id, :day, :node, :sent);

-- name: forget_gateway_days!
DELETE FROM tb_gateway_days WHERE day < :day;

-- name: delete_gateway_states!
DELETE FROM tb_gateway_states WHERE node = :node;

-- name: insert_gateway_state!
INSERT INTO tb_gateway_states (gateway_id, node, state, reason, since)
VALUES (:gateway_id, :node, :state, :reason, :since);

-- name: gateway_states
-- Of processes that are alive.
SELECT s.gateway_id, s.node, s.state, s.reason, s.since
FROM tb_gateway_states AS s
JOIN tb_nodes AS n ON n.node = s.node AND n.lease >= :now
ORDER BY s.gateway_id, s.node;

-- name: gateway_queues
-- Messages that no provider has taken, by gateway and stage.
SELECT m.gateway_id, q.stage, COUNT(*)
FROM tb_queue AS q
JOIN tb_messages AS m ON m.id = q.id
WHERE q.stage IN (0, 1, 4)
GROUP BY m.gateway_id, q.stage;

-- name: reach
SELECT user_id, route, chat, mail, hook, hook_format, hook_retry, hook_secret, log, receipts, notify, low FROM tb_reach;

-- name: reach_of
SELECT user_id, route, chat, mail, hook, hook_format, hook_retry, hook_secret, log, receipts, notify, low
FROM tb_reach
WHERE user_id = :user_id;

-- name: delete_reach!
DELETE FROM tb_reach WHERE user_id = :user_id;

-- name: insert_reach!
INSERT INTO tb_reach (
    user_id, route, chat, mail, hook, hook_format, hook_retry, hook_secret, log, receipts, notify, low
)
VALUES (
    :user_id, :route, :chat, :mail, :hook, :hook_format, :hook_retry, :hook_secret, :log, :receipts, :notify, :low
);

-- name: api_keys
SELECT u.id, u.password, a.secret, a.bearer
FROM tb_users AS u
LEFT JOIN tb_api AS a ON a.user_id = u.id
WHERE u.type <> 'smsgw' AND (u.password <> '' OR a.user_id IS NOT NULL);

-- name: update_secret!
UPDATE tb_api SET secret = :secret WHERE user_id = :user_id;

-- name: update_bearer!
UPDATE tb_api SET bearer = :bearer WHERE user_id = :user_id;

-- name: delete_api_keys!
DELETE FROM tb_api WHERE user_id = :user_id;

-- name: insert_api_keys!
INSERT INTO tb_api (user_id, secret, bearer) VALUES (:user_id, :secret, :bearer);

-- name: outbox_lines
-- What waits in the table, and until when.
SELECT user_id, channel, source, MAX(due)
FROM tb_outbox
WHERE stage = 0 AND node = 0
GROUP BY user_id, channel, source
LIMIT 20000;

-- name: outbox_owned
SELECT id FROM tb_outbox WHERE stage = 0 AND node = :node AND created < :before ORDER BY id LIMIT 50000;

-- name: story_message
SELECT m.id, m.created, m.direction, m.door, m.user_id, u.username, m.gateway_id, g.username, m.sender, m.target, m.text, m.coding,
    m.parts, m.duration, m.price, m.cost, m.currency, m.client_ip, m.message_class, m.state, m.reason, m.comment, m.changed,
    o.octets, o.udh, o.due, o.valid, q.stage, q.attempt, q.due, q.node
FROM tb_messages AS m
LEFT JOIN tb_users AS u ON u.id = m.user_id
LEFT JOIN tb_users AS g ON g.id = m.gateway_id
LEFT JOIN tb_options AS o ON o.message_id = m.id
LEFT JOIN tb_queue AS q ON q.id = m.id
WHERE m.id = :id;

-- name: story_parts
SELECT p.part, p.total, p.attempt, COALESCE(g.username, ''), COALESCE(s.provider_id, p.provider_id), p.state
FROM tb_parts AS p
LEFT JOIN tb_users AS g ON g.id = p.gateway_id
LEFT JOIN tb_spellings AS s ON s.message_id = p.message_id AND s.part = p.part AND s.attempt = p.attempt
WHERE p.message_id = :id
ORDER BY p.attempt, p.part;

-- name: story_movements
SELECT l.user_id, u.username, l.kind, l.amount, l.created, l.comment, u.currency
FROM tb_ledger AS l
LEFT JOIN tb_users AS u ON u.id = l.user_id
WHERE l.msgid = :id
ORDER BY l.id;

-- name: story_cdr
SELECT c.id, c.msgid, c.type, c.direction, u.username, c.sender, c.target, g.username, c.start, c.duration, c.parts, c.price, c.cost,
    c.currency, c.state, c.reason, c.comment
FROM tb_cdrs AS c
LEFT JOIN tb_users AS u ON u.id = c.user_id
LEFT JOIN tb_users AS g ON g.id = c.gateway_id
WHERE c.id = :id;

-- name: story_events
SELECT kind, detail, at FROM tb_events WHERE message_id = :id ORDER BY at;

-- name: message_window
-- How far down a page looks, whether it finds anything or not.
SELECT MIN(w.id), COUNT(*)
FROM (SELECT id FROM tb_messages WHERE id >= :first AND id < :before ORDER BY id DESC LIMIT 20000) AS w;

-- name: cdr_window
SELECT MIN(w.id), COUNT(*)
FROM (SELECT id FROM tb_cdrs WHERE id >= :first AND id < :before ORDER BY id DESC LIMIT 20000) AS w;

-- name: ask_to_cancel!
INSERT INTO tb_cancels (message_id, user_id, created) VALUES (:id, :user_id, :created);

-- name: cancels
-- Those that this process can see to, and those of which nothing is left to be cancelled.
SELECT c.message_id, c.user_id, q.stage
FROM tb_cancels AS c
LEFT JOIN tb_queue AS q ON q.id = c.message_id
WHERE q.id IS NULL OR q.node = :node OR q.stage IN (2, 3);

-- name: asked_to_cancel
SELECT created FROM tb_cancels WHERE message_id = :id;

-- name: end_cancel!
DELETE FROM tb_cancels WHERE message_id = :id;

-- name: retake_request!
-- From a process that has not answered it in time.
UPDATE tb_requests SET holder = :holder, id = :id WHERE request_key = :request_key AND holder = :held_by AND status = 0;

-- name: virtual_numbers
-- Plain numbers, tagged ranges (digits > 0) and keywords.
SELECT n.number, 0 AS digits, '' AS keyword, n.user_id, COALESCE(o.callback, 0) AS callback
FROM tb_numbers AS n
LEFT JOIN tb_number_options AS o ON o.number = n.number
UNION ALL
SELECT r.base, r.digits, '', r.user_id, r.callback FROM tb_ranges AS r
UNION ALL
SELECT k.number, 0, k.keyword, k.user_id, k.callback FROM tb_keywords AS k
ORDER BY 1, 2, 3;

-- name: range_at
SELECT r.digits, r.user_id, u.username
FROM tb_ranges AS r
JOIN tb_users AS u ON u.id = r.user_id
WHERE r.base = :base;

-- name: ranges_between
SELECT r.base, r.digits, r.user_id, u.username
FROM tb_ranges AS r
JOIN tb_users AS u ON u.id = r.user_id
WHERE r.base >= :first AND r.base < :before;

-- name: numbers_between
SELECT n.number, n.user_id, u.username
FROM tb_numbers AS n
JOIN tb_users AS u ON u.id = n.user_id
WHERE n.number >= :first AND n.number < :before;

-- name: keywords_between
SELECT k.number, k.keyword, k.user_id, u.username
FROM tb_keywords AS k
JOIN tb_users AS u ON u.id = k.user_id
WHERE k.number >= :first AND k.number < :before;

-- name: insert_range!
INSERT INTO tb_ranges (base, digits, user_id, callback) VALUES (:base, :digits, :user_id, :callback);

-- name: insert_keyword!
INSERT INTO tb_keywords (number, keyword, user_id, callback) VALUES (:number, :keyword, :user_id, :callback);

-- name: insert_number_option!
INSERT INTO tb_number_options (number, callback) VALUES (:number, :callback);

-- name: delete_number!
DELETE FROM tb_numbers WHERE number = :number;

-- name: delete_number_option!
DELETE FROM tb_number_options WHERE number = :number;

-- name: delete_range!
DELETE FROM tb_ranges WHERE base = :base AND digits = :digits;

-- name: delete_keyword!
DELETE FROM tb_keywords WHERE number = :number AND keyword = :keyword;

-- name: tell_conflict_again!
-- Where it was told before that.
UPDATE tb_conflicts SET told = :now WHERE phone = :phone AND told < :since;

-- name: forget_conflicts!
DELETE FROM tb_conflicts WHERE told < :before;

-- name: undelivered
-- Messages older than an id that are not final, and of which no warning was given: a page above `after`. Those with a
-- time of their own are in undelivered_apart.
SELECT q.id
FROM tb_queue AS q
LEFT JOIN tb_options AS o ON o.message_id = q.id
LEFT JOIN tb_warned AS w ON w.message_id = q.id
WHERE q.id > :after AND q.id < :before AND w.message_id IS NULL AND COALESCE(o.due, 0) = 0 AND COALESCE(o.valid, 0) = 0
ORDER BY q.id
LIMIT 500;

-- name: delete_warned!
DELETE FROM tb_warned WHERE message_id = :message_id;

-- name: warned
-- A page above `after`, and whether each is final.
SELECT w.message_id, q.id IS NULL
FROM (SELECT message_id FROM tb_warned WHERE message_id > :after ORDER BY message_id LIMIT 500) AS w
LEFT JOIN tb_queue AS q ON q.id = w.message_id
ORDER BY w.message_id;

-- name: optouts_of
SELECT sender FROM tb_optout WHERE number = :number;

-- name: stops_of
SELECT user_id, sender, keyword FROM tb_stops WHERE number = :number;

-- name: delete_optout!
DELETE FROM tb_optout WHERE number = :number AND sender = :sender;

-- name: delete_stop!
DELETE FROM tb_stops WHERE number = :number AND user_id = :user_id AND sender = :sender AND keyword = :keyword;

-- name: insert_stop_change!
INSERT INTO tb_stop_changes (id, number) VALUES (:id, :number);

-- name: stop_changes
SELECT DISTINCT number FROM tb_stop_changes WHERE id > :after;

-- name: forget_stop_changes!
DELETE FROM tb_stop_changes WHERE id < :before;

-- name: confirmations
SELECT number, user_id, sender, until FROM tb_confirmations WHERE until > :now;

-- name: due_confirmations
SELECT number, user_id, sender, text_id, due, attempt, message_id, claimed
FROM tb_confirmations
WHERE due <= :now
ORDER BY due
LIMIT 100;

-- name: claim_confirmation!
-- For one process at a time.
UPDATE tb_confirmations SET due = :later
WHERE number = :number AND user_id = :user_id AND sender = :sender AND text_id = :text_id AND due = :due;

-- name: retry_confirmation!
UPDATE tb_confirmations SET due = :due, attempt = attempt + 1
WHERE number = :number AND user_id = :user_id AND sender = :sender AND text_id = :text_id;

-- name: confirm_stop!
-- For one message, unless it came to nothing: what isn't there after a while was never accepted.
UPDATE tb_confirmations SET message_id = :message_id, claimed = :now
WHERE number = :number AND user_id = :user_id AND sender = :sender AND until > :now AND (
    message_id = 0
    OR (claimed < :before AND NOT EXISTS (SELECT 1 FROM tb_messages AS m WHERE m.id = tb_confirmations.message_id))
);

-- name: message_exists
SELECT 1 FROM tb_messages WHERE id = :id;

-- name: delete_confirmation!
DELETE FROM tb_confirmations
WHERE number = :number AND user_id = :user_id AND sender = :sender AND text_id = :text_id;

-- name: lift_confirmations!
DELETE FROM tb_confirmations WHERE number = :number AND sender = :sender AND (user_id = :user_id OR :user_id = 0);

-- name: optouts
SELECT o.number, o.sender, '' AS username, '' AS keyword, o.created
FROM tb_optout AS o
WHERE :number IN ('', o.number)
UNION ALL
SELECT s.number, s.sender, u.username, s.keyword, s.created
FROM tb_stops AS s
JOIN tb_users AS u ON u.id = s.user_id
WHERE :number IN ('', s.number)
ORDER BY number, sender, username, keyword;

-- name: lock_codes!
-- One process at a time counts and adds.
UPDATE tb_settings SET value = value WHERE name = 'revision';

-- name: codes_since
SELECT COALESCE(SUM(CASE WHEN number = :number THEN 1 ELSE 0 END), 0),
    COALESCE(SUM(CASE WHEN address = :address THEN 1 ELSE 0 END), 0)
FROM tb_codes
WHERE created > :since AND (number = :number OR address = :address);

-- name: insert_code!
INSERT INTO tb_codes (id, number, address, hash, created, expires)
VALUES (:id, :number, :address, :hash, :created, :expires);

-- name: newest_code
SELECT id FROM tb_codes WHERE number = :number ORDER BY created DESC, id DESC LIMIT 1;

-- name: try_code!
-- Counted before it is compared, so that nobody has more tries by asking several processes at once.
UPDATE tb_codes SET tries = tries + 1 WHERE id = :id AND used = 0 AND expires > :now AND tries < :most;

-- name: code_hash
SELECT hash, number FROM tb_codes WHERE id = :id;

-- name: void_codes!
-- A new code makes those before it void.
UPDATE tb_codes SET expires = :now WHERE number = :number AND expires > :now AND created <= :now AND used = 0;

-- name: use_code!
UPDATE tb_codes SET used = :now WHERE id = :id AND used = 0;

-- name: forget_codes!
DELETE FROM tb_codes WHERE created < :before;

-- name: forget_joining!
DELETE FROM tb_joining WHERE closed = 1 AND due < :now;

-- name: held_users
SELECT DISTINCT user_id FROM tb_inbound WHERE stage = 1;

-- name: strays_inbound
-- Work of this node from before then.
SELECT id, node FROM tb_inbound WHERE stage = 0 AND node = :node AND id < :before ORDER BY id LIMIT 500;

-- name: load_held
-- Oldest first.
SELECT id, door, created, gateway_id, source, target, text, octets, udh, parts, complete, sent, provider_id, belongs
FROM tb_inbound
WHERE stage = 1 AND user_id = :user_id
ORDER BY id
LIMIT 500;

-- name: held_before
-- Oldest first. What is held is no node's.
SELECT id, door, created, gateway_id, source, target, text, octets, udh, parts, complete, sent, provider_id, belongs
FROM tb_inbound
WHERE stage = 1 AND node = 0 AND id < :before
ORDER BY id
LIMIT 500;

-- name: texts_of_codes
-- Messages of codes from before then, but for those that may still be sent.
SELECT i.message_id
FROM tb_codes AS c
JOIN tb_ingress AS i ON i.ingress_key = c.id
LEFT JOIN tb_queue AS q ON q.id = i.message_id AND q.stage IN (0, 1)
WHERE c.created < :before AND i.message_id IS NOT NULL AND q.id IS NULL;

-- name: told_low
SELECT user_id FROM tb_low;

-- name: insert_told!
INSERT INTO tb_low (user_id, told) VALUES (:user_id, :now);

-- name: forget_told!
DELETE FROM tb_low WHERE user_id = :user_id;

-- name: list_outbox
-- A page. stage -1: whatever it is; user_id 0: of everybody.
SELECT o.id, o.message_id, u.username, o.channel, o.subject, o.source, o.target, o.created, o.due, o.expires, o.attempt,
    o.stage, o.error
FROM tb_outbox AS o
LEFT JOIN tb_users AS u ON u.id = o.user_id
WHERE o.id > :after AND (:stage = -1 OR o.stage = :stage) AND (:user_id = 0 OR o.user_id = :user_id)
ORDER BY o.id
LIMIT 500;

-- name: replay_outbox!
-- A page of what was given up before, into what anybody tries now. id 0: whichever; user_id 0: of everybody. The inner
-- table is for MySQL, which has no LIMIT in an IN.
UPDATE tb_outbox
SET stage = 0, node = 0, attempt = 0, due = :now, error = '',
    expires = :now + CASE channel WHEN 'chat' THEN :hold ELSE :lasts END
WHERE id IN (
    SELECT id FROM (
        SELECT id FROM tb_outbox
        WHERE stage = 1 AND node = 0 AND due <= :now AND (:id = 0 OR id = :id) AND (:user_id = 0 OR user_id = :user_id)
        ORDER BY due
        LIMIT 500
    ) AS page
);

-- name: story_outbox
-- What is still to be given to somebody.
SELECT subject, channel, attempt, due, error, created FROM tb_outbox WHERE message_id = :id AND stage = 0 ORDER BY id;

-- name: insert_call!
INSERT INTO tb_calls (id, node, seen, pair) VALUES (:id, :node, :seen, :pair);

-- name: update_call!
-- None where another process has closed it.
UPDATE tb_calls SET seen = :seen, pair = :pair WHERE id = :id AND node = :node;

-- name: delete_call!
-- Whoever deletes it writes its CDRs.
DELETE FROM tb_calls WHERE id = :id AND node = :node;

-- name: calls
SELECT node, seen, pair FROM tb_calls ORDER BY id;

-- name: taken_for
-- What the ledger has taken for a message or a pair of calls, by user.
SELECT user_id, -SUM(amount) FROM tb_ledger WHERE msgid = :id GROUP BY user_id;

-- name: insert_voucher!
INSERT INTO tb_vouchers (id, hash, tail, amount, currency, valid_from, valid_to, made)
VALUES (:id, :hash, :tail, :amount, :currency, :valid_from, :valid_to, :made);

-- name: voucher_by_hash
SELECT id, amount FROM tb_vouchers WHERE hash = :hash;

-- name: redeem_voucher!
-- Whoever changes the row has the amount.
UPDATE tb_vouchers SET redeemed_at = :now, redeemed_by = :user_id
WHERE hash = :hash AND redeemed_at = 0 AND valid_from <= :now AND (valid_to = 0 OR valid_to > :now)
    AND currency = (SELECT u.currency FROM tb_users AS u WHERE u.id = :user_id AND u.type <> 'smsgw');

-- name: vouchers
-- A page.
SELECT v.id, v.tail, v.amount, v.currency, v.valid_from, v.valid_to, v.made, v.redeemed_at, u.username
FROM tb_vouchers AS v
LEFT JOIN tb_users AS u ON u.id = v.redeemed_by
WHERE v.id > :after AND (:hash = '' OR v.hash = :hash)
ORDER BY v.id
LIMIT 1000;

-- name: delete_voucher!
-- What was redeemed stays, as the ledger names it.
DELETE FROM tb_vouchers WHERE id = :id AND redeemed_at = 0;

-- name: pincode_owner
SELECT user_id FROM tb_pincodes WHERE hash = :hash;

-- name: delete_pincode!
DELETE FROM tb_pincodes WHERE user_id = :user_id;

-- name: insert_pincode!
INSERT INTO tb_pincodes (user_id, hash) VALUES (:user_id, :hash);

-- name: claims_of
SELECT COUNT(*) FROM tb_claims WHERE user_id = :user_id AND created > :since AND number <> :number;

-- name: delete_claim!
DELETE FROM tb_claims WHERE number = :number;

-- name: insert_claim!
INSERT INTO tb_claims (number, user_id, hash, created, expires) VALUES (:number, :user_id, :hash, :created, :expires);

-- name: try_claim!
-- Counted before it is compared, so that nobody has more tries by asking several processes at once.
UPDATE tb_claims SET tries = tries + 1 WHERE number = :number AND expires > :now AND tries < :most;

-- name: claim
SELECT user_id, hash, expires FROM tb_claims WHERE number = :number;

-- name: forget_claims!
DELETE FROM tb_claims WHERE created < :before;

-- name: command
SELECT delivery, outcome FROM tb_commands WHERE id = :id;

-- name: finish_command!
UPDATE tb_commands SET outcome = :outcome WHERE id = :id;

-- name: forget_commands!
DELETE FROM tb_commands WHERE begun < :before;
