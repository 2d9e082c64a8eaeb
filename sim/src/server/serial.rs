//! The simulated arm's serial number: arms that are simulated at once on one machine must differ,
//! and one that is started again at the same socket must stay the same.

use std::path::Path;

/// Most characters: the SDK's field has twenty bytes, the last of which is 0.
pub const LONGEST: usize = 19;

/// The serial number `text`, if an arm can have it.
pub fn given(text: &str) -> Result<String, String> {
    match text.len() {
        1..=LONGEST if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
        length => Err(format!(
            "a serial number has 1 to {LONGEST} printable ASCII characters and no space; \
             this one has {length} bytes"
        )),
    }
}

/// The serial number of the arm served at `socket`, which exists: `SIM-` and 12 digits.
pub(super) fn of_socket(socket: &Path) -> String {
    let real = socket.canonicalize().unwrap_or_else(|_| socket.to_owned());
    let hash = fnv_1a(real.as_os_str().as_encoded_bytes());
    format!("SIM-{:012x}", hash >> 16)
}

/// Stable over machines and versions, unlike the standard library's hashes.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_socket_gives_one_serial_number_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("a.sock"), folder.path().join("b.sock"));
        std::fs::write(&one, "").unwrap();
        std::fs::write(&two, "").unwrap();
        let roundabout = folder.path().join("./a.sock");
        assert_eq!(of_socket(&one), of_socket(&roundabout));
        assert_ne!(of_socket(&one), of_socket(&two));
        assert!(given(&of_socket(&one)).is_ok());
    }

    /// The test values of the hash's authors.
    #[test]
    fn the_hash_is_the_known_one() {
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_serial_number_that_does_not_fit_is_refused() {
        assert_eq!(given("PJ00900006102"), Ok("PJ00900006102".to_owned()));
        for text in ["", "12345678901234567890", "PJ 1", "J\u{e4}co"] {
            assert!(given(text).is_err(), "{text}");
        }
    }
}
