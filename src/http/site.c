/* SPDX-License-Identifier: MIT */
#include "http/site.h"

#include <string.h>

#include "http-page.h"

static const struct {
	const char *path;
	void (*answer)(const struct site *site, struct http_answer *answer);
} pages[] = {
	{ "/health", health_answer_full },      { "/health/ready", health_answer_ready },
	{ "/health/live", health_answer_live }, { "/metrics", metrics_answer },
	{ "/status.json", status_answer },
};

static const struct {
	const char *path;
	const char *type;
	const unsigned char *data;
	size_t bytes;
} files[] = {
	{ "/", "text/html; charset=utf-8", page_html, sizeof(page_html) },
	{ "/page.css", "text/css; charset=utf-8", page_css, sizeof(page_css) },
	{ "/page.js", "text/javascript; charset=utf-8", page_js, sizeof(page_js) },
	{ "/icon.svg", "image/svg+xml", icon_svg, sizeof(icon_svg) },
};

bool site_route(void *userdata, const char *path, struct http_answer *answer)
{
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (strcmp(path, pages[i].path) != 0)
			continue;
		pages[i].answer(userdata, answer);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (strcmp(path, files[i].path) != 0)
			continue;
		answer->type = files[i].type;
		answer->data = files[i].data;
		answer->data_bytes = files[i].bytes;
		return true;
	}
	return false;
}
