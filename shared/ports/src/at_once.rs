//! What is under way at once, counted by whose it is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// How much is under way, by whose it is. It knows of no one who has nothing under way.
#[derive(Debug, Default)]
pub struct AtOnce(Rc<RefCell<HashMap<String, usize>>>);

impl AtOnce {
    /// One more, unless `most` are under way.
    #[must_use]
    pub fn enter(&self, whose: String, most: usize) -> Option<Place> {
        let mut all = self.0.borrow_mut();
        let count = all.get(&whose).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        all.insert(whose.clone(), count.saturating_add(1));
        Some(Place { all: Rc::clone(&self.0), whose })
    }
}

/// One that is under way, until it is dropped.
#[derive(Debug)]
pub struct Place {
    all: Rc<RefCell<HashMap<String, usize>>>,
    whose: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.borrow_mut();
        match all.get_mut(&self.whose) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(all.remove(&self.whose)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_makes_room_and_is_forgotten() {
        let all = AtOnce::default();
        let enter = |whose: &str| all.enter(whose.to_owned(), 2);
        let (first, second) = (enter("a"), enter("a"));
        assert!(first.is_some() && second.is_some() && enter("a").is_none());
        let other = enter("b");
        assert!(other.is_some(), "another's is counted apart");
        drop(first);
        let third = enter("a");
        assert!(third.is_some() && enter("a").is_none());
        drop((second, third, other));
        assert!(all.0.borrow().is_empty());
    }
}
