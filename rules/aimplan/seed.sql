-- held: email:ida@example.com
-- Each customer is a case: 1 signs in; 2 was never in contact, and everything ended three years ago; of 3 the last contact, of 4 the end of
-- the contract was last year; the contract of 5 is running; 6 never signed in.
INSERT INTO customers (id, email, last_sign_in_at, last_contact_at) VALUES
    (1, 'ann@example.com', '@{-3 days}', '@{-900 days}'),
    (2, 'bea@example.com', '@{-1100 days}', NULL),
    (3, 'cem@example.com', '@{-1100 days}', '@{-300 days}'),
    (4, 'dov@example.com', '@{-1100 days}', '@{-1100 days}'),
    (5, 'eve@example.com', '@{-1100 days}', '@{-1100 days}'),
    (6, 'fay@example.com', NULL, '@{-1100 days}');

INSERT INTO contracts (id, customer_id, ended_on) VALUES
    (10, 1, '@{-1000 days|date}'),
    (11, 2, '@{-1000 days|date}'),
    (12, 3, '@{-1000 days|date}'),
    (13, 4, '@{-300 days|date}'),
    (14, 5, NULL),
    (15, 6, '@{-1000 days|date}');

INSERT INTO orders (id, customer_id, cents, placed_on) VALUES
    (20, 1, 4900, '@{-100 days|date}'),
    (21, 2, 4900, '@{-1600 days|date}'),
    (22, 9, 9900, '@{-1700 days|date}');

-- alfa has asked for six months, bravo for ever, charlie for nothing, and delta for more than there may be.
INSERT INTO tenants (id, plan_months) VALUES
    ('alfa', 6),
    ('bravo', 0),
    ('charlie', NULL),
    ('delta', 600);

INSERT INTO plans (id, tenant_id, title, edited_at) VALUES
    (30, 'alfa', 'spring', '@{-100 days}'),
    (31, 'alfa', 'autumn', '@{-200 days}'),
    (32, 'bravo', 'city', '@{-5000 days}'),
    (33, 'charlie', 'bridge', '@{-1000 days}'),
    (34, 'charlie', 'tunnel', '@{-1200 days}'),
    (35, 'delta', 'harbour', '@{-3000 days}'),
    (36, 'delta', 'airport', '@{-4000 days}');

INSERT INTO activity (id, tenant_id, user_email, ip, what, at) VALUES
    (40, 'alfa', 'gil@example.com', '203.0.113.77', 'opened', '@{-10 days}'),
    (41, 'alfa', 'gil@example.com', '203.0.113.77', 'opened', '@{-100 days}'),
    (42, 'alfa', 'Gil@Example.com', '203.0.113.78', 'shared', '@{-200 days}'),
    (43, 'bravo', 'hal@example.com', NULL, 'opened', '@{-200 days}');

-- 50 is there; 51 left long ago, 52 last month; 53 is found to be under 16, and so is 54, who left last month.
INSERT INTO users (id, tenant_id, email, left_at, known_under_16_at) VALUES
    (50, 'alfa', 'gil@example.com', NULL, NULL),
    (51, 'alfa', 'ida@example.com', '@{-400 days}', NULL),
    (52, 'alfa', 'jon@example.com', '@{-30 days}', NULL),
    (53, 'bravo', 'kim@example.com', NULL, '@{-1 days}'),
    (54, 'bravo', 'lou@example.com', '@{-30 days}', '@{-1 days}');

INSERT INTO applications (id, name, email, decided_on) VALUES
    (60, 'Mia', 'mia@example.com', NULL),
    (61, 'Ned', 'ned@example.com', '@{-100 days|date}'),
    (62, 'Ola', 'ola@example.com', '@{-200 days|date}');

INSERT INTO professional_contacts (id, email, company, last_contact_at) VALUES
    (70, 'pia@supplier.example', 'Supplier', '@{-100 days}'),
    (71, 'quy@partner.example', 'Partner', '@{-800 days}');

INSERT INTO contact_forms (id, email, message, submitted_at) VALUES
    (80, 'ron@example.com', 'How much is it?', '@{-100 days}'),
    (81, 'sue@example.com', 'Is it any good?', '@{-400 days}');
