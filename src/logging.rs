//! The log: tracing, one line that a person can read, or JSON.

use anyhow::Context;
use config::settings::{LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatFields, debug_fn};

use crate::commands::{self, LogArgs};

/// The variable that says what is logged where the command line does not.
const VARIABLE: &str = "LEASEHOLD_LOG";
/// Parts of others, and what of theirs is told beside a mere level. Whoever can send a datagram makes hickory warn of it
/// (a source that cannot be answered, an answer to no question), as often as it likes: what an operator can do anything
/// about is told by our own parts.
const OTHERS: [(&str, &str); 5] = [
    ("hickory_server", "off"),
    ("hickory_net", "off"),
    ("hickory_resolver", "off"),
    ("hickory_proto", "off"),
    ("netlink_proto", "warn"),
];

/// Starts the log on standard error: as the command line says, else as the environment does, else by these defaults.
///
/// # Errors
/// What was asked for cannot be read.
pub fn start(asked: &LogArgs, level: LogLevel, format: LogFormat) -> anyhow::Result<()> {
    let by_variable = std::env::var(VARIABLE).ok();
    let (wanted, from) = match (&asked.log, &by_variable) {
        (Some(wanted), _) => (wanted.as_str(), "--log"),
        (None, Some(wanted)) => (wanted.as_str(), VARIABLE),
        (None, None) => (word(level), "the level"),
    };
    let unreadable = || {
        format!(
            "{from} {wanted:?} cannot be read; write error, warn, info, debug or trace, or by part as in info,ddns=debug"
        )
    };
    anyhow::ensure!(names_levels(wanted), unreadable());
    let filter = EnvFilter::try_new(directives(wanted)).with_context(unreadable)?;
    let as_json = asked.log_format.map_or(format == LogFormat::Json, |format| format == commands::LogFormat::Json);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // They would be printed to where nothing can be written, and printing there panics.
        .log_internal_errors(false);
    if as_json {
        builder.json().init();
    } else {
        // The fields of a lease stand in its sentence already.
        builder.fmt_fields(for_people()).with_ansi(commands::terminal::has_colours(&std::io::stderr())).init();
    }
    Ok(())
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

/// Whether each word without a part is a level: another one, misspelt, would be taken for a part, and all else be silent.
fn names_levels(wanted: &str) -> bool {
    let mut words = wanted.split(',').map(str::trim).filter(|word| !word.contains(['=', '[']));
    words.all(|word| !word.is_empty() && word.parse::<LevelFilter>().is_ok())
}

/// A mere level is that of our own parts. Anything longer is taken as it stands.
fn directives(wanted: &str) -> String {
    if !["error", "warn", "info", "debug", "trace"].contains(&wanted) {
        return wanted.to_owned();
    }
    OTHERS.iter().fold(wanted.to_owned(), |text, (part, level)| match wanted {
        "error" if *level != "off" => text,
        _ => format!("{text},{part}={level}"),
    })
}

/// The message, and each field but those that only machines read.
fn for_people() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if name.starts_with("lease.") => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_that_of_our_own_parts_and_more_is_taken_as_it_stands() {
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            let text = directives(word(level));
            assert!(text.starts_with(&format!("{},hickory_server=off", word(level))), "{text}");
            assert_eq!(text.contains("netlink_proto=warn"), level != LogLevel::Error, "{text}");
            assert!(EnvFilter::try_new(text).is_ok());
        }
        assert_eq!(directives("info,ddns=debug"), "info,ddns=debug");
    }

    #[test]
    fn a_misspelt_level_is_not_taken_for_a_part() {
        for wanted in ["info", "WARN", "off", "info,ddns=debug", "lease=trace"] {
            assert!(names_levels(wanted), "{wanted}");
        }
        for wanted in ["verbose", "info,dns", "", "debgu"] {
            assert!(!names_levels(wanted), "{wanted}");
        }
    }
}
