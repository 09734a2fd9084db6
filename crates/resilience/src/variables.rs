//! Settings that the environment makes: each is read only where a program asks for it.

use std::str::FromStr;
use std::time::Duration;

use longshore_core::Invalid;

/// What the environment says, by name.
pub(crate) struct Variables<F>(pub(crate) F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// A number, or the usual one.
    pub(crate) fn number<T: FromStr>(&self, name: &str, usual: T) -> Result<T, Invalid> {
        match (self.0)(name) {
            None => Ok(usual),
            Some(text) => {
                text.trim().parse().map_err(|_| Invalid::new(name, "a number", format!("{text:?}")))
            }
        }
    }

    /// A number, or `off` for none.
    pub(crate) fn number_or_off<T: FromStr>(
        &self,
        name: &str,
        usual: Option<T>,
    ) -> Result<Option<T>, Invalid> {
        match (self.0)(name) {
            None => Ok(usual),
            Some(text) if text.trim() == "off" => Ok(None),
            Some(text) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Invalid::new(name, "a number, or off", format!("{text:?}"))),
            },
        }
    }

    /// A number of `unit`s, or the usual time.
    pub(crate) fn time(&self, name: &str, unit: Duration, usual: Duration) -> Result<Duration, Invalid> {
        let Some(text) = (self.0)(name) else { return Ok(usual) };
        let number = text.trim().parse().ok().filter(|number: &f64| *number > 0.0);
        let time = number.and_then(|number| Duration::try_from_secs_f64(number * unit.as_secs_f64()).ok());
        time.ok_or_else(|| Invalid::new(name, "a number above zero", format!("{text:?}")))
    }
}
