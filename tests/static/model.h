/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Lists and tables as gcc's and clang's analyzers are to see them, which tests/static/check puts in front of
 * each source. They lose sight of what the macros of sys/queue.h and uthash do to their links, and then
 * take what was taken out for still there, and freed, and what was put in for lost. Here a function that
 * they know nothing of does it: it may have changed the container, and it knows the element.
 */

#define HASH_NONFATAL_OOM 1

#include <sys/queue.h>
#include <uthash.h>

void model_change(void *container, void *element);
void *model_find(const void *container, const void *key);
void *model_next(const void *element);
unsigned model_count(const void *container);

#undef TAILQ_INSERT_AFTER
#undef TAILQ_INSERT_HEAD
#undef TAILQ_INSERT_TAIL
#undef TAILQ_CONCAT
#undef TAILQ_REMOVE
#define TAILQ_INSERT_AFTER(head, before, element, field) model_change((head), (element))
#define TAILQ_INSERT_HEAD(head, element, field) model_change((head), (element))
#define TAILQ_INSERT_TAIL(head, element, field) model_change((head), (element))
#define TAILQ_CONCAT(head, other, field) model_change((head), (other))
#define TAILQ_REMOVE(head, element, field) model_change((head), (element))

#undef LIST_INSERT_HEAD
#undef LIST_REMOVE
#define LIST_INSERT_HEAD(head, element, field) model_change((head), (element))
#define LIST_REMOVE(element, field) model_change((element)->field.le_prev, (element))

#undef HASH_FIND
#undef HASH_FIND_PTR
#undef HASH_FIND_STR
#define HASH_FIND(handle, head, key, length, found) ((found) = model_find((head), (key)))
#define HASH_FIND_PTR(head, key, found) ((found) = model_find((head), (key)))
#define HASH_FIND_STR(head, key, found) ((found) = model_find((head), (key)))

#undef HASH_ADD
#undef HASH_ADD_KEYPTR
#undef HASH_ADD_PTR
#undef HASH_ADD_STR
#define HASH_ADD(handle, head, field, length, element) model_change(&(head), (element))
#define HASH_ADD_KEYPTR(handle, head, key, length, element) model_change(&(head), (element))
#define HASH_ADD_PTR(head, field, element) model_change(&(head), (element))
#define HASH_ADD_STR(head, field, element) model_change(&(head), (element))

#undef HASH_COUNT
#undef HASH_DEL
#undef HASH_DELETE
#undef HASH_ITER
#define HASH_COUNT(head) model_count(head)
#define HASH_DEL(head, element) model_change(&(head), (element))
#define HASH_DELETE(handle, head, element) model_change(&(head), (element))
#define HASH_ITER(handle, head, element, next)                                                     \
	for ((element) = (head), (next) = (element) ? model_next(element) : NULL; (element);       \
	     (element) = (next), (next) = (element) ? model_next(element) : NULL)
