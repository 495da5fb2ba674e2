//! This file is where a broken invariant stops the process, in production too.

/// Stops the process if `condition` doesn't hold: our own state is wrong, and going on would spread it.
///
/// Never for input: what comes from outside is rejected, refused or an error.
#[macro_export]
macro_rules! invariant {
    ($condition:expr $(,)?) => {
        if !$condition {
            panic!("broken invariant: {}", stringify!($condition));
        }
    };
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            panic!("broken invariant: {}: {}", stringify!($condition), format_args!($($message)+));
        }
    };
}
