//! The engines: everything that can make something of a corpus file. A new one is a file here and a line in [`ENGINES`].

mod facade;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod kernel;
mod text;
mod verify;
mod world;

use skep_isa::Endian;

use super::case::{Case, Observed};

/// What an engine has to say.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It found nothing wrong.
    Done,
    /// It ran the program.
    Observed(Observed),
    /// It cannot serve this file, or not here.
    Skipped(String),
}

/// Something that makes something of a program.
pub trait Engine: Sync {
    /// Its name, as the `engines` key spells it.
    fn name(&self) -> &'static str;

    /// Does its part.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn run(&self, case: &Case) -> Result<Answer, String>;
}

/// All of them. The first that observes is the reference for blessing.
pub static ENGINES: &[&dyn Engine] = &[
    &text::Text,
    &verify::Verify,
    &world::World { name: "interp", endian: Endian::Little, engine: skep::vm::Engine::Interpreter },
    &world::World { name: "interp-be", endian: Endian::Big, engine: skep::vm::Engine::Interpreter },
    &world::World { name: "jit", endian: Endian::Little, engine: skep::vm::Engine::Jit },
    &world::World { name: "jit-be", endian: Endian::Big, engine: skep::vm::Engine::Jit },
    &facade::Facade,
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    &kernel::Kernel,
];
