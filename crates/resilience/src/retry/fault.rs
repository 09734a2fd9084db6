use std::any::Any;
use std::error::Error;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use longshore_clock::Timestamp;

use crate::{
    AcquisitionTimeoutError, BoxError, BulkheadError, CircuitBreakerError, CircuitCallError, DeadlineError,
    EnqueueError, PutError, RateLimitedError, RetryBudgetExceededError, RetryError, RetryExhaustedError,
    Verdict,
};

/// Whether an error is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// It is not: trying again changes nothing, or nobody may.
    Pass,
    /// It is.
    Retry,
    /// It is, but not before this time has passed: the other side asks for it.
    RetryAfter(Duration),
}

impl Advice {
    /// By an HTTP status: 408, 425, 429 and all of 500 and above are worth another try. With 429 and 503 the header
    /// `Retry-After` has a say, if it can be read.
    pub fn of_status(status: u16, retry_after: Option<&str>, now: Timestamp) -> Self {
        let wish = || retry_after.and_then(|text| parse_retry_after(text, now)).map(Self::RetryAfter);
        match status {
            429 | 503 => wish().unwrap_or(Self::Retry),
            _ if Verdict::of_status(status) == Verdict::Failure => Self::Retry,
            _ => Self::Pass,
        }
    }
}

/// An error that knows whether it is worth another try. By default its text is searched for what passes by itself: a
/// connection that was refused or reset, a network or a host that cannot be reached, a time-out.
pub trait Fault: Display {
    /// Whether it is.
    fn advice(&self) -> Advice {
        if is_transient(&self.to_string()) { Advice::Retry } else { Advice::Pass }
    }

    /// Whether we refused, rather than the other side failed.
    fn is_local(&self) -> bool {
        false
    }

    /// Whether it is certain that the other side has heard nothing of the call, so that one that must not be made twice may be
    /// made again. By default it is not.
    fn is_unsent(&self) -> bool {
        false
    }

    /// What it says about the other side. By default that it has failed; a refusal of ours says nothing.
    fn verdict(&self) -> Verdict {
        if self.is_local() { Verdict::Ignored } else { Verdict::Failure }
    }
}

/// What opaque errors say when it is worth another try, in lower case.
const TRANSIENT: [&str; 16] = [
    "connection refused",
    "connection reset",
    "connection abort",
    "connection closed",
    "broken pipe",
    "network unreachable",
    "network is unreachable",
    "network is down",
    "host unreachable",
    "temporary failure",
    "no route to host",
    "econnreset",
    "etimedout",
    "timed out",
    "time-out",
    "socket closed",
];

fn is_transient(text: &str) -> bool {
    let text = text.to_lowercase();
    TRANSIENT.iter().any(|known| text.contains(known))
}

impl Fault for String {}
impl Fault for &str {}

/// As the error inside says, if it is one that is known here; by its text otherwise.
impl Fault for BoxError {
    fn advice(&self) -> Advice {
        if self.is_local() {
            return Advice::Pass;
        }
        match self.downcast_ref::<io::Error>() {
            Some(error) => error.advice(),
            None if is_transient(&self.to_string()) => Advice::Retry,
            None => Advice::Pass,
        }
    }

    fn is_local(&self) -> bool {
        is_boxed_refusal(&**self)
    }

    fn is_unsent(&self) -> bool {
        self.is_local() || self.downcast_ref::<io::Error>().is_some_and(Fault::is_unsent)
    }

    fn verdict(&self) -> Verdict {
        boxed_verdict(&**self)
    }
}

fn boxed_verdict(error: &(dyn Error + 'static)) -> Verdict {
    let says_nothing = is_boxed_refusal(error) || error.is::<DeadlineError>();
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.verdict(),
        None if says_nothing => Verdict::Ignored,
        None => Verdict::Failure,
    }
}

/// What an error says about the other side, as far as its type is known here.
pub(crate) fn usual_verdict<E: 'static>(error: &E) -> Verdict {
    let error: &dyn Any = error;
    if let Some(boxed) = error.downcast_ref::<BoxError>() {
        return boxed.verdict();
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.verdict();
    }
    let says_nothing = is_refusal(error) || error.is::<DeadlineError>();
    if says_nothing { Verdict::Ignored } else { Verdict::Failure }
}

/// An error of ours inside, as [`io::Error::other`] puts it there, is what it is outside.
impl Fault for io::Error {
    fn advice(&self) -> Advice {
        use io::ErrorKind as Kind;
        if self.is_local() {
            return Advice::Pass;
        }
        match self.kind() {
            Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
            // What a socket says whose time is over.
            | Kind::WouldBlock
            | Kind::UnexpectedEof => Advice::Retry,
            // What the system has a word for and is not worth another try.
            Kind::NotFound | Kind::PermissionDenied | Kind::InvalidInput | Kind::InvalidData | Kind::Unsupported => {
                Advice::Pass
            }
            // All else is looked for in the text: the resolver has no word of its own.
            _ if is_transient(&self.to_string()) => Advice::Retry,
            _ => Advice::Pass,
        }
    }

    fn is_local(&self) -> bool {
        self.get_ref().is_some_and(|inside| is_boxed_refusal(inside))
    }

    /// Nobody took the connection. Other kinds may come from one that was there.
    fn is_unsent(&self) -> bool {
        self.kind() == io::ErrorKind::ConnectionRefused || self.is_local()
    }

    fn verdict(&self) -> Verdict {
        self.get_ref().map_or(Verdict::Failure, |inside| boxed_verdict(inside))
    }
}

/// A refusal of ours: what was not called has not failed.
macro_rules! refusal {
    ([$($generics:tt)*] $error:ty) => {
        impl $($generics)* Fault for $error {
            fn advice(&self) -> Advice {
                Advice::Pass
            }

            fn is_local(&self) -> bool {
                true
            }

            fn is_unsent(&self) -> bool {
                true
            }
        }
    };
}

/// Those that are known also where only their type is.
macro_rules! refusals {
    ($($error:ty),*) => {
        $(refusal!([] $error);)*

        fn is_refusal(error: &dyn Any) -> bool {
            $(error.is::<$error>())||*
        }

        fn is_boxed_refusal(error: &(dyn Error + 'static)) -> bool {
            $(error.is::<$error>())||*
        }
    };
}

refusals!(AcquisitionTimeoutError, BulkheadError, CircuitBreakerError, RateLimitedError);
refusal!([<T>] PutError<T>);
refusal!([<T>] EnqueueError<T>);

impl<E: Fault> Fault for CircuitCallError<E> {
    fn advice(&self) -> Advice {
        match self {
            Self::Refused(refused) => refused.advice(),
            Self::Failed(error) => error.advice(),
        }
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Failed(error) => error.is_local(),
        }
    }

    fn is_unsent(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Failed(error) => error.is_unsent(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Refused(refused) => refused.verdict(),
            Self::Failed(error) => error.verdict(),
        }
    }
}

/// Nobody may try again what has been tried often enough.
impl<E: Fault> Fault for RetryExhaustedError<E> {
    fn advice(&self) -> Advice {
        Advice::Pass
    }

    fn is_local(&self) -> bool {
        self.last.is_local()
    }

    fn verdict(&self) -> Verdict {
        self.last.verdict()
    }
}

/// The budget is ours; what the last attempt says of the other side is true all the same.
impl<E: Fault> Fault for RetryBudgetExceededError<E> {
    fn advice(&self) -> Advice {
        Advice::Pass
    }

    fn is_local(&self) -> bool {
        true
    }

    fn verdict(&self) -> Verdict {
        self.last.verdict()
    }
}

impl<E: Fault> Fault for RetryError<E> {
    fn advice(&self) -> Advice {
        Advice::Pass
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Passed(error) => error.is_local(),
            Self::Exhausted(error) => error.is_local(),
            Self::Budget(error) => error.is_local(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Passed(error) => error.verdict(),
            Self::Exhausted(error) => error.verdict(),
            Self::Budget(error) => error.verdict(),
        }
    }
}

/// Reads the header `Retry-After`: seconds, or a date as HTTP writes it.
pub fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(since.as_millis() as i64).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_wait_is_read_as_seconds_or_as_a_date() {
        let now = Timestamp::from_millis(784_111_777_000);
        for (text, wait) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sunday, 06-Nov-94 08:49:38 GMT", Some(1)),
            ("Sun Nov  6 08:49:30 1994", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(parse_retry_after(text, now), wait.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        // As the resolver says it, without a word of the system for it.
        let lookup =
            io::Error::other("failed to lookup address information: Temporary failure in name resolution");
        let gone = io::Error::from_raw_os_error(2);
        let late = io::Error::from(io::ErrorKind::WouldBlock);
        let all = [lookup, gone, late].map(|error| error.advice());
        assert_eq!(all, [Advice::Retry, Advice::Pass, Advice::Retry]);
        assert_eq!("Connection RESET by peer".advice(), Advice::Retry);
        assert_eq!("out of paper".advice(), Advice::Pass);
        // The same in a box, and as mere text.
        for code in [32, 100, 101, 103, 104, 110, 111, 113] {
            let error = io::Error::from_raw_os_error(code);
            let text = error.to_string();
            let boxed: BoxError = error.into();
            assert_eq!([text.advice(), boxed.advice()], [Advice::Retry; 2], "{text}");
        }
        let late: BoxError = crate::TimeoutError(Duration::from_secs(1)).into();
        assert_eq!((late.advice(), late.verdict()), (Advice::Retry, Verdict::Failure));
        let full: BoxError = AcquisitionTimeoutError(Duration::ZERO).into();
        assert_eq!((full.advice(), full.verdict()), (Advice::Pass, Verdict::Ignored));
        let inside = io::Error::other(AcquisitionTimeoutError(Duration::ZERO));
        assert!(inside.is_local() && inside.is_unsent() && inside.advice() == Advice::Pass);
        assert_eq!([usual_verdict(&inside), usual_verdict(&BoxError::from(inside))], [Verdict::Ignored; 2]);
        assert_eq!(io::Error::from(io::ErrorKind::TimedOut).advice(), Advice::Retry);
        assert_eq!(io::Error::from(io::ErrorKind::PermissionDenied).advice(), Advice::Pass);
        assert_eq!(AcquisitionTimeoutError(Duration::ZERO).advice(), Advice::Pass);
    }
}
