//! Settings that the environment makes: each is read only where a program asks for it.

use std::str::FromStr;
use std::time::Duration;

use crate::Invalid;
use crate::duration::check_duration;

/// What the environment says, by name.
pub struct Variables<F>(pub F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn read<T>(
        &self,
        name: &str,
        usual: T,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Invalid> {
        match (self.0)(name) {
            None => Ok(usual),
            Some(text) => read(text.trim()).ok_or_else(|| Invalid::new(name, expected, format!("{text:?}"))),
        }
    }

    /// A number, or the usual one.
    pub fn number<T: FromStr>(&self, name: &str, usual: T) -> Result<T, Invalid> {
        self.read(name, usual, "a number", |text| text.parse().ok())
    }

    /// A number, or `off` for none.
    pub fn number_or_off<T: FromStr>(&self, name: &str, usual: Option<T>) -> Result<Option<T>, Invalid> {
        self.read(name, usual, "a number, or off", |text| {
            if text == "off" { Some(None) } else { text.parse().ok().map(Some) }
        })
    }

    /// A number of `unit`s, or the usual time.
    pub fn time(&self, name: &str, unit: Duration, usual: Duration) -> Result<Duration, Invalid> {
        let time = self.read(name, usual, "a number above zero", |text| {
            let seconds = text.parse().ok().filter(|number: &f64| *number > 0.0)? * unit.as_secs_f64();
            // What is longer than any duration is too long as well.
            Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).filter(|time| !time.is_zero())
        })?;
        check_duration(name, time)?;
        Ok(time)
    }

    /// What is wrong with a setting, by the name of the variable that has made it, if one of these has.
    pub fn blame(&self, wrong: Invalid, made: &[(&str, &str)]) -> Invalid {
        match made.iter().find(|(field, name)| *field == wrong.field && (self.0)(name).is_some()) {
            Some((_, name)) => Invalid { field: (*name).into(), ..wrong },
            None => wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_by_the_name_of_its_variable() {
        let (second, usual) = (Duration::from_secs(1), Duration::from_secs(7));
        let time =
            |text: Option<&str>| Variables(|_: &str| text.map(ToOwned::to_owned)).time("T", second, usual);
        assert_eq!(time(None), Ok(usual));
        assert_eq!(time(Some(" 1.5 ")), Ok(Duration::from_millis(1_500)));
        // The last but one is shorter than any duration, the last one longer.
        for text in ["", "soon", "0", "-1", "NaN", "1e-12", "1e300"] {
            assert_eq!(time(Some(text)).unwrap_err().field, "T", "{text}");
        }
        let said = Variables(|name: &str| (name == "A").then(|| "0".to_owned()));
        for (field, blamed) in [("a", "A"), ("b", "b")] {
            let wrong = said.blame(Invalid::new(field, "more", 0), &[("a", "A"), ("b", "B")]);
            assert_eq!(wrong.field, blamed);
        }
    }
}
