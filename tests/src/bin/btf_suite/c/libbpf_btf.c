/* libbpf's types, with deduplication by btf-core in the place of its own. Writing and reading of types stay libbpf's. */
#define SUITE_HARNESS
#include "btf.c"
#include "ask.h"

int suite_dedup(struct btf *btf, const struct btf_dedup_opts *opts);

static struct part raw(const struct btf *btf)
{
	__u32 size = 0;
	const void *bytes = btf ? btf__raw_data(btf, &size) : NULL;

	return BYTES(bytes, size);
}

struct answer suite_ask_btf(const char *verb, const struct btf *btf, struct part first,
			    struct part second, struct part third)
{
	const struct btf *base = btf__base_btf(btf);
	struct part of_base = raw(base), own = raw(btf);

	return ask(verb, own, of_base, first, second, third);
}

int suite_dedup(struct btf *btf, const struct btf_dedup_opts *opts)
{
	const struct part none = {};
	struct answer answer = suite_ask_btf("dedup", btf, none, none, none);
	struct btf *fresh;

	if (answer.status == 0) {
		fresh = btf__new_split(answer.bytes, answer.size, btf->base_btf);
		if (libbpf_get_error(fresh)) {
			answer.status = -EINVAL;
		} else {
			struct btf old = *btf;

			*btf = *fresh;
			*fresh = old;
			/* The base belongs to the test. */
			fresh->owns_base = false;
			btf__free(fresh);
		}
	}
	free(answer.bytes);
	return answer.status;
}
