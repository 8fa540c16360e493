/* The part of the selftests' harness that their BTF tests use, and the functions of libbpf that btf-core stands in for. */
/* The guard of the selftests' own header, which then stays out. */
#ifndef __TEST_PROGS_H
#define __TEST_PROGS_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/types.h>
#include <linux/err.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "bpf_util.h"

enum verbosity { VERBOSE_NONE };

struct test_env {
	enum verbosity verbosity;
};

extern struct test_env env;

bool test__start_subtest(const char *name);
void test__end_subtest(void);
void test__skip(void);
void test__fail(void);

static inline __u64 ptr_to_u64(const void *pointer)
{
	return (unsigned long)pointer;
}

/* Reports a failed assertion of the current case. */
void suite_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Compares texts by their meaning where one of them comes from btf-core; 0 if they are the same. */
int suite_compare(const char *actual, const char *expected, size_t limit);

/* Every check goes through here; returns whether it holds. */
#define suite_check(holds, name, format...)					\
	({									\
		bool __holds = (holds);						\
		int __errno = errno;						\
		if (!__holds)							\
			suite_fail(format);					\
		errno = __errno;						\
		__holds;							\
	})

#define _CHECK(condition, tag, duration, format...)				\
	({									\
		int __failed = !!(condition);					\
		(void)(duration);						\
		suite_check(!__failed, tag, format);				\
		__failed;							\
	})
#define CHECK(condition, tag, format...) _CHECK(condition, tag, duration, format)
#define PRINT_FAIL(format...) suite_fail(format)

#define suite_integers(actual, op, expected, name)				\
	({									\
		typeof(actual) __actual = (actual);				\
		typeof(expected) __expected = (expected);			\
		suite_check(__actual op __expected, name, "%s: %lld, not " #op " %lld", name,	\
			    (long long)__actual, (long long)__expected);	\
	})
#define ASSERT_EQ(actual, expected, name) suite_integers(actual, ==, expected, name)
#define ASSERT_NEQ(actual, expected, name) suite_integers(actual, !=, expected, name)
#define ASSERT_LT(actual, expected, name) suite_integers(actual, <, expected, name)
#define ASSERT_GT(actual, expected, name) suite_integers(actual, >, expected, name)
#define ASSERT_LE(actual, expected, name) suite_integers(actual, <=, expected, name)
#define ASSERT_GE(actual, expected, name) suite_integers(actual, >=, expected, name)
#define ASSERT_TRUE(actual, name) suite_check(actual, name, "%s: false", name)
#define ASSERT_FALSE(actual, name) suite_check(!(actual), name, "%s: true", name)
#define ASSERT_OK(actual, name) suite_integers(actual, ==, 0, name)
#define ASSERT_ERR(actual, name) suite_integers(actual, <, 0, name)
#define ASSERT_NULL(actual, name) suite_check(!(actual), name, "%s: not null", name)
#define ASSERT_OK_PTR(actual, name)						\
	suite_check(!IS_ERR_OR_NULL(actual), name, "%s: no pointer", name)
#define ASSERT_ERR_PTR(actual, name) suite_check(!(actual), name, "%s: a pointer", name)
#define suite_texts(actual, expected, limit, name)				\
	({									\
		const char *__actual = (actual), *__expected = (expected);	\
		suite_check(suite_compare(__actual, __expected, limit) == 0, name,	\
			    "%s: \"%s\" instead of \"%s\"", name, __actual, __expected);	\
	})
#define ASSERT_STREQ(actual, expected, name) suite_texts(actual, expected, SIZE_MAX, name)
#define ASSERT_STRNEQ(actual, expected, len, name) suite_texts(actual, expected, len, name)

#ifndef SUITE_HARNESS
/* Functions under test: btf-core does what they do. */
#define bpf_btf_load suite_btf_load
#define btf__dedup suite_dedup
#define btf_dump__new suite_dump_new
#define btf_dump__free suite_dump_free
#define btf_dump__dump_type suite_dump_type
#define btf_dump__dump_type_data suite_dump_type_data
#define libbpf_prog_type_by_name suite_prog_type_by_name
#define libbpf_attach_type_by_name suite_attach_type_by_name
/* Where the tests find the kernel's types, compare output, and run diff. */
#define libbpf_find_kernel_btf suite_kernel_btf
#define system suite_system
/* Objects: see objects.c. */
#define bpf_object__open_skeleton suite_open_skeleton
#define bpf_object__load_skeleton suite_load_skeleton
#define bpf_object__attach_skeleton suite_attach_skeleton
#define bpf_object__destroy_skeleton suite_destroy_skeleton
#define bpf_object__load suite_load
#define bpf_object__find_program_by_name suite_find_program
#define bpf_object__find_map_by_name suite_find_map
#define bpf_program__set_autoload suite_set_autoload
#define bpf_program__attach suite_attach
#define bpf_map__lookup_elem suite_lookup
#define bpf_map__name suite_map_name
#define bpf_map__fd suite_map_fd
#define bpf_map__map_flags suite_map_flags
#define usleep suite_usleep
#ifdef SUITE_TRIGGERS
#define syscall suite_syscall
#endif
#define strcmp(a, b) suite_compare(a, b, SIZE_MAX)
#endif

int suite_open_skeleton(struct bpf_object_skeleton *skeleton,
			const struct bpf_object_open_opts *opts);
int suite_load_skeleton(struct bpf_object_skeleton *skeleton);
int suite_attach_skeleton(struct bpf_object_skeleton *skeleton);
void suite_destroy_skeleton(struct bpf_object_skeleton *skeleton);
int suite_load(struct bpf_object *object);
struct bpf_program *suite_find_program(const struct bpf_object *object, const char *name);
struct bpf_map *suite_find_map(const struct bpf_object *object, const char *name);
int suite_set_autoload(struct bpf_program *program, bool autoload);
struct bpf_link *suite_attach(const struct bpf_program *program);
int suite_lookup(const struct bpf_map *map, const void *key, size_t key_size, void *value,
		 size_t value_size, __u64 flags);
const char *suite_map_name(const struct bpf_map *map);
int suite_map_fd(const struct bpf_map *map);
__u32 suite_map_flags(const struct bpf_map *map);
int suite_usleep(unsigned int microseconds);
long suite_syscall(long number);

struct btf_dump;
int suite_btf_load(const void *data, size_t size, struct bpf_btf_load_opts *opts);
int suite_dedup(struct btf *btf, const struct btf_dedup_opts *opts);
struct btf_dump *suite_dump_new(const struct btf *btf, btf_dump_printf_fn_t print, void *ctx,
				const struct btf_dump_opts *opts);
void suite_dump_free(struct btf_dump *dump);
int suite_dump_type(struct btf_dump *dump, __u32 id);
int suite_dump_type_data(struct btf_dump *dump, __u32 id, const void *data, size_t size,
			 const struct btf_dump_type_data_opts *opts);
int suite_prog_type_by_name(const char *name, enum bpf_prog_type *type,
			    enum bpf_attach_type *attach_type);
int suite_attach_type_by_name(const char *name, enum bpf_attach_type *attach_type);
struct btf *suite_kernel_btf(void);
int suite_system(const char *command);

#endif
