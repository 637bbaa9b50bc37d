/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines for the administrator, on stderr. Used by the daemon and the worker.
 *
 *     dom=5 name=web dev=scsi/0 lun=0:0:0 cannot open '/x': ...
 *
 * One line, one write(2): lines of threads and processes do not mix. Under
 * systemd (stderr is what JOURNAL_STREAM names) a line begins with "<6>", its
 * syslog priority, as sd-daemon(3) asks for; elsewhere with the word for it.
 * Control characters in a line become '?', because parts of it may come from a
 * guest; a line that is longer than LOG_LINE_MAX is cut.
 *
 * Priorities are those of <syslog.h>. What a guest can cause at will goes
 * through log_limited().
 */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#define LOG_LINE_MAX 1024

/* What a line is about; every part may be absent. */
struct log_where {
	bool guest;	  /* dom and name mean something */
	uint32_t dom;	  /* domain id */
	const char *name; /* of the guest, NULL when it is not known */
	const char *dev;  /* "scsi/0" or NULL */
	const char *lun;  /* "0:0:0" or NULL */
};

/* At most LOG_RATE_BURST lines at once, then one per LOG_RATE_NS. */
#define LOG_RATE_BURST 10u
#define LOG_RATE_NS    5000000000ull

/* Zeroed at the start; belongs to one thread. */
struct log_rate {
	uint64_t last_ns;   /* when `spent` was last reduced */
	uint32_t spent;	    /* of the burst */
	uint32_t swallowed; /* lines since the last one that was let through */
};

/*
 * log_init - find out who reads stderr, and name the program
 * @program: begins each line outside systemd; must stay valid
 *
 * Call once before there are threads. Without it lines are plain.
 */
void log_init(const char *program);

/* log_set_level - lines of a higher priority number than @level are dropped;
 * LOG_INFO at the start. May be called at any time. */
void log_set_level(int level);

/*
 * log_line - write one line
 * @where: NULL for what is about no guest
 */
void log_line(int priority, const struct log_where *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* log_limited - log_line(), unless @rate says that it is too much. How many
 * were swallowed is said in the next line that is let through. */
void log_limited(struct log_rate *rate, int priority,
		 const struct log_where *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * log_allow - the decision behind log_limited()
 * @now_ns: any clock that does not go backwards
 * @swallowed: lines dropped since the last true
 *
 * Return: true if a line may be written now.
 */
bool log_allow(struct log_rate *rate, uint64_t now_ns, uint32_t *swallowed);

/*
 * log_format - the text of a line, as log_line() writes it
 * @journal: with "<N>" instead of the program's name
 * @out: LOG_LINE_MAX bytes
 *
 * Return: its length; the line ends in a newline and a NUL (not counted).
 */
int log_format(char *out, bool journal, int priority,
	       const struct log_where *where, const char *text);

#endif
