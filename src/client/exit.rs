//! What `kmsign` exits with. The numbers are those of sysexits.h, and 1 says that the answer is a no.

macro_rules! exit_table {
    ($($variant:ident $code:literal $meaning:literal;)*) => {
        /// How a run ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Exit {
            $(#[doc = $meaning] $variant,)*
        }

        impl Exit {
            /// The whole table, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

exit_table! {
    Done 0 "Done.";
    No 1 "The answer is a no: not found, in conflict, not usable, refused by KMS, not valid, not verified, not ready, not confirmed, or a policy explained as deny.";
    Usage 64 "The command line is wrong, or the daemon has no such method.";
    BadData 65 "A value is wrong.";
    Unavailable 69 "The daemon cannot be reached, or it can't use KMS, its store or its audit.";
    Defect 70 "A defect of the daemon, or a signature that did not verify.";
    Output 74 "The output could not be written, or the input could not be read.";
    TryAgain 75 "Not now: overloaded, frozen, stopping, waiting for approval, or the answer was lost. What to repeat is on standard error.";
    Protocol 76 "What answers on the socket does not speak as kmsignd does.";
    Denied 77 "The policy does not permit it, or the socket does not let you in.";
}

/// For the end of the help text.
pub(super) fn help() -> String {
    let rows: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning())).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}
