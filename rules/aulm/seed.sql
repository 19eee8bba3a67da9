-- held: account:5
-- 1 is open, 2 was closed half a year ago, 3 and 4 long ago; 4 has an invoice that has to stay. 5 is the one that goes to court.
INSERT INTO accounts (id, email, name, phone, closed_at) VALUES
    (1, 'ann@one.example', 'Ann', '+46 70 123 45 01', NULL),
    (2, 'bea@two.example', 'Bea', '+46 70 123 45 02', '@{-180 days}'),
    (3, 'cem@three.example', 'Cem', '+46 70 123 45 03', '@{-1200 days}'),
    (4, 'dov@four.example', 'Dov', '+46 70 123 45 04', '@{-1200 days}'),
    (5, 'eve@five.example', 'Eve', '+46 70 123 45 05', '@{-1200 days}');

INSERT INTO message_logs (id, account_id, recipient, status, payload_preview, sent_at) VALUES
    (10, 1, '+46701110010', 'delivered', 'Your code is 418 203.', @{-10 days|unix_ms}),
    (11, 1, '+46701110011', 'delivered', 'Table for two is confirmed.', @{-40 days|unix_ms}),
    (12, 1, '+46701110012', 'failed', 'Invoice 2207 is overdue.', @{-100 days|unix_ms}),
    (13, 1, '+46701110013', 'delivered', 'Happy birthday!', @{-800 days|unix_ms}),
    (14, 5, '+46701110014', 'delivered', 'Your parcel arrives today.', @{-800 days|unix_ms});

INSERT INTO api_keys (id, account_id, key_hash, revoked_at) VALUES
    (20, 1, 'hash-20', 0), (21, 1, 'hash-21', @{-30 days|unix_ms}), (22, 1, 'hash-22', @{-120 days|unix_ms});

INSERT INTO sessions (id, account_id, ip, expires_at) VALUES
    (30, 1, '203.0.113.30', @{1 days|unix_ms}), (31, 1, '203.0.113.31', @{-20 days|unix_ms}), (32, 1, '203.0.113.32', @{-40 days|unix_ms});

INSERT INTO webhook_deliveries (id, account_id, url, delivered_at) VALUES
    (40, 1, 'https://one.example/hook', @{-1 days|unix_ms}), (41, 1, 'https://one.example/hook', @{-31 days|unix_ms});

-- 50 is open, 51 was closed last year, 52 and 53 long ago; 53 is of the one who goes to court.
INSERT INTO tickets (id, account_id, subject, closed_at) VALUES
    (50, 1, 'No messages since noon', NULL), (51, 1, 'Change of plan', '@{-300 days}'), (52, 1, 'Wrong number', '@{-800 days}'),
    (53, 5, 'Refund', '@{-800 days}');
INSERT INTO ticket_messages (id, ticket_id, author_id, body) VALUES
    (60, 50, 1, 'Help'), (61, 51, 1, 'Please'), (62, 52, 1, 'It was mine'), (63, 52, 9, 'We are sorry'), (64, 53, 5, 'I want it back');
INSERT INTO feedback (id, ticket_id, stars) VALUES (70, 51, 4), (71, 52, 2), (72, 53, 1);

-- 80 is more than seven years old at the end of its year, 81 and 82 are not.
INSERT INTO invoices (id, account_id, cents, issued_on) VALUES
    (80, 3, 4900, '@{-3300 days|date}'), (81, 4, 9900, '@{-1300 days|date}'), (82, 1, 4900, '@{-30 days|date}');
