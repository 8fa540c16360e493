/*
 * Every layout that C has for what maps and globals hold. Where the names are odd, they are there to be: Rust's keywords,
 * names that differ in case alone, and names of what a skeleton has itself.
 */
#ifndef TORTURE_H
#define TORTURE_H

#define packed __attribute__((packed))
#define aligned(n) __attribute__((aligned(n)))

/* ---- Names for types ---- */

typedef __u32 user_id;
typedef user_id owner_id;
typedef int (*callback)(void *ctx, int event);
typedef struct {
	__u16 x;
	__u16 y;
} point;
typedef point corner;
typedef char label[12];
typedef __u16 triple[3];
typedef __u64 aligned(4) loose_u64;

/* ---- Enums: of every width, signed and not ---- */

enum small { SMALL_ONE = 1, SMALL_MOST = 200 } packed;
enum color { RED, GREEN = 5, LIME = 5, BLUE };
enum negative { NEGATIVE_ONE = -1, NEGATIVE_MOST = -2147483647 - 1, POSITIVE_MOST = 2147483647 };
enum wide { WIDE_ONE = 1, WIDE_MOST = 0xfedcba9876543210 };
enum wide_negative { WIDE_NEGATIVE = -0x123456789abcdef0, WIDE_POSITIVE = 0x123456789abcdef0 };
enum words { match, Self, self, yield, loop, gen };

/* ---- Padding and alignment ---- */

struct padded {
	__u8 a;
	__u64 b;
	__u16 c;
	__u32 d;
	__u8 e;
};

struct squeezed {
	__u8 a;
	__u64 b;
	__u16 c;
	struct padded inner;
	__u32 d[3];
	enum color e;
} packed;

struct squeezed_even {
	__u8 a;
	__u32 b;
	__u8 c;
} packed aligned(4);

/* Aligned by every sign but its attribute. */
struct squeezed_by_name {
	__u32 a;
	__u32 b;
} packed;

struct over_aligned {
	__u32 a;
	__u8 b;
} aligned(64);

struct over_member {
	__u8 a;
	__u32 b aligned(32);
	loose_u64 d;
	__u8 c;
};

struct empty {};

struct around_empty {
	__u8 before;
	struct empty nothing;
	__u32 after;
};

/* ---- Scalars ---- */

struct scalars {
	char c;
	signed char sc;
	unsigned char uc;
	short s;
	unsigned short us;
	int i;
	unsigned int ui;
	long l;
	unsigned long ul;
	long long ll;
	unsigned long long ull;
	__int128 i128;
	unsigned __int128 u128;
	_Bool yes;
	_Bool no;
	float f;
	double d;
	enum small small;
	enum color color;
	enum negative negative;
	enum words word;
	user_id user;
	owner_id owner;
	const volatile __s32 modified;
};

/* A clang that has no 64-bit enums in BTF writes them wrongly. */
struct wide_enums {
	enum wide unsigned_one;
	enum wide_negative signed_one;
};

struct pointers {
	void *data;
	const char *text;
	int (*function)(struct pointers *, int);
	callback back;
	struct nowhere *opaque;
	struct pointers *next;
	char **list[2];
};

/* ---- Bitfields ---- */

struct bits {
	__u32 a : 1;
	__u32 b : 7;
	__s32 c : 5;
	__s32 : 3;
	__s32 d : 16;
	__u64 e : 37;
	__s64 f : 27;
	__s64 g : 63;
	_Bool h : 1;
	enum color i : 4;
	enum negative j : 3;
	__u8 plain;
	__u64 whole : 64;
	__u8 last : 3;
	/* Setters have names too. */
	__u8 set_last : 2;
};

struct bits_packed {
	__u8 a : 3;
	__u32 b : 30;
	__s64 c : 50;
	__u16 d : 5;
	__u32 e;
} packed;

struct bits_only {
	__u32 flag : 1;
};

struct bits_huge {
	unsigned __int128 a : 100;
	__int128 b : 28;
};

/* ---- Unions, and members without a name ---- */

union number {
	__u8 byte;
	__s16 half;
	__u32 word;
	__u64 both[2];
	float ratio;
	struct padded parts;
	__u32 low : 4;
	__s32 also_low : 5;
	user_id user;
};

union tight {
	__u8 a;
	__u32 b;
	__u8 c[5];
} packed;

struct unnamed {
	__u8 tag;
	struct {
		__u16 left;
		__u16 right;
		struct {
			__u8 deep;
			__u32 deep_bits : 9;
		};
	};
	union {
		__u64 wide;
		struct {
			__u32 low;
			__u32 high;
		};
		union {
			__s8 tiny;
			__s16 small;
		};
		__u64 first_bits : 12;
	};
	struct {
		__u8 x;
	} inside;
	union {
		__s32 number;
		char text[8];
	} choice;
	enum { UNNAMED_OFF, UNNAMED_ON = 7 } state;
	__u8 last;
};

/* ---- Arrays ---- */

struct arrays {
	__u32 grid[2][3];
	char names[2][8];
	__u8 raw[5];
	_Bool flags[3];
	point points[2];
	corner corners[1];
	enum color colors[2];
	void *pointers[2];
	label title;
	triple three;
	union number numbers[2];
	struct {
		__u8 a;
		__u16 b;
	} pairs[2][2];
	double ratios[2];
	struct over_aligned far[2];
	struct squeezed_even even[3];
};

struct flexible {
	__u32 len;
	__u64 data[];
};

struct flexible_odd {
	__u64 a;
	__u8 b;
	char text[];
};

struct flexible_union {
	__u16 len;
	union {
		struct {
			struct {} none;
			__u16 halves[];
		};
		struct {
			struct {} nothing;
			__u8 bytes[];
		};
	};
};

/* ---- Names ---- */

struct type {
	int match;
	int self;
	int self_;
	int Self;
	int fn;
	int gen;
	int async;
	int _;
	int nrEvents;
	int nr_events;
	int __padding_1;
	__u8 narrow;
	__u64 r_type;
};

struct two_words { __u8 a; };
struct twoWords { __u16 a; };
struct TwoWords { __u32 a; };
typedef __u64 Two_Words;

struct Maps { __u8 links; };
struct Option { __u8 some; };
struct Result { __u8 ok; };

struct names {
	struct type type;
	struct two_words two_words;
	struct twoWords twoWords;
	struct TwoWords TwoWords;
	Two_Words Two_Words;
	struct Maps maps;
	struct Option option;
	struct Result result;
};

/* ---- All of it ---- */

struct torture {
	struct padded padded;
	struct squeezed squeezed;
	struct squeezed_even squeezed_even;
	struct squeezed_by_name squeezed_by_name;
	struct over_aligned over_aligned;
	struct over_member over_member;
	struct around_empty around_empty;
	struct scalars scalars;
	struct wide_enums wide_enums;
	struct pointers pointers;
	struct bits bits;
	struct bits_packed bits_packed;
	struct bits_only bits_only;
	struct bits_huge bits_huge;
	union number number;
	union tight tight;
	struct unnamed unnamed;
	struct arrays arrays;
	struct names names;
	struct flexible_odd flexible;
};

/* ---- Types that nothing holds ---- */

struct exported {
	struct exported_part {
		__u8 a;
	} part;
};
enum exported_kind { EXPORTED_ONE = 1 };
typedef __u32 exported_id;
struct exported_by_pointer { __u8 a; };
struct exported_by_dummy { __u8 a; };

#undef packed
#undef aligned

#endif
