//! `leasehold web`: what is written into the configuration for those who come over HTTP.

use std::fs::OpenOptions;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use jiff::civil::Date;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use web::Role;
use web::access::{passwords, token_hash, token_text};

/// Control and C, which ends the input of a password without one.
const INTERRUPT: u8 = 0x03;

/// Make a user or a token for the page and the HTTP API.
#[derive(Debug, Subcommand)]
pub enum Web {
    /// Hash a password, and print what to put into the configuration.
    ///
    /// The password is asked for twice without being shown, or read from standard input where that is no terminal.
    Password(Password),
    /// Make a token for scripts, and print what to put into the configuration.
    ///
    /// The token itself is shown this once, on standard error, so that it does not end in the file that the rest is sent to:
    /// the configuration holds its digest only.
    Token(Token),
}

/// Hash a password.
#[derive(Args, Debug)]
pub struct Password {
    /// Whose it is.
    #[arg(long, value_name = "NAME", default_value = "NAME")]
    pub user: String,
    /// What they may do: view, operate or administer.
    #[arg(long, value_name = "ROLE", default_value = "view")]
    pub role: Role,
}

/// Make a token.
#[derive(Args, Debug)]
pub struct Token {
    /// What the log calls it.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it may be used for: view, operate or administer.
    #[arg(long, value_name = "ROLE")]
    pub role: Role,
    /// The last day on which it is taken, such as 2027-12-31; else it has no end.
    #[arg(long, value_name = "DAY")]
    pub expires: Option<Date>,
    /// An address or a prefix that it may be used from, as often as needed; else from everywhere.
    #[arg(long = "address", value_name = "ADDRESS", value_parser = block)]
    pub addresses: Vec<String>,
    /// A new file, for its owner alone, that the token is written to instead of being shown.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

fn block(text: &str) -> Result<String, String> {
    match text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() {
        true => Ok(text.to_owned()),
        false => Err("neither an address nor a prefix".to_owned()),
    }
}

/// Runs it.
///
/// # Errors
/// The password is too short, differs when it is written again, or cannot be read.
pub fn run(web: &Web) -> anyhow::Result<ExitCode> {
    match web {
        Web::Password(password) => hash(password)?,
        Web::Token(token) => make(token)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn hash(asked: &Password) -> anyhow::Result<()> {
    let password = read_password()?;
    let random = crate::http::random();
    let (salt, _) = random.split_first_chunk().context("there is no randomness")?;
    let hash = passwords::hash(&password, salt).map_err(anyhow::Error::msg)?;
    println!("[[web.user]]");
    println!("name = {}", quoted(&asked.user));
    println!("role = {}", quoted(asked.role.word()));
    println!("password_hash = {}", quoted(&hash));
    Ok(())
}

fn make(asked: &Token) -> anyhow::Result<()> {
    let text = token_text(crate::http::random());
    let hash: String = token_hash(&text).iter().map(|octet| format!("{octet:02x}")).collect();
    match &asked.token_file {
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let written = file.and_then(|mut file| writeln!(file, "{text}"));
            written.with_context(|| format!("the token cannot be written to {}", path.display()))?;
        }
        None => eprintln!("The token, which is shown this once: {text}"),
    }
    println!("[[web.token]]");
    println!("name = {}", quoted(&asked.name));
    println!("role = {}", quoted(asked.role.word()));
    println!("token_hash = {}", quoted(&hash));
    if let Some(day) = asked.expires {
        println!("expires = {}", quoted(&day.to_string()));
    }
    if !asked.addresses.is_empty() {
        let list: Vec<String> = asked.addresses.iter().map(|address| quoted(address)).collect();
        println!("addresses = [{}]", list.join(", "));
    }
    Ok(())
}

/// As a string of TOML: JSON's escapes are TOML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn read_password() -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return read_line();
    }
    let password = ask("Password: ")?;
    if ask("Again: ")? != password {
        bail!("the two are not the same; nothing was made");
    }
    Ok(password)
}

fn read_line() -> anyhow::Result<String> {
    let mut line = Vec::new();
    std::io::stdin().lock().read_until(b'\n', &mut line).context("the password cannot be read")?;
    if line.last() == Some(&INTERRUPT) {
        bail!("interrupted; nothing was made");
    }
    let text = String::from_utf8(line).ok().context("the password is not text in UTF-8")?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    let silence = Silence::begin()?;
    eprint!("{prompt}");
    std::io::stderr().flush()?;
    let line = read_line();
    drop(silence);
    eprintln!();
    line
}

/// A terminal that shows nothing of what is typed; as it was, when dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("the terminal cannot be kept from showing the password")?;
        let mut silent = before.clone();
        // A signal would end the program and leave the terminal silent: so control and C only ends the line.
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        silent.control_chars[SpecialCharacterIndices::VEOL as usize] = INTERRUPT;
        tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &silent)
            .context("the terminal cannot be kept from showing the password")?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}
