//! Where the tool point was when each step of a run began, as the daemon tells it.

use jaco_api::client::Client;
use jaco_api::{Event, RunEvent, Status};
use jaco_trials::Try;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Watches the run that begins next.
pub struct PathWatch {
    client: Client,
    end: oneshot::Sender<()>,
    points: JoinHandle<anyhow::Result<Vec<[f32; 3]>>>,
}

impl PathWatch {
    /// Listens from now on.
    pub async fn start(client: &Client) -> anyhow::Result<Self> {
        let mut events = client.get_lines("/v1/events").await?;
        let (end, mut ended) = oneshot::channel();
        let asked = client.clone();
        let points = tokio::spawn(async move {
            let mut points = Vec::new();
            loop {
                let event = tokio::select! {
                    event = events.next::<Event>() => event?,
                    _ = &mut ended => return Ok(points),
                };
                match event {
                    Some(Event::Run { run: RunEvent::Progress(_) }) => {
                        points.extend(point_m(&asked).await?);
                    }
                    Some(_) => {}
                    None => return Ok(points),
                }
            }
        });
        Ok(Self { client: client.clone(), end, points })
    }

    /// The points, the one where the arm holds at the end.
    pub async fn end(self) -> anyhow::Result<Vec<[f32; 3]>> {
        // It may have ended with the daemon's events.
        let _ = self.end.send(());
        let mut points = self.points.await??;
        points.extend(point_m(&self.client).await?);
        Ok(points)
    }
}

async fn point_m(client: &Client) -> anyhow::Result<Option<[f32; 3]>> {
    let status: Status = client.get("/v1/status").await?;
    Ok(status.position_m.map(Try::point_m))
}
