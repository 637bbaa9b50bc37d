/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay FOLDER: gives each file of the folder to the fuzz target it is linked
 * with, in place of libFuzzer, so that any compiler can run the corpora. One
 * TAP line; a file that kills the target is named, the next ones still run.
 */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static void replay(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *bytes = NULL;
	size_t n = 0, r, room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	FUZZ_CHECK(f);
	do {
		bytes = realloc(bytes, room += 65536);
		FUZZ_CHECK(bytes);
		r = fread(bytes + n, 1, room - n, f);
		n += r;
	} while (r);
	FUZZ_CHECK(!ferror(f));
	fclose(f);
	/* of exactly its size: a read beyond the input is found */
	bytes = realloc(bytes, n ? n : 1);
	FUZZ_CHECK(bytes);
	LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **list;
	int n, status, bad = 0;
	int *at; /* shared with the child: the file under way */

	if (argc != 2)
		return 2;
	n = scandir(argv[1], &list, visible, alphasort);
	at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FUZZ_CHECK(n > 0 && at != MAP_FAILED);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("1..1");
	for (*at = 0; *at < n; ++*at) {
		pid_t child = fork();

		if (!child) {
			for (; *at < n; ++*at)
				replay(argv[1], list[*at]->d_name);
			exit(0);
		}
		FUZZ_CHECK(child > 0 && waitpid(child, &status, 0) == child);
		if (!status)
			break;
		printf("# %s: %s %d\n", list[*at]->d_name,
		       WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status)
					   : WEXITSTATUS(status));
		bad++;
	}
	printf("%sok 1 - %d inputs, %d bad\n", bad ? "not " : "", n, bad);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return bad != 0;
}
