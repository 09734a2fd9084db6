/// Gives types a `Debug` that tells their name only: what is inside changes while somebody looks, or is nobody's business.
#[macro_export]
macro_rules! opaque {
    ($($name:ident $(<$($generic:tt),+>)?),+ $(,)?) => {$(
        impl $(<$($generic),+>)? ::std::fmt::Debug for $name $(<$($generic),+>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}
