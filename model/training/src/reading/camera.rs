//! Which of a dataset's cameras is looked through.
//!
//! Owns the choice: what was asked for, else the only one, else the one called front. Must never
//! choose between cameras on other grounds.

use serde::Serialize;
use std::fmt;

/// The camera that our own recordings are made with.
const USUAL: &str = "front";

/// A feature that holds pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Camera {
    /// Key of the feature.
    pub key: String,
    /// Width of a picture \[pixels\].
    pub width: u32,
    /// Height of a picture \[pixels\].
    pub height: u32,
}

impl fmt::Display for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}x{})", self.key, self.width, self.height)
    }
}

impl Camera {
    /// Whether `name` is the whole key or its last parts: `top` is `observation.images.top`.
    fn is_called(&self, name: &str) -> bool {
        let before = self.key.strip_suffix(name);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}

/// Why no camera can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// There is no picture at all.
    #[error("has no feature of pictures: a policy is trained on pictures of one camera")]
    NoCamera,
    /// The one asked for is not there.
    #[error("has no camera {wanted}; it has {}", listed(.cameras))]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// Those that are there.
        cameras: Vec<Camera>,
    },
    /// Nothing says which one.
    #[error("has several cameras: {}; choose one with --camera", listed(.0))]
    Several(Vec<Camera>),
}

fn listed(cameras: &[Camera]) -> String {
    cameras.iter().map(Camera::to_string).collect::<Vec<_>>().join(", ")
}

/// The camera that `wanted` names by its key or the key's last part; without a wish the only one,
/// or the one called front.
pub fn choose<'a>(cameras: &'a [Camera], wanted: Option<&str>) -> Result<&'a Camera, CameraError> {
    if cameras.is_empty() {
        return Err(CameraError::NoCamera);
    }
    if let ([only], None) = (cameras, wanted) {
        return Ok(only);
    }
    let name = wanted.unwrap_or(USUAL);
    if let Some(camera) = cameras.iter().find(|camera| camera.key == name) {
        return Ok(camera);
    }
    let called: Vec<&Camera> = cameras.iter().filter(|camera| camera.is_called(name)).collect();
    match (called[..].first(), called.len(), wanted) {
        (Some(camera), 1, _) => Ok(camera),
        (None, _, Some(wanted)) => {
            let (wanted, cameras) = (wanted.to_owned(), cameras.to_vec());
            Err(CameraError::Unknown { wanted, cameras })
        }
        _ => Err(CameraError::Several(cameras.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cameras(keys: &[&str]) -> Vec<Camera> {
        let camera = |key: &&str| Camera { key: (*key).to_owned(), width: 640, height: 480 };
        keys.iter().map(camera).collect()
    }

    fn chosen(keys: &[&str], wanted: Option<&str>) -> Result<String, CameraError> {
        choose(&cameras(keys), wanted).map(|camera| camera.key.clone())
    }

    /// lerobot's feature_utils calls a camera what the user called it: "top".
    #[test]
    fn the_only_camera_is_taken_whatever_it_is_called() {
        assert_eq!(chosen(&["observation.images.top"], None).unwrap(), "observation.images.top");
    }

    #[test]
    fn a_camera_is_called_by_its_key_or_the_keys_last_part() {
        let keys = ["observation.images.top", "observation.images.stop", "observation.image"];
        for (wanted, key) in [("top", 0), ("images.stop", 1), ("observation.image", 2)] {
            assert_eq!(chosen(&keys, Some(wanted)).unwrap(), keys[key]);
        }
        let error = chosen(&keys, Some("op")).unwrap_err().to_string();
        assert!(error.contains("has no camera op"), "{error}");
        assert!(error.contains("observation.images.top (640x480)"), "{error}");
    }

    #[test]
    fn of_several_the_one_called_front_or_none() {
        let keys = ["observation.images.wrist", "observation.images.front"];
        assert_eq!(chosen(&keys, None).unwrap(), keys[1]);
        let error = chosen(&["a.left", "a.right"], None).unwrap_err().to_string();
        assert!(error.contains("a.left (640x480), a.right (640x480)"), "{error}");
        assert!(error.contains("--camera"), "{error}");
        let twice = ["a.top", "b.top"];
        assert!(matches!(chosen(&twice, Some("top")), Err(CameraError::Several(_))));
        assert_eq!(chosen(&twice, Some("b.top")).unwrap(), "b.top");
    }

    #[test]
    fn no_camera_and_a_missing_one_are_told_apart() {
        assert_eq!(chosen(&[], Some("top")), Err(CameraError::NoCamera));
        let error = chosen(&["a.top"], Some("front")).unwrap_err();
        assert!(matches!(error, CameraError::Unknown { .. }), "{error}");
    }
}
