//! Prints what the running kernel can do, and since when kernels can: `cargo run -p btf-core --example features`, as root.

use std::fmt::Display;

use btf_core::map::MapType;
use btf_core::obj::ProgType;
use btf_core::probe::{self, Features, Version};

fn main() {
    let features = Features::running();
    println!("# Features");
    for probe in probe::all() {
        line(
            probe.name(),
            features.has(probe),
            Some(probe.since()),
            probe.options(),
        );
    }
    println!("# Types of programs");
    for prog_type in (1..).map(ProgType).map_while(|t| Some((t, t.name()?))) {
        let (prog_type, name) = prog_type;
        let since = prog_type.since().map(Version::from);
        let options = probe::prog_type_options(prog_type);
        line(name, features.has_prog_type(prog_type), since, options);
    }
    println!("# Types of maps");
    for (map_type, since) in (1..).map(MapType).map_while(|t| Some((t, t.since()?))) {
        let options = probe::map_type_options(map_type);
        line(
            map_type,
            features.has_map_type(map_type),
            Some(since.into()),
            options,
        );
    }
}

fn line(what: impl Display, has: btf_core::Result<bool>, since: Option<Version>, options: &[&str]) {
    let answer = match has {
        Ok(true) => "yes".to_owned(),
        Ok(false) => "no".to_owned(),
        Err(e) => format!("? ({e})"),
    };
    let since = since.map_or_else(String::new, |since| format!("since {since}"));
    println!(
        "{:<40} {answer:<4} {since} {}",
        what.to_string(),
        options.join(" ")
    );
}
