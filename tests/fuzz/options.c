/* SPDX-License-Identifier: MIT */
/*
 * What was freed is looked after for a while, but not for so long that memory is never used twice:
 * touching new pages takes more time than everything else. $ASAN_OPTIONS goes before.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=4:malloc_context_size=8:detect_leaks=1:abort_on_error=0";
}

const char *__lsan_default_options(void);

const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}
