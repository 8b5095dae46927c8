//! Functions of the program: subprograms, global ones, callbacks.

use skep_diag::Code;

pub(super) static ROWS: &[Code] = &[
    Code {
        id: "V0601",
        title: "functions without type information",
        story: r#"Taking the address of a function needs BTF function info: compile with `-g`."#,
    },
    Code {
        id: "V0602",
        title: "a callback must be static",
        story: r#"The function whose address is taken must be `static`: callbacks are verified with the arguments that the helper gives them,
not on their own."#,
    },
    Code {
        id: "V0603",
        title: "no callback for this map type",
        story: r#"`bpf_for_each_map_elem()` walks arrays and hashes only."#,
    },
    Code {
        id: "V0604",
        title: "a global function that can't be verified alone",
        story: r#"A global function is verified once, from its types alone. Its arguments can be numbers, the context, or pointers to types
of a known size; it has at most five, and returns a number.

Make it `static`, or change its prototype. Tag arguments (`__arg_ctx`, `__arg_nonnull`) where the type does not tell."#,
    },
    Code {
        id: "V0605",
        title: "wrong arguments for a global function",
        story: r#"What is passed does not fit the prototype of the global function. A pointer argument must point to as many bytes of readable
and writable memory as its type has."#,
    },
    Code {
        id: "V0606",
        title: "a function that may end the program",
        story: r#"A function with a tail call or LD_ABS can end the program early: it needs BTF and must return `int`."#,
    },
    Code {
        id: "V0607",
        title: "records of functions that do not fit the program",
        story: r#"Function info has one record for each function, in order, the first at instruction 0, and each names a `FUNC` of the
program's BTF. Who links or edits bytecode has to move the records with the functions."#,
    },
];
