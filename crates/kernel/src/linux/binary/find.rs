//! Which file a name means: a path is itself, a name alone is looked for where programs, or libraries, lie. The folders
//! and their order are libbpf's; what it takes from the environment is passed in.

use std::path::{Path, PathBuf};

use skep_backend::{Error, ErrorKind};

/// Folders that are looked in before the system's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// For programs, as PATH has them.
    pub programs: Vec<PathBuf>,
    /// For libraries, as LD_LIBRARY_PATH has them.
    pub libraries: Vec<PathBuf>,
}

const PROGRAMS: &[&str] = &["/usr/bin", "/usr/sbin"];
const LIBRARIES: &[&str] = &["/usr/lib64", "/usr/lib"];
/// Where Debian and its kind keep the libraries of this machine.
const OF_MACHINE: Option<&str> = if cfg!(target_arch = "x86_64") {
    Some("/lib/x86_64-linux-gnu")
} else if cfg!(target_arch = "aarch64") {
    Some("/lib/aarch64-linux-gnu")
} else if cfg!(target_arch = "riscv64") {
    Some("/lib/riscv64-linux-gnu")
} else {
    None
};

/// Finds a program or library.
///
/// # Errors
/// If there is none of that name.
pub(in crate::linux) fn find(name: &str, search: &Search) -> Result<PathBuf, Error> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let library = name.ends_with(".so") || name.contains(".so.");
    let (given, own) = if library { (&search.libraries, LIBRARIES) } else { (&search.programs, PROGRAMS) };
    let machine = OF_MACHINE.filter(|_| library);
    let folders = given.iter().map(PathBuf::as_path).chain(own.iter().copied().chain(machine).map(Path::new));
    let usable = |p: &PathBuf| p.metadata().is_ok_and(|m| m.is_file() && (library || executable(&m)));
    let found = folders.filter(|f| !f.as_os_str().is_empty()).map(|f| f.join(name)).find(usable);
    found.ok_or_else(|| {
        let what = if library { "library" } else { "program" };
        let error = Error::new(ErrorKind::NotFound, format!("no {what} `{name}` is installed"));
        error.with_hint("give its path, with a slash in it")
    })
}

fn executable(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_for_and_paths_are_not() {
        let dir = std::env::temp_dir().join(format!("skep-find-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder of our own");
        std::fs::write(dir.join("libskep.so.1"), "").expect("ours");
        std::fs::write(dir.join("skep-not-executable"), "").expect("ours");
        let search = Search { programs: vec![dir.clone()], libraries: vec![dir.clone()] };
        let library = find("libskep.so.1", &search);
        let program = find("skep-not-executable", &search);
        std::fs::remove_dir_all(&dir).expect("ours");
        assert_eq!(library.expect("it is there"), dir.join("libskep.so.1"));
        assert_eq!(program.expect_err("not executable").kind(), ErrorKind::NotFound);
        assert_eq!(find("./a/b", &search).expect("as it is"), Path::new("./a/b"));
        let none = find("libskep.so.2", &Search::default()).expect_err("nowhere");
        assert_eq!(none.to_string(), "no library `libskep.so.2` is installed");
    }
}
