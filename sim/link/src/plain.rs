//! The SDK's structs as the bytes that cross the wire: both ends run on one machine, so the C
//! layout is the format.

use crate::LinkError;
use kinova_sys::{
    AngularPosition, CartesianPosition, ClientConfigurations, ForcesInfo, GeneralInformations,
    Gripper, JoystickCommand, KinovaDevice, PeripheralInfo, QuickStatus, SensorsInfo,
    TrajectoryFIFO, TrajectoryPoint,
};

/// A C struct that is its bytes.
///
/// # Safety
///
/// The type must have no padding, and every pattern of bits must be a value of it.
pub unsafe trait Plain: Copy {
    /// The bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let start = std::ptr::from_ref(self).cast::<u8>();
        // SAFETY: `start` is valid for the size of the type, and no byte of it is padding.
        unsafe { std::slice::from_raw_parts(start, size_of::<Self>()) }.to_vec()
    }

    /// The value that `bytes` are.
    fn from_bytes(bytes: &[u8]) -> Result<Self, LinkError> {
        if bytes.len() != size_of::<Self>() {
            let name = std::any::type_name::<Self>();
            let detail =
                format!("{} bytes for {name}, which has {}", bytes.len(), size_of::<Self>());
            return Err(LinkError::Malformed { what: "argument", detail });
        }
        // SAFETY: there are as many bytes as the type has, and any bits are a value of it.
        Ok(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}

macro_rules! plain {
    ($($type:ty),*) => {
        $(
            // SAFETY: numbers and arrays of numbers, whose sizes add up to the struct's (see the
            // measured layout in kinova-sys).
            unsafe impl Plain for $type {}
        )*
    };
}

plain!(
    i32,
    [i32; kinova_sys::CODE_VERSION_COUNT],
    [PeripheralInfo; kinova_sys::MAX_INVENTORY],
    AngularPosition,
    CartesianPosition,
    ClientConfigurations,
    ForcesInfo,
    GeneralInformations,
    Gripper,
    JoystickCommand,
    KinovaDevice,
    QuickStatus,
    SensorsInfo,
    TrajectoryFIFO,
    TrajectoryPoint
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back_as_they_were(bytes in prop::collection::vec(any::<u8>(), 120)) {
            prop_assert_eq!(&TrajectoryPoint::from_bytes(&bytes).unwrap().to_bytes(), &bytes);
            prop_assert_eq!(&QuickStatus::from_bytes(&bytes[..14]).unwrap().to_bytes(), &bytes[..14]);
        }
    }

    #[test]
    fn a_wrong_size_is_told_with_its_numbers() {
        let error = TrajectoryPoint::from_bytes(&[0; 119]).unwrap_err().to_string();
        assert!(error.contains("119") && error.contains("120"), "{error}");
    }
}
