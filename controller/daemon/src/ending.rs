//! The order in which the daemon ends: motion first, then the requests under way, then the servo.
//! Each step has a deadline, so that neither a client nor a disk keeps the daemon, or the arm,
//! going.

use crate::Daemon;
use crate::arm::rests_since;
use jaco_servo::Command;
use std::sync::Arc;
use std::time::Duration;

/// Time in which the arm must be seen at rest.
const REST_TIME: Duration = Duration::from_secs(3);
/// Time that requests under way get, once the arm rests.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);
/// Time that reports get which are being written.
const REPORT_TIME: Duration = Duration::from_secs(20);

impl Daemon {
    /// Ends all motion: nobody may move the arm any more, and the arm holds. Returns when readings
    /// show it at rest, or when the deadline has passed.
    pub async fn end_motion(&self, why: &str) {
        let told_ns = self.clock.now_ns();
        self.desk.close(why);
        // Not left to the activity's holder, who may hang.
        if self.latch.stop().is_none() {
            self.arm.send(Command::Hold);
        }
        let rests = |view: &crate::arm::ArmView| match view.status {
            None => Some(false),
            Some(status) => rests_since(&status, told_ns).then_some(true),
        };
        match self.arm.until(REST_TIME, rests).await {
            Some(true) => tracing::info!("the arm rests"),
            Some(false) => tracing::warn!("no servo answers for the arm"),
            None => {
                let seconds = REST_TIME.as_secs();
                tracing::error!("the arm was not seen at rest within {seconds} s");
            }
        }
    }

    /// Returns when no activity holds the arm and no report or episode is being written, or when the
    /// deadline has passed.
    pub async fn until_reports_are_written(self: &Arc<Self>) {
        let daemon = Arc::clone(self);
        let written = async move {
            daemon.desk.until_free().await;
            tokio::task::spawn_blocking(move || daemon.reports.until_written()).await
        };
        if tokio::time::timeout(REPORT_TIME, written).await.is_err() {
            tracing::error!("a report or an episode is not written: it is given up");
        }
    }
}
