/* Skeletons of libbpf over objects that btf-core opens, loads and attaches in the process that started this one. Their
 * data is copied from there after whatever can have changed it. */
#define SUITE_HARNESS
#include <sys/syscall.h>
#include "test_progs.h"
#include "ask.h"

struct bpf_map {
	struct bpf_object *object;
	const char *name;
	void *data;
	size_t size;
};

struct bpf_program {
	struct bpf_object *object;
	const char *name;
};

/* A link lasts as long as its object. */
struct bpf_link {
	struct bpf_object *object;
};

struct bpf_object {
	struct bpf_object *next;
	struct bpf_object_skeleton *skeleton;
	struct bpf_map *maps;
	struct bpf_program *programs;
	struct bpf_link link;
	bool is_loaded;
};

static struct bpf_object *objects;

/* `.bss` of `test_ske.bss`. */
static const char *section(const struct bpf_map *map)
{
	const char *dot = strchr(map->name, '.');

	return dot ?: map->name;
}

static struct part id(struct bpf_object *const *object)
{
	return BYTES(object, sizeof(*object));
}

static void pull(struct bpf_object *object)
{
	struct bpf_object_skeleton *skeleton = object->skeleton;

	for (int i = 0; i < skeleton->map_cnt; i++) {
		struct bpf_map *map = &object->maps[i];
		struct answer answer;

		if (!skeleton->maps[i].mmaped)
			continue;
		answer = ask("data", id(&object), TEXT(section(map)));
		/* Configuration values are known once the object is loaded. */
		if (answer.status || (!object->is_loaded && !strcmp(section(map), ".kconfig"))) {
			free(answer.bytes);
			continue;
		}
		if (!map->data) {
			map->data = calloc(1, answer.size + 1);
			map->size = answer.size;
			*skeleton->maps[i].mmaped = map->data;
		}
		if (map->data && answer.size == map->size)
			memcpy(map->data, answer.bytes, answer.size);
		free(answer.bytes);
	}
}

static void push(struct bpf_object *object)
{
	for (int i = 0; i < object->skeleton->map_cnt; i++) {
		struct bpf_map *map = &object->maps[i];

		if (map->data)
			tell("set-data", id(&object), TEXT(section(map)), BYTES(map->data, map->size));
	}
}

int suite_open_skeleton(struct bpf_object_skeleton *skeleton,
			const struct bpf_object_open_opts *opts)
{
	struct bpf_object *object = calloc(1, sizeof(*object));
	const char *config = opts && opts->kconfig ? opts->kconfig : "";
	const char *btf = opts && opts->btf_custom_path ? opts->btf_custom_path : "";
	__u32 has_config = opts && opts->kconfig;
	int err;

	if (!object)
		return -ENOMEM;
	object->skeleton = skeleton;
	object->link.object = object;
	object->maps = calloc(skeleton->map_cnt, sizeof(*object->maps));
	object->programs = calloc(skeleton->prog_cnt, sizeof(*object->programs));
	*skeleton->obj = object;
	for (int i = 0; i < skeleton->map_cnt; i++) {
		object->maps[i] = (struct bpf_map){ .object = object, .name = skeleton->maps[i].name };
		*skeleton->maps[i].map = &object->maps[i];
	}
	for (int i = 0; i < skeleton->prog_cnt; i++) {
		object->programs[i] = (struct bpf_program){ object, skeleton->progs[i].name };
		*skeleton->progs[i].prog = &object->programs[i];
	}
	err = tell("open", id(&object), TEXT(skeleton->name), BYTES(skeleton->data, skeleton->data_sz),
		   VALUE(has_config), TEXT(config), TEXT(btf));
	object->next = objects;
	objects = object;
	if (err == 0)
		pull(object);
	return err;
}

int suite_load(struct bpf_object *object)
{
	int err;

	push(object);
	err = tell("load", id(&object));
	if (err == 0) {
		object->is_loaded = true;
		pull(object);
	}
	return err;
}

int suite_load_skeleton(struct bpf_object_skeleton *skeleton)
{
	return suite_load(*skeleton->obj);
}

int suite_attach_skeleton(struct bpf_object_skeleton *skeleton)
{
	struct bpf_object *object = *skeleton->obj;

	push(object);
	return tell("attach", id(&object), TEXT(""));
}

void suite_destroy_skeleton(struct bpf_object_skeleton *skeleton)
{
	struct bpf_object **link = &objects, *object = skeleton ? *skeleton->obj : NULL;

	while (*link && *link != object)
		link = &(*link)->next;
	if (!object || !*link)
		return;
	*link = object->next;
	tell("close", id(&object));
	for (int i = 0; i < skeleton->map_cnt; i++)
		free(object->maps[i].data);
	free(object->maps);
	free(object->programs);
	free(object);
	free(skeleton->maps);
	free(skeleton->progs);
	free(skeleton);
}

int suite_set_autoload(struct bpf_program *program, bool autoload)
{
	__u32 flag = autoload;

	return tell("autoload", id(&program->object), TEXT(program->name), VALUE(flag));
}

struct bpf_link *suite_attach(const struct bpf_program *program)
{
	struct bpf_object *object = program->object;

	push(object);
	return tell("attach", id(&object), TEXT(program->name)) ? NULL : &object->link;
}

struct bpf_program *suite_find_program(const struct bpf_object *object, const char *name)
{
	for (int i = 0; i < object->skeleton->prog_cnt; i++)
		if (!strcmp(object->programs[i].name, name))
			return &object->programs[i];
	return NULL;
}

struct bpf_map *suite_find_map(const struct bpf_object *object, const char *name)
{
	for (int i = 0; i < object->skeleton->map_cnt; i++)
		if (!strcmp(object->maps[i].name, name) || !strcmp(section(&object->maps[i]), name))
			return &object->maps[i];
	return NULL;
}

int suite_lookup(const struct bpf_map *map, const void *key, size_t key_size, void *value,
		 size_t value_size, __u64 flags)
{
	struct answer answer = ask("data", id(&map->object), TEXT(section(map)));

	if (answer.status == 0)
		memcpy(value, answer.bytes, answer.size < value_size ? answer.size : value_size);
	free(answer.bytes);
	return answer.status;
}

const char *suite_map_name(const struct bpf_map *map)
{
	return map->name;
}

static __u32 is_shared(const struct bpf_map *map)
{
	__u32 shared = 0;
	struct answer answer = ask("is-shared", id(&map->object), TEXT(section(map)));

	if (answer.status == 0 && answer.size == sizeof(shared))
		memcpy(&shared, answer.bytes, sizeof(shared));
	free(answer.bytes);
	return shared;
}

/* The descriptor is the other process's. Tests try to map what cannot be mapped, which fails here, too. */
int suite_map_fd(const struct bpf_map *map)
{
	return is_shared(map) ? open("/dev/zero", O_RDWR) : -1;
}

__u32 suite_map_flags(const struct bpf_map *map)
{
	return is_shared(map) ? BPF_F_MMAPABLE : 0;
}

/* What tests trigger their programs with. */
int suite_usleep(unsigned int microseconds)
{
	int ret = usleep(microseconds);

	for (struct bpf_object *object = objects; object; object = object->next)
		pull(object);
	return ret;
}

long suite_syscall(long number)
{
	long ret = syscall(number);

	for (struct bpf_object *object = objects; object; object = object->next)
		pull(object);
	return ret;
}
