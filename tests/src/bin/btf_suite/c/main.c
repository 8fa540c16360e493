/* Runs the tests that the arguments name, and reports to the program that started this one. */
#define SUITE_HARNESS
#include "test_progs.h"
#include "ask.h"

struct test_env env;

static int to_parent = -1;

static void put(const void *bytes, size_t size)
{
	while (size > 0) {
		ssize_t done = write(to_parent, bytes, size);

		if (done <= 0)
			_exit(3);
		bytes += done;
		size -= done;
	}
}

static void get(void *bytes, size_t size)
{
	while (size > 0) {
		ssize_t done = read(STDIN_FILENO, bytes, size);

		if (done <= 0)
			_exit(3);
		bytes += done;
		size -= done;
	}
}

static void put_part(struct part part)
{
	__u32 size = part.size;

	put(&size, sizeof(size));
	put(part.bytes, part.size);
}

struct answer ask_parts(const char *verb, size_t count, const struct part *parts)
{
	struct answer answer = {};
	__u32 number = count + 1, size;

	put(&number, sizeof(number));
	put_part(TEXT(verb));
	for (size_t i = 0; i < count; i++)
		put_part(parts[i]);
	get(&answer.status, sizeof(answer.status));
	get(&size, sizeof(size));
	answer.size = size;
	answer.bytes = malloc(size + 1);
	if (!answer.bytes)
		_exit(3);
	get(answer.bytes, size);
	answer.bytes[size] = '\0';
	return answer;
}

bool test__start_subtest(const char *name)
{
	tell("case", TEXT(name));
	return true;
}

void test__end_subtest(void)
{
}

void test__skip(void)
{
	tell("skip", TEXT("the test itself skips it"));
}

void test__fail(void)
{
	suite_fail("failed");
}

void suite_fail(const char *format, ...)
{
	char *message = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		_exit(3);
	va_end(args);
	tell("fail", TEXT(message));
	free(message);
}

int suite_compare(const char *actual, const char *expected, size_t limit)
{
	int ret = limit == SIZE_MAX ? strcmp(actual, expected) : strncmp(actual, expected, limit);
	__u32 is_prefix = limit != SIZE_MAX;

	if (ret == 0)
		return 0;
	return tell("compare", TEXT(actual), TEXT(expected), VALUE(is_prefix)) == 0 ? 0 : ret;
}

void suite_btf_tables(void);
void test_btf_dump(void);
void test_btf_split(void);
void test_btf_dedup_split(void);
void test_section_names(void);
void test_core_autosize(void);
void test_core_extern(void);
void test_linked_funcs(void);
void test_linked_maps(void);
void test_linked_vars(void);
void test_skeleton(void);

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "btf", suite_btf_tables },
	{ "btf_dump", test_btf_dump },
	{ "btf_split", test_btf_split },
	{ "btf_dedup_split", test_btf_dedup_split },
	{ "section_names", test_section_names },
	/* These load programs. */
	{ "core_autosize", test_core_autosize },
	{ "core_extern", test_core_extern },
	{ "linked_funcs", test_linked_funcs },
	{ "linked_maps", test_linked_maps },
	{ "linked_vars", test_linked_vars },
	{ "skeleton", test_skeleton },
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static bool is_named(const char *name, char **names)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

int main(int argc, char **argv)
{
	to_parent = dup(STDOUT_FILENO);
	/* What tests print themselves is no answer. */
	if (to_parent < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return 3;
	libbpf_set_print(quiet);
	(void)argc;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!is_named(tests[i].name, argv + 1))
			continue;
		tell("test", TEXT(tests[i].name));
		tests[i].run();
	}
	tell("end", TEXT(""));
	return 0;
}
