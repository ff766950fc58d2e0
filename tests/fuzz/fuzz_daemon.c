/* SPDX-License-Identifier: MIT */
/*
 * The whole daemon, from daemon_new() to daemon_free(), under a script: clients come, ask, send
 * half of it and leave, the server answers, fails, blocks and goes, time passes, an administrator
 * pauses and drains. An input is a list of steps.
 *
 * After each step: no more connections than the budget, and none that two have who want it alone.
 * Every answer is a proper message to a request that was open. Then the server becomes kind, and
 * within a minute everybody has an answer; the daemon leaves when it is told to, gives back what it
 * took, and what it told of each write is what became of it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/arguments.h"
#include "config/config.h"
#include "core/core.h"
#include "core/slot.h"
#include "daemon.h"
#include "fake-client.h"
#include "fake-pq.h"
#include "fake-requests.h"
#include "fuzz.h"
#include "pg/engine-internal.h"
#include "pg/target.h"
#include "rpc/rpc-internal.h"
#include "shape.h"
#include "stage.h"

enum {
	BUDGET = 3,
	STEPS_MOST = 400,
	SETS_MOST = 2000,
	KIND_MOST_US = 60000000,
	KIND_STEP_US = 100000,
	OWN_CONFIG = 16, /* one input in so many */
};

static const char config_text[] = "[sidepool]\n"
				  "socket = /nowhere/rpc.sock\n"
				  "events_socket = off\n"
				  "http_socket = off\n"
				  "budget = 3\n"
				  "queue_limit = 12\n"
				  "acquire_timeout = 5s\n"
				  "fetch_timeout = 2s\n"
				  "request_timeout = 20s\n"
				  "lease_timeout = 10s\n"
				  "lease_idle_timeout = 5s\n"
				  "idle_transaction_timeout = 4s\n"
				  "cancel_timeout = 1s\n"
				  "shutdown_timeout = 3s\n"
				  "idempotency_ttl = 10s\n"
				  "[pool main]\n"
				  "url = postgresql://u@/d?host=/nowhere\n"
				  "connect_timeout = 2s\n"
				  "breaker_threshold = 3\n"
				  "breaker_reset = 3s\n"
				  "max_prepared_statements = 2\n"
				  "[application reader]\n"
				  "read_only = on\n"
				  "[application small]\n"
				  "max = 1\n";

static struct input script;
static char config_path[32];

/* ---- what must hold ---- */

static void check_backend(const struct pg_backend *b)
{
	const struct ticket *t;
	unsigned n = 0, alone = 0;

	TAILQ_FOREACH (t, &b->slot->tickets, link) {
		n++;
		alone += !t->shared;
	}
	check(n == b->slot->depth);
	check(alone == 0 || n == 1);
}

static void check_all(void)
{
	struct core_numbers n;
	const struct pg_pool *p;
	const struct pg_backend *b;
	unsigned backends = 0;

	if (stage_is_over())
		return;
	core_numbers(stage_core(), pg_engine_now(), &n);
	TAILQ_FOREACH (p, &stage_rpc()->engine->pools, link)
		TAILQ_FOREACH (b, &p->backends, link) {
			check_backend(b);
			backends++;
		}
	check(n.slots <= BUDGET && backends <= n.slots);
	check(fake_counts.conns <= BUDGET);
}

/* ---- the script ---- */

static void pass(unsigned how)
{
	static const uint64_t us[] = { 100, 1000, 20000, 200000, 1000000, 6000000, 61000000, 5000 };

	stage_pass(us[how % ARRAY_LEN(us)]);
}

static uint64_t sets_of(Sidepool__V1__Statement **statements, size_t n)
{
	uint64_t sets = 0;

	for (size_t i = 0; i < n; i++)
		sets += statements[i]->parameter_sets;
	return sets;
}

/* A few bytes can ask for a million executions, which take as long as a million other inputs. */
static bool takes_long(const uint8_t *body, size_t n)
{
	Sidepool__V1__Request *m = sidepool__v1__request__unpack(NULL, n, body);
	uint64_t sets = 0;

	if (!m)
		return false;
	if (m->kind_case == SIDEPOOL__V1__REQUEST__KIND_BATCH)
		sets = sets_of(m->batch->statements, m->batch->n_statements);
	else if (m->kind_case == SIDEPOOL__V1__REQUEST__KIND_SUBMIT)
		sets = sets_of(m->submit->statements, m->submit->n_statements);
	sidepool__v1__request__free_unpacked(m, NULL);
	return sets > SETS_MOST;
}

static void send_body(struct player *c, const uint8_t *body, size_t n)
{
	if (!takes_long(body, n))
		client_send_body(c, body, n);
}

static void send_shaped(struct player *c, struct input plan)
{
	uint8_t shaped[SHAPED_MOST_BYTES];

	send_body(c, shaped, shape(shaped, &sidepool__v1__request__descriptor, &plan));
}

static void send_bytes(struct player *c, bool as_body)
{
	size_t n;
	const uint8_t *bytes = input_bytes(&script, input_byte(&script), &n);

	if (as_body && n > 0 && bytes[0] == SHAPED)
		send_shaped(c, (struct input){ bytes + 1, bytes + n });
	else if (as_body)
		send_body(c, bytes, n);
	else
		client_send_raw(c, bytes, n);
}

static void step(void)
{
	unsigned what = input_byte(&script), who = what >> 4, arg;
	struct player *c = &clients[who % CLIENTS_N];

	switch (what % 16) {
	case 0:
		arg = input_byte(&script);
		client_connect(c, arg % 4 == 0 ? 0 : 1000 + arg % 4);
		break;
	case 1:
		client_leave(c);
		break;
	case 2:
	case 3:
	case 4:
		arg = input_byte(&script);
		fake_serve(who, (enum fake_deed)(arg % FAKE_DEEDS_N), arg / FAKE_DEEDS_N);
		break;
	case 5:
		fake_serve(who, FAKE_ANSWER_ALL, 2);
		break;
	case 6:
		pass(who);
		break;
	case 7:
		(void)stage_work();
		break;
	case 8:
		fake_set_door((enum fake_door)(who % FAKE_DOORS_N));
		break;
	case 9:
		if (who == 15)
			stage_signal(SIGHUP);
		else
			send_bytes(c, who % 2);
		break;
	default:
		ask_something(c, &script);
	}
}

static bool settle(void)
{
	bool any;

	stage_turn();
	any = clients_read();
	check_all();
	return any;
}

static void be_kind(void)
{
	uint64_t step_us = KIND_STEP_US;

	fake_set_door(FAKE_DOOR_OPEN);
	for (uint64_t us = 0; us < KIND_MOST_US && !stage_is_over() && clients_wait();
	     us += step_us) {
		(void)fake_serve_all();
		(void)stage_work();
		stage_pass(step_us);
		/* A large answer takes turns, and no time. */
		while (settle())
			;
		step_us += step_us / 8; /* who waits long waits for a timeout of seconds */
	}
	check(stage_is_over() || !clients_wait());
}

void stage_play(void)
{
	fake_set_door(FAKE_DOOR_OPEN);
	(void)stage_work();
	(void)settle();
	(void)stage_work();
	(void)fake_serve_all();
	(void)settle();
	for (int i = 0; i < STEPS_MOST && input_left(&script) > 0 && !stage_is_over(); i++) {
		step();
		(void)settle();
	}
	be_kind();
	if (!stage_is_over())
		stage_signal(SIGTERM);
}

/* ---- the run ---- */

static void write_config(void)
{
	int fd = memfd_create("config", MFD_CLOEXEC);

	check(fd >= 0 &&
	      write(fd, config_text, sizeof(config_text) - 1) == (ssize_t)sizeof(config_text) - 1);
	(void)snprintf(config_path, sizeof(config_path), "/proc/self/fd/%d", fd);
}

static void tell(void *userdata, const struct config_mistake *m)
{
	(void)userdata;
	(void)fprintf(stderr, "%s: %s\n", m->where, m->message);
}

static struct config *load(const struct arguments *arguments)
{
	char *environment[] = { NULL };
	struct config_input input = {
		.arguments = arguments,
		.environment = environment,
		.check_conninfo = pg_target_check,
		.mistake = tell,
	};
	struct config *config;

	check(config_load(&config, &input) == 0);
	return config;
}

/* Reading it takes as long as all the rest, and the daemon does not write into it. */
static struct config *kept_config;

struct config *__real_config_free(struct config *c);
struct config *__wrap_config_free(struct config *c);
struct config *__wrap_config_free(struct config *c)
{
	return c == kept_config ? NULL : __real_config_free(c);
}

static struct daemon *start(const struct arguments *arguments, bool with_its_own)
{
	struct daemon *d;

	if (!kept_config)
		kept_config = load(arguments);
	check(daemon_new(&d, with_its_own ? load(arguments) : kept_config, arguments) == 0);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arguments arguments = { .config = config_path };
	struct daemon *d;

	if (!*config_path)
		write_config();
	script = (struct input){ data, data + size };
	fake_forget_writes();
	requests_reset();
	d = start(&arguments, size % OWN_CONFIG == 0);
	check(daemon_run(d) == 0);
	d = daemon_free(d);
	(void)clients_read();
	clients_check_writes();
	check(fake_counts.conns == 0 && fake_counts.results == 0 && fake_counts.cancels == 0);
	clients_reset();
	stage_reset();
	return 0;
}
