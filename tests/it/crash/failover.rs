//! The server dies and a replica takes over that lacks the last batches, or a hold: nothing acts there before a person has
//! said so, and then every hold is in force and every row that came back goes again.

use super::ground::{Ground, NOW, SWEEP, deleting, outcomes};
use crate::support::{
    binary::start,
    daemon::Daemon,
    host::Host,
    product::{Data, Kind},
    proxy::{Proxy, Target},
    until,
};

/// A source on a server with a replica. The program reaches whichever of them `front` leads to; the replica follows
/// through `link`.
struct Pair {
    ground: Ground,
    primary: Host,
    replica: Host,
    front: Proxy,
    link: Proxy,
}

impl Pair {
    fn new(kind: Kind) -> Self {
        let primary = Host::followed(kind);
        let front = Proxy::start(Target::Unix(primary.socket()));
        let link = Proxy::start(Target::Unix(primary.socket()));
        let ground = Ground::on(primary, Some(front.port())).with_lock_timeout("10s");
        ground.reconfigure("naive_timestamps", "replicas = \"none\"\nnaive_timestamps");
        let replica = primary.replica(Some(link.port()));
        let pair = Self { ground, primary, replica, front, link };
        pair.wait_for_the_replica();
        pair
    }

    /// The batches that the lane of the rule that deletes has seen, by a server; none: it is not there.
    fn seq(data: &Data) -> Option<String> {
        let lanes = data.own_table("lane");
        let cast = if data.kind() == Kind::Postgres { "lane = 'm/messages'" } else { "lane = CAST('m/messages' AS BINARY)" };
        data.column(&format!("SELECT CAST(seq AS text) FROM {lanes} WHERE {cast}")).pop()
    }

    /// Until the replica has what the primary has.
    fn wait_for_the_replica(&self) {
        let gate = self.ground.data.own_table("gate");
        if let Host::Mariadb(server) = self.replica {
            // It begins with nothing, and what is made last is the gate.
            let (workspace, _) = gate.split_once('.').expect("a name with its database");
            let tables =
                format!("SELECT count(*) FROM information_schema.tables WHERE table_schema = '{workspace}' AND table_name = 'gate'");
            until("the replica has the workspace", || (server.number(&tables) == 1).then_some(()));
            until("the replica has the gate", || (server.number(&format!("SELECT count(*) FROM {gate}")) == 1).then_some(()));
        }
        let replica = self.replica.replicated(&self.ground.data);
        until("the replica has the last batch", || (Self::seq(&replica) == Self::seq(&self.ground.data)).then_some(()));
    }

    /// The primary is gone for good, and the replica serves.
    fn fail_over(&mut self) {
        self.primary.kill();
        self.replica.promote();
        self.front.lead_to(Target::Unix(self.replica.socket()));
        self.ground.data = self.replica.replicated(&self.ground.data);
    }

    /// Nothing acts, the words say how to go on, and the metrics say that nothing acts.
    #[track_caller]
    fn is_guarded(&self, reason: &str) {
        for arguments in [SWEEP, ["sweep", "--approve", "--output=json"]] {
            let run = self.ground.run(arguments).expect(3);
            let swept = deleting(&run);
            assert_eq!((swept.outcome.as_str(), swept.reason.as_deref(), swept.acted), ("guarded", Some(reason), 0), "{swept:?}");
            assert!(swept.message.contains("a replica"), "{swept:?}");
            assert!(swept.message.contains("`retentiond state adopt --source app"), "{swept:?}");
        }
        self.ground.reconfigure("first_sweep", "schedule = \"* * * * * *\"\nfirst_sweep");
        self.ground.reconfigure("[defaults]", "[http]\nlisten = \"127.0.0.1:0\"\n[defaults]");
        let daemon = Daemon::started(start(self.ground.command(NOW, ["run", "--log-format", "json"]).env_remove("RETENTIOND_TEST_NOW")));
        let labels = [&format!("reason=\"{reason}\"") as &str, "rule=\"m/messages\""];
        daemon.sees("rule_blocked", &labels, |blocked| blocked == 1.0);
        daemon.sees("rule_enforcing", &["rule=\"m/messages\""], |enforcing| enforcing == 0.0);
        daemon.stop().expect(0);
        self.ground.reconfigure("schedule = \"* * * * * *\"\n", "");
    }

    fn adopt(&self) {
        self.ground.run(["state", "adopt", "--source", "app", "--reason", "failover", "--by", "A. Engineer"]).expect(0);
    }
}

/// MariaDB has an identity of each server; a PostgreSQL that was copied has that of the other.
fn reason(kind: Kind) -> &'static str {
    kind.pick("", "restored", "foreign_state")
}

#[test]
fn a_replica_that_lacks_batches_and_a_hold_is_guarded_until_it_is_adopted() {
    for kind in Kind::SERVERS {
        let mut pair = Pair::new(kind);
        let sweep = pair.ground.sweep_stopped_at("commit.after", 1);
        pair.wait_for_the_replica();
        pair.link.refuse();
        sweep.resume();
        assert!(outcomes(&sweep.finish().expect(0)).iter().all(|swept| swept.outcome == "complete"));
        pair.ground.place(NOW).expect(0);

        pair.fail_over();
        pair.is_guarded(reason(kind));
        pair.adopt();
        pair.ground.sweep().expect(0);
        pair.ground.judge_rows_that_came_back(20);
    }
}

#[test]
fn a_commit_under_way_when_the_server_fails_over_is_not_taken_for_done() {
    for kind in Kind::SERVERS {
        let mut pair = Pair::new(kind);
        pair.ground.place(NOW).expect(0);
        until("the replica has the hold", || {
            let replica = pair.replica.replicated(&pair.ground.data);
            let epoch = replica.number(&format!("SELECT epoch FROM {}", replica.own_table("gate")));
            (epoch == pair.ground.epoch()).then_some(())
        });
        pair.link.refuse();
        let sweep = pair.ground.sweep_stopped_at("commit.before", 3);
        pair.fail_over();
        sweep.resume();
        let run = sweep.finish().expect(3);
        let swept = deleting(&run);
        assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("guarded", Some("restored")), "{kind:?}: {swept:?}");
        assert!(swept.message.contains("a replica") && swept.message.contains("state adopt"), "{kind:?}: {swept:?}");
        pair.is_guarded(reason(kind));
        pair.adopt();
        pair.ground.sweep().expect(0);
        pair.ground.judge_rows_that_came_back(0);
    }
}
