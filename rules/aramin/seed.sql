-- held: customer:2
-- Each row is a case. 1 is open; 2 was closed last year; 3 and 4 were closed long ago, and 4 has books that have to stay.
-- 5, closed long ago as well, has content that is kept for ever, and 6 a contract that ended two years ago.
INSERT INTO customers (id, email, closed_at, content_days) VALUES
    (1, 'ann@one.example', NULL, NULL),
    (2, 'bea@two.example', '@{-400 days}', 90),
    (3, 'cem@three.example', '@{-1200 days}', NULL),
    (4, 'dov@four.example', '@{-1200 days}', NULL),
    (5, 'eve@five.example', '@{-1200 days}', 0),
    (6, 'fay@six.example', '@{-1200 days}', NULL);

-- The books of 3 are older than eight years, those of 4 are not seven years old.
INSERT INTO billing_records (id, customer_id, cents, issued_on) VALUES
    (10, 1, 4900, '@{-30 days|date}'),
    (11, 1, 4900, '@{-3300 days|date}'),
    (12, 3, 4900, '@{-3300 days|date}'),
    (13, 4, 9900, '@{-2000 days|date}');

INSERT INTO contracts (id, customer_id, delete_content_on, ended_on) VALUES
    (20, 1, '@{-10 days|date}', NULL),
    (21, 2, '@{100 days|date}', NULL),
    (22, 3, NULL, '@{-1900 days|date}'),
    (23, 6, NULL, '@{-700 days|date}');

-- 30 ends by contract, 31 by the setting of 90 days, 32 is within it, 33 was asked for, 34 is old and nothing ends it, 35 was asked for
-- though it would be kept for ever, 36 is as old as content without any setting may become.
INSERT INTO content (id, customer_id, body, written_at, deletion_requested_on) VALUES
    (30, 1, 'minutes', '@{-100 days}', NULL),
    (31, 2, 'offer', '@{-100 days}', NULL),
    (32, 2, 'draft', '@{-50 days}', NULL),
    (33, 2, 'photo', '@{-50 days}', '@{-2 days|date}'),
    (34, 5, 'archive', '@{-3000 days}', NULL),
    (35, 5, 'letter', '@{-3000 days}', '@{-2 days|date}'),
    (36, 3, 'notes', '@{-1150 days}', NULL);

INSERT INTO security_logs (id, customer_id, ip, event, at) VALUES
    (40, 1, '203.0.113.77', 'sign-in', '@{-5 days}'),
    (41, 1, '203.0.113.78', 'sign-in', '@{-70 days}'),
    (42, NULL, '2001:db8:1:2::3', 'scan', '@{-70 days}'),
    (43, 2, '203.0.113.79', 'sign-in', '@{-400 days}');

-- 50 is subscribed; 51 left last week but one, 52 yesterday; 53 objected by letter; 54 left, and is on the list by another spelling.
INSERT INTO subscribers (id, email, unsubscribed_at, objected_at) VALUES
    (50, 'gil@example.com', NULL, NULL),
    (51, 'hal@example.com', '@{-15 days}', NULL),
    (52, 'ida@example.com', '@{-1 days}', NULL),
    (53, 'jon@example.com', NULL, '@{-20 days}'),
    (54, 'Hal@Example.com', '@{-2 days}', '@{-30 days}');

INSERT INTO suppressions (email_hash, origin, since) VALUES
    ('00000000000000000000000000000000000000000000000000000000000000aa', 'unsubscribed', '@{-4000 days}');

-- Of nordwind 60 is past its thirty days and 61 within; of stadtwerk 62 is within its ten years and 63 past them; the others go by
-- the general two years, and whose 66 is nobody knows.
INSERT INTO processed_records (id, tenant_id, person_email, received_at) VALUES
    (60, 'nordwind', 'kai@nordwind.example', '@{-40 days}'),
    (61, 'nordwind', 'lea@nordwind.example', '@{-20 days}'),
    (62, 'stadtwerk', 'max@stadtwerk.example', '@{-1000 days}'),
    (63, 'stadtwerk', 'ned@stadtwerk.example', '@{-4000 days}'),
    (64, 'ostbahn', 'ola@ostbahn.example', '@{-1000 days}'),
    (65, 'ostbahn', 'pia@ostbahn.example', '@{-40 days}'),
    (66, NULL, 'quy@example.com', '@{-1000 days}');

INSERT INTO usage_records (id, customer_id, user_email, ip, device, feature, country, milliseconds, at) VALUES
    (70, 1, 'ann@one.example', '203.0.113.77', 'a1b2', 'search', 'SE', 120, '@{-10 days}'),
    (71, 1, 'ann@one.example', '203.0.113.77', 'a1b2', 'export', 'SE', 900, '@{-500 days}'),
    (72, 2, 'bea@two.example', '2001:db8:1:2::3', NULL, 'search', 'DE', 130, '@{-500 days}');
