//! Compresses the page's files, and names the whole of them by what is in them: a browser may then keep each for ever,
//! and never shows a page made of two versions.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> std::io::Result<()> {
    let root = PathBuf::from("assets");
    println!("cargo::rerun-if-changed=assets");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let mut table = String::from("pub(crate) const FILES: &[File] = &[\n");
    // FNV-1a: it only tells versions apart.
    let mut version: u64 = 0xcbf2_9ce4_8422_2325;
    for (at, file) in files.iter().enumerate() {
        let content = std::fs::read(file)?;
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().into_owned();
        for byte in name.bytes().chain(content.iter().copied()) {
            version = (version ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let packed = out.join(format!("{at}.gz"));
        let mut encoder = GzEncoder::new(std::fs::File::create(&packed)?, Compression::best());
        encoder.write_all(&content)?;
        encoder.finish()?;
        writeln!(table, "    File {{ name: {name:?}, gzip: include_bytes!({:?}) }},", packed.display().to_string())
            .map_err(std::io::Error::other)?;
    }
    writeln!(table, "];\npub(crate) const VERSION: &str = \"{version:016x}\";").map_err(std::io::Error::other)?;
    std::fs::write(out.join("files.rs"), table)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if !path.to_string_lossy().ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}
