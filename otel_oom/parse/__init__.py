"""`otel-oom parse`: the OOM kills that a log text holds, explained for people or as JSON lines.

In: files of any log format, plain or compressed; standard input; /dev/kmsg.
Out: each kill on standard output when it is found; messages on standard error; an exit code.
Never: memory that grows with the input; a kill that depends on where a block ends; text of user space taken for the
kernel's where the log says who wrote it; control characters of a process name on the terminal.

    input_files ─ bytes ─▶ text_window ─▶ kill_search ◀─ line_search (which lines matter)
    kill_search ─ lines ─▶ feeder ─ structured_lines, line_prefix, record_joining ─▶ text_record
    text_record ─▶ kernel's Assembler ─ OomKill ─▶ json_output, or text_output on text_layout
"""
