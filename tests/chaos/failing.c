/* SPDX-License-Identifier: MIT */
/*
 * Which call fails. The file named by $FAILING_PLAN says it, and whoever has mapped it too may
 * say it anew at any time. Without it nothing fails.
 *
 * Two calls are the same if their stacks are: as files and offsets, because a program is somewhere
 * else at each start. A set of the stacks that have failed outlives the program, in the file.
 */
#include "failing.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

enum { MODULES_MAX = 128 };

struct module {
	uintptr_t start, end, base;
	const char *name;
	uint64_t hash;
};

static struct failing *plan; /* NULL until it is known */
static struct module modules[MODULES_MAX];
static size_t n_modules;
static char program[PATH_MAX]; /* the linker gives it no name */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* Of the model that needs no allocation at its first use. */
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

static uint64_t text_hash(const char *s)
{
	uint64_t h = 0;

	while (*s)
		h = mix(h, (uint8_t)*s++);
	return h;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *userdata)
{
	const char *name = *info->dlpi_name ? info->dlpi_name : program;

	(void)size;
	(void)userdata;
	for (size_t i = 0; i < info->dlpi_phnum && n_modules < MODULES_MAX; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X))
			modules[n_modules++] = (struct module){
				start, start + p->p_memsz, info->dlpi_addr, name, text_hash(name),
			};
	}
	return 0;
}

static const struct module *find_module(uintptr_t address)
{
	for (size_t again = 0; again < 2; again++) {
		for (size_t i = 0; i < n_modules; i++) {
			if (address >= modules[i].start && address < modules[i].end)
				return &modules[i];
		}
		n_modules = 0; /* one that was loaded meanwhile */
		(void)dl_iterate_phdr(add_module, NULL);
	}
	return NULL;
}

/* The first that is not of this library. */
static int first_frame(void **frames, int n)
{
	const struct module *own = find_module((uintptr_t)frames[0]);
	int i = 0;

	while (own && i < n && (uintptr_t)frames[i] >= own->start &&
	       (uintptr_t)frames[i] < own->end)
		i++;
	return i;
}

static uint64_t stack_hash(enum failing_kind kind, void **frames, int n)
{
	uint64_t h = mix(1, (uint64_t)kind);

	for (int i = 0; i < n && i < (int)plan->frames; i++) {
		uintptr_t address = (uintptr_t)frames[i];
		const struct module *m = find_module(address);

		if (m)
			h = mix(mix(h, m->hash), address - m->base);
	}
	return h ? h : 1;
}

/* Whether it was not there; a full set takes everything for known. */
static bool add_stack(uint64_t hash)
{
	uint64_t at = hash % FAILING_SEEN_MAX;

	if (plan->n_seen > FAILING_SEEN_MAX / 2)
		return false;
	for (; plan->seen[at]; at = (at + 1) % FAILING_SEEN_MAX) {
		if (plan->seen[at] == hash)
			return false;
	}
	plan->seen[at] = hash;
	plan->n_seen++;
	return true;
}

static void tell_where(void **frames, int n)
{
	size_t used = 0;

	for (int i = 0; i < n && used + 1 < sizeof(plan->where); i++) {
		const struct module *m = find_module((uintptr_t)frames[i]);
		int len = snprintf(plan->where + used, sizeof(plan->where) - used, "%s+0x%lx\n",
				   m ? m->name : "-",
				   (unsigned long)((uintptr_t)frames[i] - (m ? m->base : 0)));

		used += len > 0 ? (size_t)len : 0;
	}
}

struct walk {
	void **frames;
	int n;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *userdata)
{
	struct walk *w = userdata;

	if (w->n == FAILING_FRAMES_MAX)
		return _URC_END_OF_STACK;
	w->frames[w->n++] = (void *)_Unwind_GetIP(context);
	return _URC_NO_REASON;
}

/* backtrace() would load the unwinder with a dlopen(), which the leak checker takes for a leak. */
static int walk_stack(void **frames)
{
	struct walk w = { frames, 0 };

	(void)_Unwind_Backtrace(add_frame, &w);
	return w.n;
}

static bool is_of_spared(const char *spared, const struct module *m)
{
	const char *slash = m ? strrchr(m->name, '/') : NULL,
		   *end = slash ? strstr(slash, ".so") : NULL;
	char word[128];

	if (!end)
		return false;
	(void)snprintf(word, sizeof(word), " %.*s ", (int)(end - slash), slash);
	return strstr(spared, word);
}

/* $FAILING_SPARES has, between blanks, the public functions and the /libraries that are known not to bear it. */
static bool is_spared(void **frames, int n)
{
	const char *spared = getenv("FAILING_SPARES");
	char word[128];
	Dl_info info;

	if (spared && n > 0 && is_of_spared(spared, find_module((uintptr_t)frames[0])))
		return true;
	for (int i = 0; spared && i < n; i++) {
		if (!dladdr(frames[i], &info) || !info.dli_sname)
			continue;
		(void)snprintf(word, sizeof(word), " %s ", info.dli_sname);
		if (strstr(spared, word))
			return true;
	}
	return false;
}

static bool decide(enum failing_kind kind)
{
	void *frames[FAILING_FRAMES_MAX];
	int n, first;

	plan->calls++;
	if (plan->mode == FAILING_COUNTDOWN && --plan->countdown > 0)
		return false;
	n = walk_stack(frames);
	first = first_frame(frames, n);
	if (!add_stack(stack_hash(kind, frames + first, n - first)) && plan->mode == FAILING_NEW)
		return false;
	if (is_spared(frames + first, n - first)) {
		plan->countdown = 1; /* the next one instead */
		return false;
	}
	plan->mode = FAILING_OFF;
	plan->kind = kind;
	tell_where(frames + first, n - first);
	plan->hits++;
	return true;
}

bool failing(enum failing_kind kind)
{
	bool fails = false;

	if (!plan || inside || plan->mode == FAILING_OFF || !(plan->kinds & 1u << kind))
		return false;
	inside = true;
	pthread_mutex_lock(&mutex);
	if (plan->mode != FAILING_OFF)
		fails = decide(kind);
	pthread_mutex_unlock(&mutex);
	inside = false;
	return fails;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("FAILING_PLAN");
	int fd;

	if (!path)
		return;
	inside = true;
	(void)readlink("/proc/self/exe", program, sizeof(program) - 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		void *p = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		close(fd);
		plan = p == MAP_FAILED ? NULL : p;
	}
	inside = false;
	if (!plan) {
		(void)fprintf(stderr, "failing: cannot map %s\n", path);
		abort();
	}
}
