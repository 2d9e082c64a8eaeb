//! The pictures of the states: in memory on the training device, or in files that are read at
//! random.
//!
//! Owns how a batch of them is gathered, which gives the same bytes either way. Must never decide
//! where they are (see [`crate::cache`]) or change one.

use crate::error::TrainError;
use jaco_dataset::{DatasetError, RecordFile};
use std::thread;
use tch::{Device, Kind, TchError, Tensor};

/// The pictures of all states.
pub enum Pictures {
    /// \[N, S, S, 3\] uint8 on the training device.
    Memory(Tensor),
    /// A record for each picture.
    Files(PictureFiles),
}

impl Pictures {
    /// The pictures of `states` \[B, S, S, 3\] (uint8) on `device`.
    pub fn gather(&self, states: &[u32], device: Device) -> Result<Tensor, TrainError> {
        match self {
            Pictures::Memory(images) => {
                let index: Vec<i64> = states.iter().map(|&state| i64::from(state)).collect();
                let index = Tensor::f_from_slice(&index)?.f_to_device(device)?;
                Ok(images.f_index_select(0, &index)?)
            }
            Pictures::Files(files) => Ok(files.gather(states)?.f_to_device(device)?),
        }
    }

    /// Says that the pictures of `states` will be gathered next, so that a disk can fetch them
    /// meanwhile.
    pub fn expect(&self, states: &[u32]) {
        if let Pictures::Files(files) = self {
            states.iter().for_each(|&state| files.expect(state));
        }
    }
}

/// Pictures in memory, episode by episode.
pub struct MemoryPictures {
    images: Tensor,
    filled: i64,
    side: i64,
}

impl MemoryPictures {
    /// Room for `states` square pictures of `side` pixels.
    pub fn new(states: usize, side: i64) -> Result<Self, TchError> {
        let images = Tensor::f_zeros([states as i64, side, side, 3], (Kind::Uint8, Device::Cpu))?;
        Ok(Self { images, filled: 0, side })
    }

    /// Takes the next pictures.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TchError> {
        let count = bytes.len() as i64 / (self.side * self.side * 3);
        let shape = [count, self.side, self.side, 3];
        let mut place = self.images.f_narrow(0, self.filled, count)?;
        place.f_copy_(&Tensor::f_from_slice(bytes)?.f_view(shape)?)?;
        self.filled += count;
        Ok(())
    }

    /// All of them, on `device`.
    pub fn finish(self, device: Device) -> Result<Pictures, TchError> {
        Ok(Pictures::Memory(self.images.f_to_device(device)?))
    }
}

/// Pictures in files, one file an episode.
pub struct PictureFiles {
    files: Vec<RecordFile>,
    /// File and record of each state.
    places: Vec<(u32, u32)>,
    side: i64,
    threads: usize,
}

impl PictureFiles {
    /// No pictures yet, square ones of `side` pixels, to be read by `threads` threads.
    pub fn new(side: i64, threads: usize) -> Self {
        Self { files: Vec::new(), places: Vec::new(), side, threads }
    }

    /// The next states' pictures are these records of `file`.
    pub fn push(&mut self, file: RecordFile, records: impl IntoIterator<Item = u32>) {
        let number = self.files.len() as u32;
        self.places.extend(records.into_iter().map(|record| (number, record)));
        self.files.push(file);
    }

    fn gather(&self, states: &[u32]) -> Result<Tensor, TrainError> {
        let a_picture = (self.side * self.side * 3) as usize;
        let mut bytes = vec![0; a_picture * states.len()];
        // Several reads at a time are what a disk is quickest at.
        let a_thread = states.len().div_ceil(self.threads).max(1);
        thread::scope(|scope| {
            let shares = bytes.chunks_mut(a_picture * a_thread).zip(states.chunks(a_thread));
            let readers: Vec<_> = shares
                .map(|(place, states)| scope.spawn(move || self.read(states, place, a_picture)))
                .collect();
            readers.into_iter().try_for_each(|reader| reader.join().expect("reading panics not"))
        })?;
        let shape = [states.len() as i64, self.side, self.side, 3];
        Ok(Tensor::f_from_data_size(&bytes, &shape, Kind::Uint8)?)
    }

    fn read(&self, states: &[u32], place: &mut [u8], a_picture: usize) -> Result<(), DatasetError> {
        let pictures = states.iter().zip(place.chunks_exact_mut(a_picture));
        for (&state, picture) in pictures {
            let (file, record) = self.places[state as usize];
            self.files[file as usize].read(record as usize, picture)?;
        }
        Ok(())
    }

    fn expect(&self, state: u32) {
        let (file, record) = self.places[state as usize];
        self.files[file as usize].expect(record as usize);
    }
}
