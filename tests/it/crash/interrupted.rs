//! SIGTERM: a sweep ends after the batch under way, and says so.

use rustix::process::Signal;

use super::ground::{Ground, NOW, Place, deleting, outcomes};

#[test]
fn a_sweep_that_is_told_to_stop_ends_between_two_batches() {
    for place in Place::ALL {
        let ground = Ground::new(place);
        ground.place(NOW).expect(0);
        // Stopped, so that the signal is there when it goes on, whatever the scheduler does.
        let sweep = ground.sweep_stopped_at("commit.after", 1);
        sweep.signal(Signal::TERM);
        sweep.resume();
        let run = sweep.finish().expect(3);

        assert!(run.stderr.contains("ending after the batch under way"), "{}", run.stderr);
        let swept = deleting(&run);
        assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("interrupted", Some("shutdown")));
        assert!(swept.acted > 0, "the batch under way was ended: {swept:?}");
        assert!(outcomes(&run).iter().all(|swept| swept.outcome == "interrupted"), "{run:#?}");
        ground.judge_ledger();
        ground.settle_and_judge(true);
    }
}
