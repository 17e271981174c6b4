//! BIND's `$GENERATE range owner [ttl] [class] type data`: one line for each number of a range.

/// How many records one directive makes.
pub const GENERATED_MAX: u32 = 65_536;

/// `start-stop[/step]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    start: u32,
    stop: u32,
    step: u32,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a range such as 1-254 or 0-30/2");
        let (range, step) = text.split_once('/').unwrap_or((text, "1"));
        let (start, stop) = range.split_once('-').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|value| i32::try_from(*value).is_ok());
        let (start, stop, step) = match (number(start), number(stop), number(step)) {
            (Some(start), Some(stop), Some(step)) if start <= stop && step > 0 => (start, stop, step),
            _ => return Err(wrong()),
        };
        if (stop - start) / step >= GENERATED_MAX {
            return Err(format!("`{text}` makes more than {GENERATED_MAX} records"));
        }
        Ok(Self { start, stop, step })
    }

    /// The numbers.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (self.start..=self.stop).step_by(self.step as usize)
    }
}

/// `text` with `$` as the number, `${offset[,width[,base]]}` as the number plus the offset with that many digits in base d,
/// o, x, X, n or N; `$$` and `\$` as a dollar sign.
///
/// # Errors
/// What is wrong with it, in words.
pub fn substitute(text: &str, number: u32) -> Result<String, String> {
    let mut made = String::with_capacity(text.len() + 4);
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        made.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\\') {
            if let Some(after) = after.strip_prefix('$') {
                made.push('$');
                rest = after;
                continue;
            }
            made.push('\\');
            let next = after.chars().next().map_or(0, char::len_utf8);
            made.push_str(&after[..next]);
            rest = &after[next..];
        } else if let Some(after) = rest.strip_prefix("$$") {
            made.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let (modifier, after) = after.split_once('}').ok_or("a `}` is missing")?;
            made.push_str(&modified(modifier, number)?);
            rest = after;
        } else {
            made.push_str(&number.to_string());
            rest = &rest[1..];
        }
    }
    made.push_str(rest);
    Ok(made)
}

fn modified(modifier: &str, number: u32) -> Result<String, String> {
    let wrong = || format!("`{modifier}` is not offset,width,base such as 0,3,d");
    let mut parts = modifier.split(',');
    let offset: i64 = parts.next().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let width = parts.next().map_or(Ok(0), str::parse).ok().filter(|width: &usize| *width <= 64).ok_or_else(wrong)?;
    let base = parts.next().unwrap_or("d");
    let value = u32::try_from(i64::from(number) + offset).map_err(|_| format!("{number} and {offset} is below 0"))?;
    if parts.next().is_some() {
        return Err(wrong());
    }
    Ok(match base {
        "d" => format!("{value:0width$}"),
        "o" => format!("{value:0width$o}"),
        "x" => format!("{value:0width$x}"),
        "X" => format!("{value:0width$X}"),
        "n" => nibbles(value, width, false),
        "N" => nibbles(value, width, true),
        _ => return Err(wrong()),
    })
}

/// Hexadecimal digits, the last one first, with dots between them: names in ip6.arpa. The width counts the dots too.
fn nibbles(value: u32, width: usize, upper: bool) -> String {
    let digits = if upper { format!("{value:X}") } else { format!("{value:x}") };
    let mut made: Vec<String> = digits.chars().rev().map(String::from).collect();
    while made.len() * 2 - 1 < width {
        made.push("0".to_owned());
    }
    made.join(".")
}
