//! What every numbered thing of the ABI has in common: a newtype over the number, associated constants, a static
//! table of rows, and conversions from and to text. [`numbers!`](macro@crate::table::numbers) writes all of it from the
//! rows, so that a number, its constant, its name and its documentation are declared in one place.
//!
//! Invariants, held by `tests` below: rows are in the order of their numbers and start at 0, so a lookup by number is
//! an index; a row's name is its constant in lower case.

use core::fmt;

use crate::nearest::nearest;

/// A release of Linux, `5.10` for instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The 5 of 5.10.
    pub major: u16,
    /// The 10 of 5.10.
    pub minor: u16,
}

/// Shorthand for the tables.
pub(crate) const fn v(major: u16, minor: u16) -> KernelVersion {
    KernelVersion { major, minor }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A name that no row has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    what: &'static str,
    given: String,
    nearest: Option<&'static str>,
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, given: &str, nearest: Option<&'static str>) -> Self {
        Self { what, given: given.to_owned(), nearest }
    }

    /// What was looked for: `program type`, `helper`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The name as it was given.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The known name that is closest in spelling, when one is close enough to be meant.
    pub fn nearest(&self) -> Option<&'static str> {
        self.nearest
    }

    /// A sentence for the user, when there is one.
    pub fn hint(&self) -> Option<String> {
        self.nearest.map(|name| format!("did you mean `{name}`?"))
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}`", self.what, self.given)
    }
}

impl core::error::Error for UnknownName {}

/// Finds the number that `text` stands for: a number (decimal or 0x), a name (with or without the UAPI's prefix, in any
/// case), or an alias.
pub(crate) fn lookup(
    text: &str,
    what: &'static str,
    prefix: &str,
    names: impl Iterator<Item = (&'static str, u32)> + Clone,
    aliases: &[(&'static str, u32)],
) -> Result<u32, UnknownName> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    if let Some(number) = number {
        return Ok(number);
    }
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix(&prefix.to_ascii_lowercase()).unwrap_or(&lower);
    let mut all = names.clone().chain(aliases.iter().copied());
    let same = |name: &str| name == lower || name == bare || name.strip_prefix("bpf_") == Some(bare);
    if let Some((_, number)) = all.find(|(name, _)| same(name)) {
        return Ok(number);
    }
    let nearest = nearest(bare, names.map(|(name, _)| name));
    Err(UnknownName::new(what, text, nearest))
}

/// Declares a number type of the ABI, its constants and its table. See the module's documentation.
macro_rules! numbers {
    (
        $(#[$meta:meta])*
        $Type:ident, $Row:ident, $ROWS:ident, $rows:ident, $what:literal, $prefix:literal, $aliases:expr;
        $( $CONST:ident = $number:literal $name:literal $since:expr, $about:literal
           $(, $field:ident: $value:expr)* ; )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Type(pub u32);

        impl $Type {
            $( #[doc = $about] pub const $CONST: $Type = $Type($number); )*

            /// The row of this number, when there is one.
            pub fn row(self) -> Option<&'static $Row> {
                $ROWS.get(self.0 as usize)
            }

            /// The kernel's name, when the number is known.
            pub fn name(self) -> Option<&'static str> {
                self.row().map(|row| row.name)
            }
        }

        impl core::fmt::Display for $Type {
            /// The name; the number where there is no name.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => core::fmt::Display::fmt(&self.0, f),
                }
            }
        }

        impl core::fmt::Debug for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({self})", stringify!($Type))
            }
        }

        impl core::str::FromStr for $Type {
            type Err = $crate::UnknownName;

            /// Takes a name, an alias or a number; any number is kept, known or not.
            fn from_str(text: &str) -> Result<$Type, $crate::UnknownName> {
                let names = $ROWS.iter().map(|row| (row.name, row.id.0));
                $crate::table::lookup(text, $what, $prefix, names, $aliases).map($Type)
            }
        }

        static $ROWS: &[$Row] = &[ $( $Row {
            id: $Type($number), name: $name, since: $since, about: $about $(, $field: $value)*
        } ),* ];

        #[doc = concat!("Every known ", $what, ", in the order of their numbers.")]
        pub fn $rows() -> &'static [$Row] {
            $ROWS
        }

        #[cfg(test)]
        mod table_tests {
            #[test]
            fn rows_are_in_order_and_named_after_their_constants() {
                let constants = [$( ($number, stringify!($CONST)) ),*];
                for (index, (row, (number, constant))) in super::$ROWS.iter().zip(constants).enumerate() {
                    assert_eq!((row.id.0, number as usize), (number, index), "{}", row.name);
                    let bare = row.name.strip_prefix("bpf_").unwrap_or(row.name);
                    assert_eq!(bare, constant.to_lowercase());
                    assert!(row.about.ends_with('.') && row.about.len() > 8, "{}: {}", row.name, row.about);
                    let parsed: super::$Type = row.name.parse().unwrap();
                    assert_eq!(parsed, row.id);
                }
            }
        }
    };
}
pub(crate) use numbers;
