/* Functions of libbpf that btf-core stands in for. */
#define SUITE_HARNESS
#include "test_progs.h"
#include "ask.h"

/* In front of text that shows a value, so that it is compared as such. */
#define VALUE_MARK "\1"

struct answer suite_ask_btf(const char *verb, const struct btf *btf, struct part first,
			    struct part second, struct part third);

struct btf_dump {
	const struct btf *btf;
	btf_dump_printf_fn_t print;
	void *ctx;
	/* What has been written of the types so far. */
	char *text;
};

int suite_btf_load(const void *data, size_t size, struct bpf_btf_load_opts *opts)
{
	errno = ENOSYS;
	return -ENOSYS;
}

struct btf_dump *suite_dump_new(const struct btf *btf, btf_dump_printf_fn_t print, void *ctx,
				const struct btf_dump_opts *opts)
{
	struct btf_dump *dump = calloc(1, sizeof(*dump));

	if (!dump)
		_exit(3);
	*dump = (struct btf_dump){ .btf = btf, .print = print, .ctx = ctx, .text = strdup("") };
	return dump;
}

void suite_dump_free(struct btf_dump *dump)
{
	if (dump)
		free(dump->text);
	free(dump);
}

static void print(struct btf_dump *dump, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	dump->print(dump->ctx, format, args);
	va_end(args);
}

/* btf-core writes all types at once, which is when a test has come to the last one; of a dump that goes on after types
 * were added, only what is new. */
int suite_dump_type(struct btf_dump *dump, __u32 id)
{
	const struct part none = {};
	struct answer answer;

	if (id + 1 != btf__type_cnt(dump->btf))
		return 0;
	answer = suite_ask_btf("dump", dump->btf, BYTES(dump->text, strlen(dump->text)), none, none);
	if (answer.status == 0)
		print(dump, "%s", answer.bytes);
	dump->text = realloc(dump->text, strlen(dump->text) + answer.size + 1);
	if (!dump->text)
		_exit(3);
	strcat(dump->text, answer.bytes);
	free(answer.bytes);
	return answer.status;
}

int suite_dump_type_data(struct btf_dump *dump, __u32 id, const void *data, size_t size,
			 const struct btf_dump_type_data_opts *opts)
{
	struct answer answer;

	answer = suite_ask_btf("value", dump->btf, VALUE(id), BYTES(data, size), (struct part){});
	if (answer.status >= 0)
		print(dump, VALUE_MARK "%s", answer.bytes);
	free(answer.bytes);
	return answer.status;
}

static int section(const char *name, __u32 numbers[3])
{
	struct answer answer = ask("section", TEXT(name));

	if (answer.status == 0 && answer.size == 3 * sizeof(__u32))
		memcpy(numbers, answer.bytes, answer.size);
	free(answer.bytes);
	return answer.status;
}

int suite_prog_type_by_name(const char *name, enum bpf_prog_type *type,
			    enum bpf_attach_type *attach_type)
{
	__u32 numbers[3] = {};
	int err = section(name, numbers);

	*type = numbers[0];
	*attach_type = numbers[1];
	return err;
}

int suite_attach_type_by_name(const char *name, enum bpf_attach_type *attach_type)
{
	__u32 numbers[3] = {};
	int err = section(name, numbers);

	if (err || !numbers[2])
		return -EINVAL;
	*attach_type = numbers[1];
	return 0;
}

struct btf *suite_kernel_btf(void)
{
	return btf__parse(getenv("SUITE_KERNEL_BTF"), NULL);
}

static char *read_all(FILE *file)
{
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return strdup("");
	if (getdelim(&text, &size, '\0', file) < 0)
		text = strdup("");
	return text;
}

/* The one command that tests run is `FILTER | diff -u - 'FILE'`. */
int suite_system(const char *command)
{
	static const char DIFF[] = " | diff -u - '";
	const char *diff = strstr(command, DIFF);
	char *filter, *path, *expected, *actual;
	FILE *file;
	int ret;

	if (!diff)
		return -1;
	filter = strndup(command, diff - command);
	path = strdup(diff + strlen(DIFF));
	path[strcspn(path, "'")] = '\0';
	file = popen(filter, "r");
	expected = read_all(file);
	pclose(file);
	file = fopen(path, "r");
	actual = read_all(file);
	fclose(file);
	ret = suite_compare(actual, expected, SIZE_MAX);
	if (ret)
		suite_fail("\"%s\" instead of \"%s\"", actual, expected);
	unlink(path);
	free(filter);
	free(path);
	free(expected);
	free(actual);
	return ret;
}
