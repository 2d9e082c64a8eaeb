//! What a training asks of a daemon, answered on a socket: who moves the arm, and when that changes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A daemon. Gone when dropped.
pub struct FakeDaemon {
    shared: Arc<Shared>,
    socket: PathBuf,
}

struct Shared {
    now: Mutex<Now>,
    news: Condvar,
}

struct Now {
    activity: &'static str,
    listeners: Vec<UnixStream>,
    gone: bool,
}

impl FakeDaemon {
    /// One whose arm `activity` moves.
    pub fn start(socket: &Path, activity: &'static str) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let now = Mutex::new(Now { activity, listeners: Vec::new(), gone: false });
        let shared = Arc::new(Shared { now, news: Condvar::new() });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if served.now.lock().unwrap().gone {
                    return;
                }
                served.answer(stream);
            }
        });
        Self { shared, socket: socket.to_owned() }
    }

    /// Tells those who listen, and waits for the first of them.
    pub fn tell(&self, activity: &'static str) {
        let now = self.shared.now.lock().unwrap();
        let mut now = self.shared.news.wait_while(now, |now| now.listeners.is_empty()).unwrap();
        now.activity = activity;
        let event = serde_json::json!({"event": "activity", "now": activity, "why": "a test"});
        for listener in &mut now.listeners {
            let _ = writeln!(listener, "{event}");
        }
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        let mut now = self.shared.now.lock().unwrap();
        now.gone = true;
        now.listeners.clear();
        drop(now);
        // Wakes the thread that accepts, whose socket goes with it.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Shared {
    fn answer(&self, mut stream: UnixStream) {
        let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
        let asked = head.next().unwrap().unwrap();
        while head.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let mut now = self.now.lock().unwrap();
        if asked.starts_with("GET /v1/events ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            now.listeners.push(stream);
            self.news.notify_all();
            return;
        }
        assert!(asked.starts_with("GET /v1/status "), "{asked}");
        let status = serde_json::json!({
            "version": "test", "mode": "idle", "activity": now.activity, "faults": [], "ticks": 0,
            "late_ticks": 0, "points_sent": 0, "servo_restarts": 0, "cameras": [],
            "pad": {"pads": [], "fault": ""}, "flight_folder": "flight",
        })
        .to_string();
        let length = status.len();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{status}");
    }
}
