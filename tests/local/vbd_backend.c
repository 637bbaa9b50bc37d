/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block backend for scripts that test a frontend:
 *
 *     vbd_backend DIR DOMID [KEY=VALUE...]
 *
 * It attaches xvda, a disk in memory, to a domain of the local host in DIR, and
 * obeys words of standard input: serve, freeze, close, remove, resize=MIB,
 * counts. At its end it ends.
 */
#include <signal.h>

#include "tests/local/vbd_back.h"

static const struct {
	const char *word;
	enum back_order order;
} orders[] = {
	{"serve", BACK_SERVE},
	{"freeze", BACK_FREEZE},
	{"close", BACK_CLOSE},
	{"remove", BACK_REMOVE},
};

static bool set(struct back_cfg *cfg, const char *word)
{
	const struct {
		const char *key;
		uint32_t *to;
	} keys[] = {
		{"order=", &cfg->order},
		{"indirect=", &cfg->indirect},
		{"queues=", &cfg->queues},
		{"block=", &cfg->block},
		{"info=", &cfg->info},
		{"features=", &cfg->features},
		{"persistent=", &cfg->persistent},
	};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(keys); i++) {
		size_t n = strlen(keys[i].key);

		if (strncmp(word, keys[i].key, n))
			continue;
		*keys[i].to = (uint32_t)strtoul(word + n, NULL, 0);
		return true;
	}
	return false;
}

static void obey(struct back *b, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < XPV_ARRAY_SIZE(orders); i++)
		if (!strcmp(line, orders[i].word))
			b->order = orders[i].order;
	if (!strncmp(line, "resize=", 7))
		b->resize = strtoul(line + 7, NULL, 0) << 11;
	if (!strcmp(line, "counts"))
		printf("conns %u pages %u segs %u flushes %u discards %u "
		       "misdeeds %u bad-nodes %u\n",
		       b->conns, b->pages, b->segs_most, b->flushes,
		       b->discards, b->misdeeds, b->bad_nodes);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct back b = {
		.cfg = {.block = 512,
			.features = BLK_BACK_F_FLUSH | BLK_BACK_F_DISCARD,
			.sectors = (16u << 20) / 512},
	};
	char line[64];

	if (argc < 3)
		return 2;
	for (int i = 3; i < argc; i++)
		if (!set(&b.cfg, argv[i]))
			return 2;
	signal(SIGPIPE, SIG_IGN);
	snprintf(b.dir, sizeof(b.dir), "%s", argv[1]);
	b.domid = (uint32_t)strtoul(argv[2], NULL, 10);
	b.disk = calloc(1, BACK_DISK_MAX);
	if (!b.disk)
		return 1;
	back_start(&b);
	while (fgets(line, sizeof(line), stdin))
		obey(&b, line);
	back_end(&b);
	return 0;
}
