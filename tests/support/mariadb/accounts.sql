-- What every private MariaDB runs at its start (one statement a line), before it takes connections. Not for replicas to follow.
SET sql_log_bin = 0;
ALTER USER root@localhost IDENTIFIED BY 'swordfish-4711';
ALTER USER root@'127.0.0.1' IDENTIFIED BY 'swordfish-4711';
