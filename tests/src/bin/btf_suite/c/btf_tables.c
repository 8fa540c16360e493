/* The tables of prog_tests/btf.c, row by row: what is loaded into a kernel there is asked of btf-core here. */
#include "test_progs.h"
#include "ask.h"
#include "prog_tests/btf.c"

/* BTF as a test's row describes it. */
static void *raw_btf(const struct btf_raw_test *test, unsigned int *size)
{
	struct btf_header *hdr = btf_raw_create(&hdr_tmpl, test->raw_types, test->str_sec,
						test->str_sec_size, size, NULL);

	if (!hdr)
		return NULL;
	hdr->hdr_len = (int)hdr->hdr_len + test->hdr_len_delta;
	hdr->type_off = (int)hdr->type_off + test->type_off_delta;
	hdr->str_off = (int)hdr->str_off + test->str_off_delta;
	hdr->str_len = (int)hdr->str_len + test->str_len_delta;
	return hdr;
}

static void load(const struct btf_raw_test *test)
{
	__u32 kernel_rejects = test->btf_load_err, libbpf_rejects;
	unsigned int size;
	void *raw = raw_btf(test, &size);
	struct btf *btf;

	test__start_subtest(test->descr);
	if (!raw)
		return;
	btf = btf__new(raw, size);
	libbpf_rejects = libbpf_get_error(btf) != 0;
	if (!libbpf_rejects)
		btf__free(btf);
	tell("parse", BYTES(raw, size), VALUE(kernel_rejects), VALUE(libbpf_rejects),
	     TEXT(test->err_str ?: ""));
	free(raw);
}

static void pprint(const struct btf_raw_test *test, int number)
{
	size_t value_size = round_up(get_pprint_mapv_size(test->mapv_kind), 8);
	void *value = calloc(1, value_size);
	char line[255], name[64];
	unsigned int size;
	void *raw = raw_btf(test, &size);

	if (!raw || !value)
		return;
	for (__u32 key = 0; key < test->max_entries; key++) {
		snprintf(name, sizeof(name), "pprint #%d, row %u", number, key);
		test__start_subtest(name);
		set_pprint_mapv(test->mapv_kind, value, key, 1, value_size);
		get_pprint_expected_line(test->mapv_kind, line, sizeof(line), false, key, 0, value);
		tell("pprint", BYTES(raw, size), VALUE(test->value_type_id),
		     BYTES(value, value_size), TEXT(line));
	}
	free(value);
	free(raw);
}

void suite_btf_tables(void)
{
	for (int i = 0; i < ARRAY_SIZE(raw_tests); i++)
		load(&raw_tests[i]);
	for (int i = 1; i <= ARRAY_SIZE(dedup_tests); i++)
		do_test_dedup(i);
	for (int i = 0; i < ARRAY_SIZE(pprint_test_template); i++)
		pprint(&pprint_test_template[i], i + 1);
}
