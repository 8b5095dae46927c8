//! Rust closures as BPF helpers: any closure of up to five integer arguments, with or without access to the program's
//! memory.
//!
//! The types of a closure say how registers become arguments: an argument takes the low bits of its register, a
//! result is extended to 64 bits by its own sign. [`HelperFn`] is implemented by macro for every shape; there is nothing
//! to implement by hand.

use skep_vm::{Fault, Memory, Stop, Trap};

/// What a register can become.
pub trait Argument: Sized {
    /// Takes as many low bits as the type has.
    fn from_register(value: u64) -> Self;
}

/// What a helper can return.
pub trait Answer {
    /// The value of r0, or why there is none.
    ///
    /// # Errors
    /// Whatever the helper failed with.
    fn into_r0(self) -> Result<u64, Stop>;
}

macro_rules! integers {
    ($($ty:ty as $wide:ty),*) => { $(
        impl Argument for $ty {
            fn from_register(value: u64) -> Self {
                value as Self
            }
        }

        impl Answer for $ty {
            fn into_r0(self) -> Result<u64, Stop> {
                Ok(self as $wide as u64)
            }
        }
    )* };
}

integers!(u8 as u64, u16 as u64, u32 as u64, u64 as u64, usize as u64);
integers!(i8 as i64, i16 as i64, i32 as i64, i64 as i64, isize as i64);

impl Argument for bool {
    fn from_register(value: u64) -> Self {
        value != 0
    }
}

impl Answer for bool {
    fn into_r0(self) -> Result<u64, Stop> {
        Ok(self.into())
    }
}

/// Helpers that return nothing leave zero in r0.
impl Answer for () {
    fn into_r0(self) -> Result<u64, Stop> {
        Ok(0)
    }
}

/// A bad address ends the run with the trap that the program itself would take.
impl<T: Answer> Answer for Result<T, Fault> {
    fn into_r0(self) -> Result<u64, Stop> {
        self?.into_r0()
    }
}

/// Any trap, or the end of the whole run.
impl<T: Answer> Answer for Result<T, Stop> {
    fn into_r0(self) -> Result<u64, Stop> {
        self?.into_r0()
    }
}

/// A failure in the helper's own words ends the run with a trap that repeats them.
impl<T: Answer> Answer for Result<T, String> {
    fn into_r0(self) -> Result<u64, Stop> {
        self.map_err(Trap::host)?.into_r0()
    }
}

/// A closure that can be a helper. `Shape` is its argument types; it is always inferred.
pub trait HelperFn<Shape>: 'static {
    /// Calls it with r1 to r5.
    ///
    /// # Errors
    /// Whatever it failed with.
    fn call(&mut self, memory: &mut Memory, args: [u64; 5]) -> Result<u64, Stop>;
}

/// Marks the shapes that begin with the program's memory.
#[derive(Debug)]
pub struct WithMemory<Args>(std::marker::PhantomData<Args>);

macro_rules! shapes {
    ($($name:ident = $index:tt),*) => {
        impl<Func, Ret, $($name),*> HelperFn<fn($($name),*) -> Ret> for Func
        where
            Func: FnMut($($name),*) -> Ret + 'static,
            Ret: Answer,
            $($name: Argument),*
        {
            fn call(&mut self, _: &mut Memory, _args: [u64; 5]) -> Result<u64, Stop> {
                self($($name::from_register(_args[$index])),*).into_r0()
            }
        }

        impl<Func, Ret, $($name),*> HelperFn<WithMemory<fn($($name),*) -> Ret>> for Func
        where
            Func: FnMut(&mut Memory, $($name),*) -> Ret + 'static,
            Ret: Answer,
            $($name: Argument),*
        {
            fn call(&mut self, memory: &mut Memory, _args: [u64; 5]) -> Result<u64, Stop> {
                self(memory, $($name::from_register(_args[$index])),*).into_r0()
            }
        }
    };
}

shapes!();
shapes!(A = 0);
shapes!(A = 0, B = 1);
shapes!(A = 0, B = 1, C = 2);
shapes!(A = 0, B = 1, C = 2, D = 3);
shapes!(A = 0, B = 1, C = 2, D = 3, E = 4);
