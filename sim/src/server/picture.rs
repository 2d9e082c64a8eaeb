//! The thread that draws the cameras, from snapshots of the world.
//!
//! A picture that its client is not ready for is dropped: a slow client loses frames and delays
//! nobody.

use super::cycle::{Moment, Request};
use super::faults::FaultBoard;
use crate::{Renderer, SimError, World};
use jaco_core::{Clock, Frame};
use jaco_sim_link::camera::CameraRequest;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel};
use std::time::Duration;

/// Niceness of the thread: the world's ticks come first.
const NICENESS: i32 = 5;

/// Something asked of the thread.
pub(super) enum Order {
    /// Frames from now on, or the reason why there are none.
    Subscribe(CameraRequest, SyncSender<Result<Frame, String>>),
    /// The end.
    Stop,
}

/// Camera, width and height.
type View = (String, u32, u32);

struct Subscription {
    view: View,
    period_ns: u64,
    due_ns: u64,
    frames: SyncSender<Result<Frame, String>>,
}

impl Subscription {
    /// Hands over a frame or a reason; false when the client has gone or must go.
    fn deliver(&self, frame: Result<Frame, String>) -> bool {
        let refused = frame.is_err();
        match self.frames.try_send(frame) {
            Ok(()) | Err(TrySendError::Full(_)) => !refused,
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// All cameras.
pub(super) struct Studio {
    world: World,
    requests: Sender<Request>,
    faults: Arc<FaultBoard>,
    clock: Arc<dyn Clock>,
    renderers: HashMap<View, Renderer>,
    /// Why a view could not be drawn last; its client asks again and again.
    failed: HashMap<View, String>,
    subscriptions: Vec<Subscription>,
}

impl Studio {
    /// `world` is only the scene; the states come from `requests`.
    pub fn new(
        world: World,
        requests: Sender<Request>,
        faults: Arc<FaultBoard>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (renderers, failed) = (HashMap::new(), HashMap::new());
        let subscriptions = Vec::new();
        Self { world, requests, faults, clock, renderers, failed, subscriptions }
    }

    /// Runs until [`Order::Stop`], or until the world's thread has gone.
    pub fn run(mut self, orders: &Receiver<Order>) {
        // SAFETY: changes this thread's own niceness only; failing is harmless.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
        loop {
            let order = match self.subscriptions.iter().map(|s| s.due_ns).min() {
                Some(due_ns) => {
                    let wait_ns = due_ns.saturating_sub(self.clock.now_ns());
                    orders.recv_timeout(Duration::from_nanos(wait_ns))
                }
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Subscribe(request, frames)) => self.subscribe(request, frames),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let Some(moment) = self.moment() else { return };
                    self.shoot(&moment);
                }
            }
        }
    }

    fn subscribe(&mut self, request: CameraRequest, frames: SyncSender<Result<Frame, String>>) {
        self.subscriptions.push(Subscription {
            view: (request.camera, request.width, request.height),
            period_ns: (1e9 / request.rate_hz) as u64,
            due_ns: self.clock.now_ns(),
            frames,
        });
    }

    fn moment(&self) -> Option<Moment> {
        let (reply, answer) = channel();
        self.requests.send(Request::Picture(reply)).ok()?;
        answer.recv().ok()
    }

    /// Draws what is due, each view once.
    fn shoot(&mut self, moment: &Moment) {
        let now_ns = self.clock.now_ns();
        let frozen = self.faults.current().freeze_camera;
        let mut drawn: HashMap<View, Result<Frame, String>> = HashMap::new();
        let mut subscriptions = std::mem::take(&mut self.subscriptions);
        subscriptions.retain_mut(|subscription| {
            if subscription.due_ns > now_ns {
                return true;
            }
            subscription.due_ns = (subscription.due_ns + subscription.period_ns).max(now_ns);
            if frozen {
                return true;
            }
            let frame = drawn
                .entry(subscription.view.clone())
                .or_insert_with_key(|view| self.draw(view, moment));
            subscription.deliver(frame.clone())
        });
        self.renderers.retain(|view, _| subscriptions.iter().any(|s| s.view == *view));
        self.subscriptions = subscriptions;
    }

    fn draw(&mut self, view: &View, moment: &Moment) -> Result<Frame, String> {
        match self.try_draw(view, moment) {
            Ok(frame) => {
                self.failed.remove(view);
                Ok(Frame { captured_ns: moment.stamp_ns, ..frame })
            }
            Err(error) => {
                let reason = error.to_string();
                let before = self.failed.insert(view.clone(), reason.clone());
                if before.as_ref() != Some(&reason) {
                    tracing::error!(camera = view.0, "{reason}");
                }
                Err(reason)
            }
        }
    }

    fn try_draw(&mut self, view: &View, moment: &Moment) -> Result<Frame, SimError> {
        let renderer = match self.renderers.entry(view.clone()) {
            Entry::Occupied(renderer) => renderer.into_mut(),
            Entry::Vacant(place) => {
                let (camera, width, height) = view;
                place.insert(Renderer::new(&self.world, camera, *width, *height)?)
            }
        };
        renderer.render_snapshot(&moment.snapshot)
    }
}
