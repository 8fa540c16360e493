//! A build script whose settings are its arguments: `[--clang PROGRAM] [--vmlinux FILE] [--flag FLAG]… [--deny-warnings]
//! [--keep-dwarf] [--compile-commands] [--kernel-btfs PLACE]… [--sources PATTERN]… SOURCE…`.

use btf_build::Builder;

fn main() {
    let mut builder = Builder::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("an option has a value");
        builder = match arg.as_str() {
            "--clang" => builder.clang(value()),
            "--vmlinux" => builder.vmlinux(value()),
            "--flag" => builder.flag(value()),
            "--deny-warnings" => builder.deny_warnings(true),
            "--keep-dwarf" => builder.keep_dwarf(true),
            "--compile-commands" => builder.compile_commands(true),
            "--kernel-btfs" => builder.kernel_btfs(value()),
            "--sources" => builder.sources(value()),
            source => builder.source(source),
        };
    }
    builder.build();
}
