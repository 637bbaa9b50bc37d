/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of a device: see limit.h. */
#include "worker/limit.h"

#include <pthread.h>
#include <stdlib.h>

#define SECOND 1000000000ull

/* ---- which there are: not on the data path ---- */

struct held {
	struct limit limit; /* first */
	struct held *next;
	uint32_t id;
	unsigned holders;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *all;

struct limit *limit_hold(uint32_t id)
{
	struct held *h;

	pthread_mutex_lock(&lock);
	for (h = all; h && h->id != id; h = h->next)
		;
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (h) {
			h->id = id;
			h->next = all;
			all = h;
		}
	}
	if (h)
		h->holders++;
	pthread_mutex_unlock(&lock);
	return h ? &h->limit : NULL;
}

void limit_drop(struct limit *l)
{
	struct held *h = (struct held *)l, **at;

	if (!l)
		return;
	pthread_mutex_lock(&lock);
	if (--h->holders == 0) {
		for (at = &all; *at != h; at = &(*at)->next)
			;
		*at = h->next;
		free(h);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- taking ---- */

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* How long the rate takes for N; at most some hundred years. */
static uint64_t time_for(uint64_t n, uint64_t rate)
{
	uint64_t seconds = n / rate;

	if (seconds >= UINT32_MAX)
		return UINT32_MAX * SECOND;
	/* without overflow: what is left is less than RATE */
	return seconds * SECOND +
	       (uint64_t)((unsigned __int128)(n % rate) * SECOND / rate);
}

static void set_rate(struct limit_rate *r, uint64_t rate, uint64_t burst)
{
	store(&r->burst_ns,
	      rate && burst ? time_for(burst, rate) : LIMIT_BURST_NS);
	store(&r->rate, rate);
	store(&r->paid, 0);
}

static bool same(const struct limit_rate *r, uint64_t rate, uint64_t burst)
{
	return load(&r->rate) == rate &&
	       load(&r->burst_ns) ==
		       (rate && burst ? time_for(burst, rate) : LIMIT_BURST_NS);
}

void limit_set(struct limit *l, const struct proto_limits *to)
{
	pthread_mutex_lock(&lock);
	store(&l->pause, to->pause);
	if (!same(&l->ops, to->iops, to->iops_burst) ||
	    !same(&l->bytes, to->bps, to->bps_burst)) {
		set_rate(&l->ops, to->iops, to->iops_burst);
		set_rate(&l->bytes, to->bps, to->bps_burst);
		__atomic_fetch_add(&l->round, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
}

bool limit_any(const struct limit *l)
{
	return load(&l->ops.rate) || load(&l->bytes.rate);
}

bool limit_pause(const struct limit *l)
{
	return load(&l->pause) != 0;
}

/* Take N; when that may go. */
static uint64_t take(struct limit_rate *r, uint64_t n, uint64_t now)
{
	uint64_t rate = load(&r->rate), burst = load(&r->burst_ns);
	uint64_t paid = load(&r->paid), from, cost;

	if (!rate || !n)
		return now;
	cost = time_for(n, rate);
	do {
		from = paid > now ? paid : now;
	} while (!__atomic_compare_exchange_n(&r->paid, &paid, from + cost,
					      true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return from > burst ? from - burst : 0;
}

bool limit_may_go(struct limit *l, struct limit_ticket *t, uint64_t bytes,
		  uint64_t now_ns)
{
	uint32_t round = __atomic_load_n(&l->round, __ATOMIC_ACQUIRE);
	uint64_t other;

	if (!t->taken || t->round != round) {
		t->taken = true;
		t->round = round;
		t->at = take(&l->ops, 1, now_ns);
		other = take(&l->bytes, bytes, now_ns);
		if (other > t->at)
			t->at = other;
	}
	return t->at <= now_ns;
}
