-- held: account:5
-- 1 is open, 2 was closed last year, 3, 4 and 5 long ago; 5 goes to court. 6 is under 16, which became known yesterday, and 7 may be.
INSERT INTO accounts (id, name, email, closed_at, minor_known_at) VALUES
    (1, 'Ann', 'ann@one.example', NULL, NULL), (2, 'Bea', 'bea@two.example', '@{-400 days}', NULL),
    (3, 'Cem', 'cem@three.example', '@{-1200 days}', NULL), (4, 'Dov', 'dov@four.example', '@{-1200 days}', NULL),
    (5, 'Eve', 'eve@five.example', '@{-1200 days}', NULL), (6, 'Fay', 'fay@six.example', NULL, '@{-1 days}'),
    (7, 'Gil', 'gil@seven.example', NULL, '@{1 days}');

-- 13 has lasted for more than seven years, and so has 15, which is of the one who goes to court. 12 is of an account that goes before it.
INSERT INTO conversations (id, account_id, contact_email, body, last_message_at) VALUES
    (10, 1, 'x@lead.example', 'Hello', '@{-10 days}'), (12, 3, 'y@lead.example', 'An offer', '@{-1300 days}'),
    (13, 1, 'z@lead.example', 'Long ago', '@{-2700 days}'), (15, 5, 'w@lead.example', 'Long ago', '@{-2700 days}'),
    (16, 6, 'fay@six.example', 'I am twelve', '@{-3 days}');

-- Workspace 1 keeps leads for 60 days, 2 for as long as nobody says otherwise, 3 wants one day and gets thirty, 4 keeps them for ever, and 5
-- has no settings. 27 is of the account under 16: it stays for its workspace, and names nobody.
INSERT INTO crm_settings (workspace_id, lead_days) VALUES (1, 60), (2, NULL), (3, 1), (4, 0);
INSERT INTO leads (id, workspace_id, account_id, name, email, created_at) VALUES
    (20, 1, 1, 'L20', 'l20@lead.example', '@{-50 days}'), (21, 1, 1, 'L21', 'l21@lead.example', '@{-70 days}'),
    (22, 2, 2, 'L22', 'l22@lead.example', '@{-300 days}'), (23, 2, 2, 'L23', 'l23@lead.example', '@{-400 days}'),
    (24, 3, 3, 'L24', 'l24@lead.example', '@{-10 days}'), (25, 3, 3, 'L25', 'l25@lead.example', '@{-40 days}'),
    (26, 4, 4, 'L26', 'l26@lead.example', '@{-3000 days}'), (27, 5, 6, 'L27', 'l27@lead.example', '@{-5 days}');

INSERT INTO usage_logs (id, account_id, event, at) VALUES
    (30, 1, 'search', '@{-1 days}'), (31, 1, 'export', '@{-700 days}'), (32, 1, 'login', '@{-800 days}'), (33, 5, 'login', '@{-800 days}');
