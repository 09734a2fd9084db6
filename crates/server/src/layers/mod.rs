//! What happens around every request.

pub(crate) mod correlation;
