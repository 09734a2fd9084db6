//! What happens around every request.

pub(crate) mod correlation;
pub(crate) mod measure;
pub(crate) mod trace;
