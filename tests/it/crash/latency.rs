//! A distant server: every answer comes 200 ms late.

use std::time::Duration;

use super::ground::{Ground, NOW, outcomes};
use crate::support::{
    host::Host,
    product::Kind,
    proxy::{Proxy, Target},
};

/// Added to each way.
const ONE_WAY: Duration = Duration::from_millis(100);

#[test]
fn a_distant_server_is_swept_within_its_limits() {
    std::thread::scope(|scope| {
        for kind in Kind::SERVERS {
            scope.spawn(move || {
                let proxy = Proxy::start(Target::Unix(Host::shared(kind).socket()));
                let ground = Ground::on(Host::shared(kind), Some(proxy.port()));
                ground.reconfigure("max_batch_rows = 20", "max_batch_rows = 50");
                proxy.set_latency(ONE_WAY);
                ground.place(NOW).expect(0);
                let run = ground.sweep().expect(0);
                assert!(outcomes(&run).iter().all(|swept| swept.outcome == "complete"), "{kind:?}: {run:#?}");
                proxy.set_latency(Duration::ZERO);
                // No limit of time was met on the way, and batches did not shrink to nothing.
                assert!(!run.stderr.contains("met a limit"), "{kind:?}: {}", run.stderr);
                let batches = ground.entries("batch_applied").len();
                assert!(batches <= 12, "{kind:?}: {batches} batches");
                ground.judge(true);
            });
        }
    });
}
