/* Makes real OOM kills inside one memory cgroup: forks N children, P at a time; each joins the cgroup
 * and touches memory until the kernel kills it. Prints "KILLED n SURVIVED n" (survived: a child that ended
 * in any other way). Anonymous memory only, so nothing is left behind.
 *
 * usage: oomer PROCS_FILE KILLS PARALLEL MIB_PER_CHILD [COMM]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

static void victim(const char *procs, size_t bytes, const char *comm) {
    char pid[32];
    if (comm)
        prctl(PR_SET_NAME, comm);
    int fd = open(procs, O_WRONLY);
    int n = snprintf(pid, sizeof pid, "%d", getpid());
    if (fd < 0 || write(fd, pid, n) != n) {
        perror(procs);
        _exit(2);
    }
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(3);
    memset(p, 1, bytes);
    _exit(4); /* the limit did not hold */
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: oomer PROCS_FILE KILLS PARALLEL MIB_PER_CHILD [COMM]\n");
        return 2;
    }
    int kills = atoi(argv[2]), parallel = atoi(argv[3]);
    size_t bytes = (size_t)atoi(argv[4]) << 20;
    int running = 0, started = 0, killed = 0, survived = 0;
    while (started < kills || running) {
        if (started < kills && running < parallel) {
            pid_t child = fork();
            if (child == 0)
                victim(argv[1], bytes, argc > 5 ? argv[5] : NULL);
            if (child < 0) {
                perror("fork");
                return 1;
            }
            started++;
            running++;
            continue;
        }
        int status;
        if (wait(&status) < 0) {
            perror("wait");
            return 1;
        }
        running--;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            killed++;
        else
            survived++;
    }
    printf("KILLED %d SURVIVED %d\n", killed, survived);
    return survived != 0;
}
