//! Whether an arm moves: asked of the daemon once before a training begins, then followed on a
//! thread of its own.
//!
//! Owns what the training may do beside it: nothing begins while it moves, and who waits goes on
//! when it rests or when nobody can tell any more. Must never ask the daemon to do anything.

use anyhow::Context;
use jaco_api::client::{Client, ClientError};
use jaco_api::{Activity, Event, Status};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A daemon that does not answer for so long does not move an arm for the training's sake.
const ANSWER: Duration = Duration::from_secs(3);
/// How often one that is not there is looked for.
const RETRY: Duration = Duration::from_secs(2);
/// How often one that moves the arm is asked whether it still does: it may hang.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How often who waits looks whether he is still to wait.
const LOOK: Duration = Duration::from_millis(100);

/// What is known of the arm. Clones share it.
#[derive(Clone, Debug)]
pub struct Arm(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    busy: Mutex<Activity>,
    news: Condvar,
}

impl Arm {
    /// Asks the daemon on `socket`, and follows it from then on. With it comes what is to be said
    /// where none answers.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: the arm moves.
    pub fn follow(socket: &Path) -> anyhow::Result<(Self, Option<String>)> {
        let client = Client::new(socket);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let unknown = match runtime.block_on(ask(&client)) {
            Ok(Activity::Nobody) => None,
            Ok(activity) => {
                let why = format!(
                    "the arm moves ({activity}): a training beside it could keep it waiting; begin \
                     when that has ended"
                );
                return Err(ClientError::Refused(why).into());
            }
            Err(error) => Some(format!("training is not paused for an arm that moves: {error}")),
        };
        let arm = Self(Arc::default());
        let told = arm.clone();
        Builder::new()
            .name("arm".to_owned())
            .spawn(move || runtime.block_on(keep_following(&client, |now| told.tell(now))))
            .context("cannot follow the daemon")?;
        Ok((arm, unknown))
    }

    fn tell(&self, now: Activity) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.0.news.notify_all();
    }

    /// Who moves it; none if nobody does, as far as is known.
    pub fn moved_by(&self) -> Option<Activity> {
        let now = *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        (now != Activity::Nobody).then_some(now)
    }

    /// Waits until nobody moves it, or `given_up` says so.
    pub fn wait(&self, given_up: impl Fn() -> bool) {
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy != Activity::Nobody && !given_up() {
            let waited = self.0.news.wait_timeout(busy, LOOK);
            busy = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

async fn ask(client: &Client) -> Result<Activity, ClientError> {
    match timeout(ANSWER, client.get::<Status>("/v1/status")).await {
        Ok(status) => Ok(status?.activity),
        Err(_) => Err(ClientError::Protocol(format!("none within {} s", ANSWER.as_secs()))),
    }
}

/// Tells of whatever daemon is there, for ever; nobody moves the arm of one that is gone.
async fn keep_following(client: &Client, tell: impl Fn(Activity)) {
    loop {
        let _ = follow(client, &tell).await;
        tell(Activity::Nobody);
        sleep(RETRY).await;
    }
}

/// Tells of a daemon until it is gone or answers no more.
async fn follow(client: &Client, tell: &impl Fn(Activity)) -> Result<(), ClientError> {
    let mut events = client.get_lines("/v1/events").await?;
    // After listening began, so that nothing falls between.
    let mut now = ask(client).await?;
    loop {
        tell(now);
        now = match timeout(ASK_AGAIN, events.next::<Event>()).await {
            Ok(event) => match event? {
                None => return Ok(()),
                Some(Event::Activity { now, .. }) => now,
                Some(Event::Missed { .. }) => ask(client).await?,
                Some(_) => continue,
            },
            Err(_) if now == Activity::Nobody => continue,
            Err(_) => ask(client).await?,
        };
    }
}
