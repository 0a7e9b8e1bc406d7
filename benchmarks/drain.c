/* Reads /dev/kmsg from its oldest record to its end; prints the number of records and the nanoseconds of processor time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	static char record[8192];
	struct timespec begin, end;
	long records = 0;
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (log < 0 || lseek(log, 0, SEEK_SET) < 0)
		return 1;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (;;) {
		if (read(log, record, sizeof(record)) >= 0)
			records++;
		else if (errno != EPIPE)
			break;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	if (errno != EAGAIN)
		return 1;
	printf("%ld %ld\n", records, (end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec);
	return 0;
}
