/* SPDX-License-Identifier: MIT */
/*
 * One page that the kernel wipes in the child (MADV_WIPEONFORK, Linux 4.14) holds the number; the
 * child, finding zero, takes the next one. That holds also for clone() without CLONE_VM, which no
 * atfork handler sees, and costs a load where getpid() costs a system call. Where the kernel does
 * not offer it, getpid() it is.
 */
#include "fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint32_t *page;
static _Atomic uint32_t last;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	if (madvise(p, size, MADV_WIPEONFORK) != 0) {
		munmap(p, size);
		return;
	}
	page = p;
}

uint32_t fork_generation(void)
{
	uint32_t g, zero = 0;

	pthread_once(&once, make_page);
	if (!page)
		return (uint32_t)getpid();
	g = atomic_load_explicit(page, memory_order_relaxed);
	if (g != 0)
		return g;
	/* Several threads may come here at once; the first one's number holds. */
	g = atomic_fetch_add(&last, 1) + 1;
	return atomic_compare_exchange_strong(page, &zero, g) ? g : zero;
}
