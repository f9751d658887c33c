//! Large buffers that are used again.
//!
//! Rows go through this program by the megabyte, from thread to thread, and an allocator gives the memory of each block back to the
//! system, which has to clear it before it is used again: a tenth of the time of a large job. So a large buffer that is
//! dropped is kept for the next caller that asks for one, a few of each sort. All kept buffers were in use at one time before, so
//! the most memory that is taken does not grow.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use crate::lock::lock;

/// Buffers of one sort that are kept at most.
const KEPT: usize = 4;
/// Smaller ones are left to the allocator, which is good at them.
const LEAST: usize = 128 << 10;
/// Larger ones come from rows that are unlike most, and are let go of.
const MOST: usize = 8 << 20;

/// What is kept of one sort.
pub(crate) type BufferShelf<T> = Mutex<Vec<T>>;

/// A sort of buffer.
pub(crate) trait Buffer: Default + 'static {
    /// Where it is kept.
    fn shelf() -> &'static BufferShelf<Self>;
    /// Bytes it has room for.
    fn room(&self) -> usize;
    /// Makes room in an empty one.
    fn make_room(&mut self, bytes: usize);
    /// Empties it.
    fn empty(&mut self);
}

/// A buffer that is used again once it is dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recycled<T: Buffer>(T);

impl<T: Buffer> Recycled<T> {
    /// An empty one with room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        let mut buffer = T::default();
        if bytes >= LEAST {
            let mut shelf = lock(T::shelf());
            if let Some(at) = shelf.iter().position(|kept| kept.room() >= bytes) {
                return Self(shelf.swap_remove(at));
            }
            drop(shelf);
            // Blocks differ a little, and the next one should find room in this.
            buffer.make_room(bytes + bytes / 8);
        } else {
            buffer.make_room(bytes);
        }
        Self(buffer)
    }
}

impl<T: Buffer> Drop for Recycled<T> {
    fn drop(&mut self) {
        let room = self.0.room();
        if !(LEAST..=MOST).contains(&room) {
            return;
        }
        let mut shelf = lock(T::shelf());
        if shelf.len() < KEPT {
            let mut buffer = std::mem::take(&mut self.0);
            buffer.empty();
            shelf.push(buffer);
        }
    }
}

impl<T: Buffer> Deref for Recycled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Buffer> DerefMut for Recycled<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl Buffer for String {
    fn shelf() -> &'static BufferShelf<Self> {
        static SHELF: BufferShelf<String> = Mutex::new(Vec::new());
        &SHELF
    }

    fn room(&self) -> usize {
        self.capacity()
    }

    fn make_room(&mut self, bytes: usize) {
        self.reserve_exact(bytes);
    }

    fn empty(&mut self) {
        self.clear();
    }
}

/// As a buffer, of elements whose sort has a shelf.
macro_rules! recycled_vec {
    ($element:ty) => {
        impl $crate::recycled::Buffer for Vec<$element> {
            fn shelf() -> &'static $crate::recycled::BufferShelf<Self> {
                static SHELF: $crate::recycled::BufferShelf<Vec<$element>> = std::sync::Mutex::new(Vec::new());
                &SHELF
            }

            fn room(&self) -> usize {
                self.capacity() * size_of::<$element>()
            }

            fn make_room(&mut self, bytes: usize) {
                self.reserve_exact(bytes.div_ceil(size_of::<$element>()));
            }

            fn empty(&mut self) {
                self.clear();
            }
        }
    };
}
pub(crate) use recycled_vec;

recycled_vec!(u8);
recycled_vec!(u32);

#[cfg(test)]
mod tests {
    use super::*;

    /// A sort of its own, since tests run beside others.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Brick(u8);
    recycled_vec!(Brick);

    #[test]
    fn a_large_buffer_is_used_again_and_empty() {
        let mut first = Recycled::<Vec<Brick>>::with_room(LEAST);
        first.push(Brick(1));
        let place = first.as_ptr();
        drop(first);
        let second = Recycled::<Vec<Brick>>::with_room(LEAST + 1);
        assert_eq!((second.as_ptr(), second.len()), (place, 0));
        // Those that are small, or far too large, are not kept.
        drop(second);
        drop(Recycled::<Vec<Brick>>::with_room(16));
        drop(Recycled::<Vec<Brick>>::with_room(MOST + 1));
        let all: Vec<_> = (0..KEPT + 2)
            .map(|_| Recycled::<Vec<Brick>>::with_room(LEAST))
            .collect();
        drop(all);
        let kept = lock(<Vec<Brick> as Buffer>::shelf());
        assert_eq!(kept.len(), KEPT);
        assert!(
            kept.iter()
                .all(|one| one.is_empty() && (LEAST..=MOST).contains(&one.room()))
        );
    }
}
