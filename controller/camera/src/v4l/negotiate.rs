//! Which of the formats that a camera offers is taken, or why none is. Pure.
//!
//! The size must be offered exactly: a picture that is scaled or cropped on the way is another
//! view than the policy learned. Of the formats that have it the first of [`Pixel::ALL`] is
//! taken, and of its rates the wanted one, else the next higher, else the highest.

use crate::error::Refusal;
use jaco_config::CameraFormat;
use std::fmt;

/// A format of pixels that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixel {
    Mjpeg,
    Jpeg,
    Yuyv,
    Nv12,
    Rgb,
    Bgr,
    Grey,
}

impl Pixel {
    /// All, the preferred ones first: MJPEG, because over USB the others rarely reach the rate.
    const ALL: [Self; 7] =
        [Self::Mjpeg, Self::Jpeg, Self::Yuyv, Self::Nv12, Self::Rgb, Self::Bgr, Self::Grey];

    /// The code by which the kernel knows it.
    pub(crate) fn fourcc(self) -> [u8; 4] {
        match self {
            Self::Mjpeg => *b"MJPG",
            Self::Jpeg => *b"JPEG",
            Self::Yuyv => *b"YUYV",
            Self::Nv12 => *b"NV12",
            Self::Rgb => *b"RGB3",
            Self::Bgr => *b"BGR3",
            Self::Grey => *b"GREY",
        }
    }

    fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|pixel| pixel.fourcc() == fourcc)
    }
}

impl fmt::Display for Pixel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fourcc_text(self.fourcc()))
    }
}

/// Whether pictures of this format can be decoded.
pub(crate) fn is_readable(fourcc: [u8; 4]) -> bool {
    Pixel::from_fourcc(fourcc).is_some()
}

/// A fourcc for people.
pub(crate) fn fourcc_text(fourcc: [u8; 4]) -> String {
    fourcc.iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '?' }).collect()
}

/// Time from one picture to the next, as drivers state it: a fraction of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

impl Interval {
    pub(crate) fn of_rate(rate_hz: u32) -> Self {
        Self { numerator: 1, denominator: rate_hz }
    }

    /// False for what some drivers state when they know nothing: a zero on either side.
    pub(crate) fn is_known(self) -> bool {
        self.numerator > 0 && self.denominator > 0
    }

    pub(crate) fn seconds(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    pub(crate) fn rate_hz(self) -> f64 {
        f64::from(self.denominator) / f64::from(self.numerator)
    }

    /// Whether this counts as `rate_hz`. Half a percent is forgiven: 30000/1001 counts as 30.
    pub(crate) fn counts_as(self, rate_hz: u32) -> bool {
        (self.rate_hz() / f64::from(rate_hz) - 1.0).abs() <= 0.005
    }

    /// Whether this is `rate_hz` or more.
    pub(crate) fn reaches(self, rate_hz: u32) -> bool {
        self.counts_as(rate_hz) || self.rate_hz() > f64::from(rate_hz)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = format!("{:.2}", self.rate_hz());
        write!(f, "{} Hz", rate.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Widths and heights \[pixels\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    One {
        width: u32,
        height: u32,
    },
    /// Lowest, highest and step of each.
    Range {
        width: [u32; 3],
        height: [u32; 3],
    },
    /// The driver does not say; whether it has a size shows when that is set.
    Unstated,
}

impl Size {
    pub(crate) fn has(&self, wanted_width: u32, wanted_height: u32) -> bool {
        let steps_to = |[low, high, step]: [u32; 3], wanted: u32| {
            (low..=high).contains(&wanted) && (wanted - low).is_multiple_of(step.max(1))
        };
        match *self {
            Self::One { width, height } => (width, height) == (wanted_width, wanted_height),
            Self::Range { width, height } => {
                steps_to(width, wanted_width) && steps_to(height, wanted_height)
            }
            Self::Unstated => true,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One { width, height } => write!(f, "{width}x{height}"),
            Self::Range { width: [w0, w1, dw], height: [h0, h1, dh] } => {
                write!(f, "{w0}x{h0} to {w1}x{h1} in steps of {dw}x{dh}")
            }
            Self::Unstated => f.write_str("unstated sizes"),
        }
    }
}

/// The rates at a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rates {
    Some(Vec<Interval>),
    /// Any from the shortest interval to the longest.
    Range {
        shortest: Interval,
        longest: Interval,
    },
    Unstated,
}

impl Rates {
    /// The wanted rate, else the next higher, else the highest.
    fn nearest(&self, rate_hz: u32) -> Interval {
        let wanted = Interval::of_rate(rate_hz);
        let known = match self {
            Self::Some(intervals) => intervals.iter().copied().filter(|i| i.is_known()).collect(),
            Self::Range { shortest, longest } if shortest.is_known() && longest.is_known() => {
                let within =
                    shortest.seconds() <= wanted.seconds() && wanted.seconds() <= longest.seconds();
                if within { vec![wanted] } else { vec![*shortest, *longest] }
            }
            Self::Range { .. } | Self::Unstated => Vec::new(),
        };
        let off = |interval: &Interval| (interval.rate_hz() - f64::from(rate_hz)).abs();
        let nearest = |fits: fn(Interval, u32) -> bool| {
            let fitting = known.iter().copied().filter(move |&interval| fits(interval, rate_hz));
            fitting.min_by(|a, b| off(a).total_cmp(&off(b)))
        };
        nearest(Interval::counts_as)
            .or_else(|| nearest(Interval::reaches))
            .or_else(|| nearest(|_, _| true))
            .unwrap_or(wanted)
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Some(intervals) => {
                let known = intervals.iter().filter(|interval| interval.is_known());
                f.write_str(&known.map(Interval::to_string).collect::<Vec<_>>().join(", "))
            }
            Self::Range { shortest, longest } if shortest.is_known() && longest.is_known() => {
                write!(f, "{longest} to {shortest}")
            }
            Self::Range { .. } | Self::Unstated => f.write_str("unstated rates"),
        }
    }
}

/// One size of one format of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) fourcc: [u8; 4],
    pub(crate) size: Size,
    pub(crate) rates: Rates,
}

/// What the configuration asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rate_hz: u32,
    pub(crate) format: CameraFormat,
}

/// What is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) pixel: Pixel,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) interval: Interval,
}

/// Chooses from what a camera offers.
pub(crate) fn choose(offers: &[Offer], wanted: &Wanted) -> Result<Choice, Refusal> {
    let Wanted { width, height, rate_hz, format } = *wanted;
    let is_wanted = |pixel: Pixel| match format {
        CameraFormat::Auto => true,
        CameraFormat::Mjpeg => matches!(pixel, Pixel::Mjpeg | Pixel::Jpeg),
        CameraFormat::Yuyv => pixel == Pixel::Yuyv,
    };
    let is_readable = |offer: &&Offer| Pixel::from_fourcc(offer.fourcc).is_some_and(is_wanted);
    let readable = || offers.iter().filter(is_readable);
    if readable().next().is_none() {
        return Err(Refusal::NoFormat {
            wanted: match format {
                CameraFormat::Auto => {
                    "format that can be read (MJPEG, or raw YUYV, NV12, RGB3, BGR3, GREY)"
                }
                CameraFormat::Mjpeg => "pictures as MJPEG (format = \"mjpeg\")",
                CameraFormat::Yuyv => "pictures as YUYV (format = \"yuyv\")",
            },
            offers: list(offers.iter()),
        });
    }
    let chosen = Pixel::ALL.into_iter().find_map(|pixel| {
        let fits = |offer: &&Offer| offer.fourcc == pixel.fourcc() && offer.size.has(width, height);
        let rates = &readable().find(fits)?.rates;
        Some(Choice { pixel, width, height, interval: rates.nearest(rate_hz) })
    });
    chosen.ok_or_else(|| Refusal::NoSize { width, height, offers: list(readable()) })
}

/// "it offers MJPG 640x480 (30 Hz, 15 Hz), YUYV 640x480 (5 Hz)".
fn list<'a>(offers: impl Iterator<Item = &'a Offer>) -> String {
    let texts = offers
        .map(|Offer { fourcc, size, rates }| format!("{} {size} ({rates})", fourcc_text(*fourcc)));
    match texts.collect::<Vec<_>>() {
        texts if texts.is_empty() => "it offers nothing".to_owned(),
        texts => format!("it offers {}", texts.join("; ")),
    }
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
