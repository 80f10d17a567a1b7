//! Bounds on the evaluation of a template, whose values may stand for one another many times.

use std::cell::{Cell, RefCell};

use crate::template::Error;

/// The functions and conditions that are evaluated in a template, each time that one is.
const MAX_STEPS: u32 = 100_000;
/// The longest text that a function makes, and that of all of them together, in bytes.
pub(super) const MAX_TEXT: usize = 1024 * 1024;
const MAX_BYTES: usize = 16 * MAX_TEXT;
/// The deepest nesting, of values and of conditions behind conditions together.
const MAX_DEPTH: usize = 200;

/// The files that a template includes, each time that one is.
const MAX_FILES: u32 = 32;

/// The parts of the bounds that are left.
pub(super) struct Bounds {
    /// The resource or section that is evaluated, for errors.
    place: RefCell<String>,
    steps: Cell<u32>,
    bytes: Cell<usize>,
    depth: Cell<usize>,
    files: Cell<u32>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            place: RefCell::default(),
            steps: Cell::new(MAX_STEPS),
            bytes: Cell::new(MAX_BYTES),
            depth: Cell::default(),
            files: Cell::new(MAX_FILES),
        }
    }
}

impl Bounds {
    /// Names the resource or section that is evaluated from here on.
    pub(super) fn at(&self, place: &str) {
        place.clone_into(&mut self.place.borrow_mut());
    }

    fn error(&self, reason: &'static str) -> Error {
        Error::Bound { place: self.place.borrow().clone(), reason }
    }

    /// Goes one level deeper.
    pub(super) fn deeper<T>(&self, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let depth = self.depth.get();
        if depth >= MAX_DEPTH {
            return Err(self.error("is nested too deep"));
        }
        self.depth.set(depth.saturating_add(1));
        let done = run();
        self.depth.set(depth);
        done
    }

    /// Counts one evaluation.
    pub(super) fn step(&self) -> Result<(), Error> {
        let left = self.steps.get().checked_sub(1);
        self.steps.set(left.ok_or_else(|| self.error("has too many functions to evaluate"))?);
        Ok(())
    }

    /// Counts a file that is included.
    pub(super) fn file(&self) -> Result<(), Error> {
        let left = self.files.get().checked_sub(1);
        self.files.set(left.ok_or_else(|| self.error("includes more than 32 files"))?);
        Ok(())
    }

    /// Returns an error if a text of this length is too long.
    pub(super) fn fits(&self, length: usize) -> Result<(), Error> {
        if length > MAX_TEXT {
            return Err(self.error("makes a text of more than 1 MB"));
        }
        Ok(())
    }

    /// Counts a text that a function is about to make, by its length.
    pub(super) fn makes(&self, length: usize) -> Result<(), Error> {
        self.fits(length)?;
        let left = self.bytes.get().checked_sub(length);
        self.bytes.set(left.ok_or_else(|| self.error("makes more than 16 MB of texts"))?);
        Ok(())
    }

    /// Counts a text that a function has made.
    pub(super) fn made(&self, text: String) -> Result<String, Error> {
        self.makes(text.len())?;
        Ok(text)
    }
}
