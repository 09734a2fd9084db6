//! What the system knows of this process, under the names that Prometheus gives it. Nothing where there is no `/proc`.

use longshore_telemetry::Exposition;

/// Adds what can be read.
pub(super) fn expose(out: &mut Exposition) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
    if let Some(cpu) = read("stat").as_deref().and_then(cpu_seconds) {
        let help = "Time on the processors, of user and system together.";
        out.counter_f64("process_cpu_seconds_total", help, &[], cpu);
    }
    if let Some(bytes) = read("statm").as_deref().and_then(resident) {
        out.gauge("process_resident_memory_bytes", "Memory in use.", &[], bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        out.gauge("process_open_fds", "Open files and sockets.", &[], files.count() as f64);
    }
}

/// The 14th and 15th field, counted after the name, which may have anything in it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / rustix::param::clock_ticks_per_second() as f64)
}

/// The second field, in pages.
fn resident(statm: &str) -> Option<f64> {
    let pages: f64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 1";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(200.0 / ticks));
        assert_eq!(cpu_seconds("nonsense"), None);
        assert_eq!(resident("10 3 1"), Some(3.0 * rustix::param::page_size() as f64));
    }
}
