-- held: client:3
-- Each client is a case: 1 is served still; 2 has no end of one of its two contracts; 3 ended everything three years ago; 4 as well, but
-- the law kept something until last year; 5 ended a year ago and asks for deletion; 6 did so two months ago, and the floor stands;
-- 7 ended a year ago and asks for nothing; 8 asks, but has an obligation left.
INSERT INTO clients (id, email, service_ended_at, erasure_requested_at) VALUES
    (1, 'ann@example.com', NULL, NULL),
    (2, 'bea@example.com', '@{-1100 days}', NULL),
    (3, 'cem@example.com', '@{-1100 days}', NULL),
    (4, 'dov@example.com', '@{-1100 days}', NULL),
    (5, 'eve@example.com', '@{-400 days}', '@{-20 days}'),
    (6, 'fay@example.com', '@{-60 days}', '@{-20 days}'),
    (7, 'gil@example.com', '@{-400 days}', NULL),
    (8, 'hal@example.com', '@{-400 days}', '@{-20 days}');

INSERT INTO contracts (id, client_id, obligations_ended_on) VALUES
    (10, 1, '@{-1100 days|date}'),
    (11, 2, '@{-1100 days|date}'),
    (12, 2, NULL),
    (13, 3, '@{-1200 days|date}'),
    (14, 3, '@{-1050 days|date}'),
    (15, 4, '@{-1100 days|date}'),
    (16, 5, '@{-400 days|date}'),
    (17, 6, '@{-60 days|date}'),
    (18, 7, '@{-400 days|date}'),
    (19, 8, NULL);

INSERT INTO legal_retentions (id, client_id, law, expires_on) VALUES
    (20, 3, 'accounting', '@{-1000 days|date}'),
    (21, 4, 'accounting', '@{-300 days|date}'),
    (22, 5, 'accounting', '@{-350 days|date}');

INSERT INTO tickets (id, client_id, title) VALUES
    (30, 1, 'printer'),
    (31, 3, 'password'),
    (32, 5, 'invoice'),
    (33, 7, 'network');

INSERT INTO ticket_messages (id, ticket_id, body) VALUES
    (40, 30, 'it is on fire'),
    (41, 31, 'forgotten'),
    (42, 31, 'found'),
    (43, 32, 'too high'),
    (44, 33, 'too slow');

INSERT INTO access_logs (id, client_id, ip, user_agent, event, at) VALUES
    (50, 1, '203.0.113.77', 'browser', 'sign-in', '@{-5 days}'),
    (51, 1, '203.0.113.78', 'browser', 'sign-in', '@{-40 days}'),
    (52, NULL, '2001:db8:1:2::3', 'scanner', 'scan', '@{-40 days}'),
    (53, 2, '203.0.113.79', 'browser', 'sign-in', '@{-200 days}');

INSERT INTO usage_metadata (id, client_id, calls, at_ms) VALUES
    (60, 1, 17, @{-10 days|unix_ms}),
    (61, 1, 19, @{-100 days|unix_ms});
