//! Lists the files of `venues/` for the binary, so that a new file is built in without touching Rust.
//! It must not know what is in them.

use std::{env, error::Error, fmt::Write, fs, path::Path};

/// Not a venue: the first rows of a new store.
const SEED_FILE: &str = "seed.toml";

fn main() -> Result<(), Box<dyn Error>> {
    let venues = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../venues").canonicalize()?;
    println!("cargo::rerun-if-changed={}", venues.display());
    let mut paths: Vec<_> =
        fs::read_dir(&venues)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut code = String::from("const FILES: &[(&str, &str)] = &[\n");
    for path in paths.iter().filter(|path| !path.ends_with(SEED_FILE)) {
        println!("cargo::rerun-if-changed={}", path.display());
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({stem:?}, include_str!({:?})),", path.display().to_string())?;
    }
    let seed = venues.join(SEED_FILE);
    println!("cargo::rerun-if-changed={}", seed.display());
    writeln!(
        code,
        "];\n/// Not a venue: the first rows of a new store.\npub const SEED_FILE: &str = {SEED_FILE:?};"
    )?;
    writeln!(code, "const SEED: &str = include_str!({:?});", seed.display().to_string())?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("venues.rs"), code)?;
    Ok(())
}
