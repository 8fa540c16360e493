//! A build script whose settings are its arguments: `[--clang PROGRAM] [--vmlinux FILE] [--flag
//! FLAG]… [--warn NAME]… [--include DIR]… [--link NAME=SOURCE,…]… [--deny-warnings] [--keep-dwarf]
//! [--compile-commands] [--kernel-btfs PLACE]… [--headers] [--sources PATTERN]… SOURCE…`.

use btf_build::Builder;

fn main() {
    let mut builder = Builder::new();
    let mut only_headers = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("an option has a value");
        builder = match arg.as_str() {
            "--clang" => builder.clang(value()),
            "--vmlinux" => builder.vmlinux(value()),
            "--flag" => builder.flag(value()),
            "--warn" => builder.warn(&value()),
            "--include" => builder.include(value()),
            "--link" => {
                let value = value();
                let (name, sources) = value.split_once('=').expect("NAME=SOURCES");
                builder.link(name, sources.split(','))
            }
            "--deny-warnings" => builder.deny_warnings(true),
            "--keep-dwarf" => builder.keep_dwarf(true),
            "--compile-commands" => builder.compile_commands(true),
            "--kernel-btfs" => builder.kernel_btfs(value()),
            "--headers" => {
                only_headers = true;
                builder
            }
            "--sources" => builder.sources(value()),
            source => builder.source(source),
        };
    }
    if !only_headers {
        return builder.build();
    }
    match builder.try_headers() {
        Ok(folders) => folders.iter().for_each(|dir| println!("{}", dir.display())),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1);
        }
    }
}
