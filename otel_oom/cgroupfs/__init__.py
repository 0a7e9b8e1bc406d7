"""The cgroup filesystems of this machine: where they are mounted, and the directory of a cgroup.

Input: /proc/self/mountinfo, and cgroup paths as the kernel log, the trace events and /proc give them.
Output: the mounts that show the whole hierarchy, and the directory of one cgroup as a file descriptor.

Rules:
- A path is the host's, from the root of the hierarchy. A mount with another root, as in a cgroup namespace, is not
  used.
- Nothing is written, and no symbolic link below a mount is followed. Users choose the names of cgroups.
- What is not there is None. Nothing here raises because a cgroup was removed, or may not be read.
"""
