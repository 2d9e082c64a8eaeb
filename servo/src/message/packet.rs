//! Bytes: header, and cursors that write and read fields. Knows no message.

use super::MessageError;
use jaco_core::{ACTION_DIMS, Action, Pose, Twist};
use nalgebra::{Quaternion, UnitQuaternion, Vector3};

/// Version of the wire; changes with any change of any message.
pub const VERSION: u8 = 2;
/// Bytes before the payload.
pub const HEADER_LEN: usize = 4;

/// Writes fields one after the other. The buffer's length is an invariant of the caller.
pub(super) struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub fn new(buffer: &'a mut [u8], kind: u8) -> Self {
        let mut writer = Self { buffer, at: 0 };
        writer.put(&[VERSION, kind, 0, 0]);
        writer
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    pub fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    pub fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    pub fn put_bool(&mut self, value: bool) {
        self.put_u8(u8::from(value));
    }

    pub fn put_f32(&mut self, value: f32) {
        self.put(&value.to_le_bytes());
    }

    pub fn put_f64(&mut self, value: f64) {
        self.put(&value.to_le_bytes());
    }

    pub fn put_f64s(&mut self, values: &[f64]) {
        values.iter().for_each(|value| self.put_f64(*value));
    }

    pub fn put_action(&mut self, action: &Action) {
        self.put_f64s(&action.to_array());
    }

    pub fn put_twist(&mut self, twist: &Twist) {
        self.put_f64s(twist.linear_m_s.as_slice());
        self.put_f64s(twist.angular_rad_s.as_slice());
    }

    pub fn put_pose(&mut self, pose: &Pose) {
        self.put_f64s(pose.position_m.as_slice());
        self.put_f64s(pose.orientation.coords.as_slice());
    }

    /// A flag, then the value; for `None` a value that nobody reads.
    pub fn put_option<T>(&mut self, value: Option<T>, empty: T, put: impl Fn(&mut Self, T)) {
        self.put_bool(value.is_some());
        put(self, value.unwrap_or(empty));
    }

    /// Bytes written.
    pub fn len(&self) -> usize {
        self.at
    }
}

/// Reads fields one after the other from a packet whose header has been checked.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// Checks the header; returns the kind and what reads the payload.
    pub fn open(packet: &'a [u8]) -> Result<(u8, Self), MessageError> {
        let Some((header, rest)) = packet.split_first_chunk::<HEADER_LEN>() else {
            return Err(MessageError::Length { found: packet.len(), needed: HEADER_LEN });
        };
        let [version, kind, ..] = *header;
        if version != VERSION {
            return Err(MessageError::Version { found: version });
        }
        Ok((kind, Self { rest, total: packet.len() }))
    }

    /// Refuses a packet that does not hold exactly `payload` more bytes.
    pub fn check_len(&self, payload: usize) -> Result<(), MessageError> {
        if self.rest.len() == payload {
            Ok(())
        } else {
            let needed = self.total - self.rest.len() + payload;
            Err(MessageError::Length { found: self.total, needed })
        }
    }

    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let needed = self.total - self.rest.len() + N;
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(MessageError::Length { found: self.total, needed })?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub fn u8(&mut self) -> Result<u8, MessageError> {
        Ok(self.take::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, MessageError> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    pub fn u64(&mut self) -> Result<u64, MessageError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    pub fn bool(&mut self, field: &'static str) -> Result<bool, MessageError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(MessageError::Value { field, value: u64::from(value) }),
        }
    }

    pub fn f32(&mut self) -> Result<f32, MessageError> {
        Ok(f32::from_le_bytes(self.take()?))
    }

    pub fn f64(&mut self) -> Result<f64, MessageError> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    pub fn f64s<const N: usize>(&mut self) -> Result<[f64; N], MessageError> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = self.f64()?;
        }
        Ok(values)
    }

    pub fn action(&mut self) -> Result<Action, MessageError> {
        Ok(Action::from_array(self.f64s::<ACTION_DIMS>()?))
    }

    pub fn twist(&mut self) -> Result<Twist, MessageError> {
        Ok(Twist {
            linear_m_s: Vector3::from(self.f64s::<3>()?),
            angular_rad_s: Vector3::from(self.f64s::<3>()?),
        })
    }

    pub fn pose(&mut self) -> Result<Pose, MessageError> {
        let position_m = Vector3::from(self.f64s::<3>()?);
        // As written: normalising again would change the last bits.
        let coords = Quaternion::from_vector(self.f64s::<4>()?.into());
        Ok(Pose { position_m, orientation: UnitQuaternion::new_unchecked(coords) })
    }

    pub fn option<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&mut Self) -> Result<T, MessageError>,
    ) -> Result<Option<T>, MessageError> {
        let there = self.bool(field)?;
        let value = read(self)?;
        Ok(there.then_some(value))
    }
}
