//! `Debug` output without secrets.

/// Implements `Debug` with these fields only, because the others may be secret.
macro_rules! debug_only {
    ($type:ident$(<$lifetime:lifetime>)?: $($field:ident),+) => {
        impl std::fmt::Debug for $type$(<$lifetime>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))+
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use debug_only;
