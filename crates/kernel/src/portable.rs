//! What is left of the kernel where there is none.

use skep_abi::ProgType;
use skep_backend::{Backend, Error, ErrorKind, LoadOptions, Loaded};
use skep_object::Spec;

/// The running kernel, which is not Linux or was left out of this build.
#[derive(Clone, Debug, Default)]
pub struct Kernel(());

impl Kernel {
    /// It refuses everything.
    pub fn new() -> Self {
        Self(())
    }

    /// Why it can't be used.
    pub fn refusal(&self) -> Option<String> {
        Some("this build has no door to Linux".to_owned())
    }

    /// Whether programs of a type can be run: that is not what is in the way here.
    ///
    /// # Errors
    /// None: loading says what is wrong.
    pub fn runs(&self, _: &str, _: ProgType) -> Result<(), Error> {
        Ok(())
    }
}

impl Backend for Kernel {
    fn load(&self, _: &Spec, _: &LoadOptions) -> Result<Box<dyn Loaded>, Error> {
        let error = Error::new(ErrorKind::Unsupported, "this build has no door to Linux");
        Err(error.with_hint("run it in userspace: --backend user"))
    }
}
