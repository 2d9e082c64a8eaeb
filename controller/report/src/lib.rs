//! The record of a run: numbers for programs, one page and two pictures for people.
//!
//! `report.json` holds what was asked, what happened and how punctual every part was; the contact
//! sheet shows what the policy saw; the path plot shows where the arm went, against what was
//! asked. Everything here is assembled from values passed in: nothing here may read a
//! clock, talk to a device or run on a thread that has a deadline.

mod canvas;
mod chart;
mod contact_sheet;
mod episode_plot;
mod flight_plot;
mod heading;
mod histogram;
pub mod motion;
mod panel;
pub mod paper;
mod path_plot;
mod run_report;
mod training_plots;
mod try_sheet;

pub use canvas::RenderError;
pub use chart::{Panel, Point, Series, Spread, charts};
pub use contact_sheet::{FrameKeeper, KeptFrame, contact_sheet, episode_sheet};
pub use episode_plot::{Curve, CurvePanel, EpisodePlot, episode_plot};
pub use flight_plot::{Band, FlightPlot, FlightSample, Mark, flight_plot};
pub use heading::Heading;
pub use histogram::{Digest, Latencies};
pub use jaco_shell::durable::replace_file;
pub use path_plot::{PathSample, StepTiming, path_plot};
pub use run_report::{
    Attempt, Checkpoint, InferenceDigest, REPORT_FILE, ReportError, RunReport, Tally, wilson_95,
};
pub use training_plots::training_plots;
pub use try_sheet::try_sheet;
