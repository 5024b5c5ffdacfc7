use std::mem::MaybeUninit;

/// The fewest places that a queue takes memory for.
const LEAST: usize = 16;

/// First in, first out, in a ring of a power of two of places.
///
/// What `VecDeque` does, with both ends small enough to be compiled into their callers: one of each per tuple and hop.
pub struct Queue<T> {
    places: Box<[MaybeUninit<T>]>,
    head: usize,
    length: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue {
            places: Box::default(),
            head: 0,
            length: 0,
        }
    }
}

impl<T> Queue<T> {
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The place that comes `offset` after the first in use. Not while there is no place.
    #[inline(always)]
    fn at(&self, offset: usize) -> usize {
        (self.head + offset) & (self.places.len() - 1)
    }

    #[inline(always)]
    pub fn push(&mut self, value: T) {
        if self.length == self.places.len() {
            self.resize((2 * self.length).max(LEAST));
        }
        let at = self.at(self.length);
        // SAFETY: masked by the number of places, which is not 0 now.
        unsafe { self.places.get_unchecked_mut(at) }.write(value);
        self.length += 1;
    }

    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        if self.length == 0 {
            return None;
        }
        // SAFETY: `head` is masked, and the places from it on are filled, `length` of them; this one is given up.
        let value = unsafe { self.places.get_unchecked(self.head).assume_init_read() };
        self.head = self.at(1);
        self.length -= 1;
        Some(value)
    }

    #[must_use]
    pub fn front(&self) -> Option<&T> {
        // SAFETY: as in `pop`, but it stays.
        (self.length > 0).then(|| unsafe { self.places[self.head].assume_init_ref() })
    }

    /// Give memory back if there is room for more than `limit` and little in use.
    pub fn shrink(&mut self, limit: usize) {
        let room = limit.next_power_of_two().max(LEAST);
        if self.places.len() > room && self.length <= room {
            self.resize(room);
        }
    }

    /// Move to `room` places, a power of two and no less than there are values.
    #[cold]
    fn resize(&mut self, room: usize) {
        let mut places = Box::new_uninit_slice(room);
        for (offset, place) in places.iter_mut().enumerate().take(self.length) {
            // SAFETY: filled, and read once: the old places are dropped without their content.
            place.write(unsafe { self.places[self.at(offset)].assume_init_read() });
        }
        (self.places, self.head) = (places, 0);
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::rc::Rc;

    proptest! {
        #[test]
        fn it_is_a_queue(steps in prop::collection::vec(0u8..8, 0..400)) {
            let (mut queue, mut model) = (Queue::default(), VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    0..4 => {
                        queue.push(Box::new(number));
                        model.push_back(Box::new(number));
                    }
                    4..7 => prop_assert_eq!(queue.pop(), model.pop_front()),
                    _ => queue.shrink(number % 50),
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.front(), model.front());
            }
        }
    }

    #[test]
    fn what_is_left_is_dropped_once() {
        let value = Rc::new(());
        let mut queue = Queue::default();
        (0..100).for_each(|_| queue.push(Rc::clone(&value)));
        (0..30).for_each(|_| drop(queue.pop()));
        queue.shrink(70);
        assert_eq!(Rc::strong_count(&value), 71);
        drop(queue);
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
