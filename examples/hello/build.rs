fn main() {
    btf_build::build("src/bpf/hello.bpf.c");
}
