/* Questions to the program that started this one: a verb and parts of bytes, answered by a status and bytes. */
#ifndef SUITE_ASK_H
#define SUITE_ASK_H

#include <stddef.h>

struct part {
	const void *bytes;
	size_t size;
};

#define TEXT(text) ((struct part){ (text), strlen(text) })
#define BYTES(bytes, size) ((struct part){ (bytes), (size) })
#define VALUE(value) ((struct part){ &(value), sizeof(value) })

struct answer {
	int status;
	/* NUL-terminated, and to be freed. */
	char *bytes;
	size_t size;
};

struct answer ask_parts(const char *verb, size_t count, const struct part *parts);

#define ask(verb, ...)								\
	({									\
		const struct part __parts[] = { __VA_ARGS__ };			\
		ask_parts(verb, sizeof(__parts) / sizeof(__parts[0]), __parts);	\
	})

/* Asks and returns the status alone. */
#define tell(verb, ...)								\
	({									\
		struct answer __answer = ask(verb, __VA_ARGS__);		\
		free(__answer.bytes);						\
		__answer.status;						\
	})

#endif
