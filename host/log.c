/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines for the administrator: see log.h.
 */
#include "host/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool log_journal;
static const char *log_program = "xenpv";
static int log_level = LOG_INFO;

static const char *const level_names[] = {
	[LOG_EMERG] = "emergency: ",
	[LOG_ALERT] = "alert: ",
	[LOG_CRIT] = "critical: ",
	[LOG_ERR] = "error: ",
	[LOG_WARNING] = "warning: ",
	[LOG_NOTICE] = "",
	[LOG_INFO] = "",
	[LOG_DEBUG] = "debug: ",
};

void log_init(const char *program)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	log_program = program;
	/* The variable is inherited by children whose stderr is elsewhere. */
	log_journal = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		      !fstat(STDERR_FILENO, &st) && st.st_dev == dev &&
		      st.st_ino == ino;
}

void log_set_level(int level)
{
	__atomic_store_n(&log_level, level, __ATOMIC_RELAXED);
}

/* Where to go on in a buffer of SIZE bytes after snprintf returned R at N. */
static int advance(int n, int r, int size)
{
	if (r < 0)
		return n;
	return n + r < size ? n + r : size - 1;
}

int log_format(char *out, bool journal, int priority,
	       const struct log_where *where, const char *text)
{
	const int size = LOG_LINE_MAX - 1; /* room for the newline */
	int n = 0;

	if (priority < LOG_EMERG || priority > LOG_DEBUG)
		priority = LOG_ERR;
	if (journal)
		n = advance(n, snprintf(out, size, "<%d>", priority), size);
	else
		n = advance(n,
			    snprintf(out, size, "%s: %s", log_program,
				     level_names[priority]),
			    size);
	if (where && where->guest) {
		n = advance(n,
			    snprintf(out + n, size - n, "dom=%u ", where->dom),
			    size);
		if (where->name)
			n = advance(n,
				    snprintf(out + n, size - n, "name=%s ",
					     where->name),
				    size);
	}
	if (where && where->dev)
		n = advance(n,
			    snprintf(out + n, size - n, "dev=%s ", where->dev),
			    size);
	if (where && where->lun)
		n = advance(n,
			    snprintf(out + n, size - n, "lun=%s ", where->lun),
			    size);
	n = advance(n, snprintf(out + n, size - n, "%s", text), size);

	for (int i = 0; i < n; i++) {
		unsigned char c = (unsigned char)out[i];

		if (c < 0x20 || c == 0x7f)
			out[i] = '?';
	}
	out[n++] = '\n';
	out[n] = '\0';
	return n;
}

static void emit(int priority, const struct log_where *where, const char *text)
{
	char line[LOG_LINE_MAX];
	int n = log_format(line, log_journal, priority, where, text);
	ssize_t r = write(STDERR_FILENO, line, (size_t)n);

	(void)r; /* there is nobody to tell */
}

void log_line(int priority, const struct log_where *where, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	if (priority > __atomic_load_n(&log_level, __ATOMIC_RELAXED))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(priority, where, text);
}

bool log_allow(struct log_rate *rate, uint64_t now_ns, uint32_t *swallowed)
{
	uint64_t earned;

	if (!rate->spent)
		rate->last_ns = now_ns;
	earned = (now_ns - rate->last_ns) / LOG_RATE_NS;
	if (earned >= rate->spent) {
		rate->spent = 0;
		rate->last_ns = now_ns;
	} else {
		rate->spent -= (uint32_t)earned;
		rate->last_ns += earned * LOG_RATE_NS;
	}
	if (rate->spent >= LOG_RATE_BURST) {
		rate->swallowed++;
		return false;
	}
	rate->spent++;
	*swallowed = rate->swallowed;
	rate->swallowed = 0;
	return true;
}

void log_limited(struct log_rate *rate, int priority,
		 const struct log_where *where, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	struct timespec ts;
	uint32_t swallowed;
	va_list ap;
	int n;

	if (priority > __atomic_load_n(&log_level, __ATOMIC_RELAXED))
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (!log_allow(rate,
		       (uint64_t)ts.tv_sec * 1000000000ull +
			       (uint64_t)ts.tv_nsec,
		       &swallowed))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (swallowed && n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n,
			 " (%u lines like this were left out)", swallowed);
	emit(priority, where, text);
}
