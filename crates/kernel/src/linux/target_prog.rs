//! Programs that are made for another program: what replaces one of its functions (freplace), or watches one (fentry,
//! fexit). The kernel knows the function by its type in the other program's BTF, and wants it when the program is loaded.

use std::os::fd::{AsFd, BorrowedFd};

use skep_abi::ProgType;
use skep_backend::{Error, ErrorKind, TargetProg};
use skep_btf::Kind;
use skep_object::Program;

use super::objects::{Prog, Selector};

/// How many of a program's functions an error names.
const SHOWN: usize = 10;

/// A function of a program that is in the kernel.
pub(super) struct Function {
    prog: Prog,
    /// Its FUNC in the program's BTF.
    pub(super) btf_id: u32,
}

impl Function {
    /// The function that `program` names, of the program that it is for.
    pub(super) fn find(program: &Program, target: &TargetProg) -> Result<Self, Error> {
        let wrong = |kind, why: String| Error::new(kind, format!("program `{}`: {why}", program.name));
        let selector = match target {
            TargetProg::Id(id) => Selector::Id(*id),
            TargetProg::Pinned(path) => Selector::Pinned(path.clone()),
        };
        let prog = Prog::find(&selector)?.remove(0);
        let shown = format!("program {} ({})", prog.info.id, prog.name());
        let Some(name) = &program.attach_to else {
            let error =
                wrong(ErrorKind::Invalid, format!("nothing says which function of {shown} it is for"));
            return Err(error.with_hint("say it in the section's name: freplace/FUNCTION, fexit/FUNCTION"));
        };
        let types = prog.types()?.ok_or_else(|| {
            wrong(
                ErrorKind::Unsupported,
                format!("{shown} was loaded without types, which name its functions"),
            )
        })?;
        let Some(id) = types.find(name, Kind::Func) else {
            let error = wrong(ErrorKind::NotFound, format!("{shown} has no function `{name}`"));
            let functions = types.types().filter(|t| t.kind() == Kind::Func);
            let known: Vec<_> = functions.map(|t| t.name()).take(SHOWN).collect();
            return Err(error.with_hint(format!("it has {}", known.join(", "))));
        };
        Ok(Self { prog, btf_id: id.0 })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.prog.as_fd()
    }
}

/// What a program that needs another one is told, if none is named.
pub(super) fn unnamed(program: &Program, prog_type: ProgType) -> Option<Error> {
    if prog_type != ProgType::EXT {
        return None;
    }
    let message = format!(
        "program `{}` replaces a function of another program, and nothing says of which",
        program.name
    );
    Some(
        Error::new(ErrorKind::Invalid, message)
            .with_hint("name it: --target-prog id:N or --target-prog PATH of a pin"),
    )
}
