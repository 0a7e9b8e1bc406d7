"""`otel-oom parse`: the OOM kills that a log text holds, explained for people or as JSON lines.

Input: files of any log format, plain or compressed; standard input; /dev/kmsg.
Output: each kill on standard output when it is found; messages on standard error; an exit code.

    input_files, archives ─ bytes ─▶ line_recovery (json_documents, wrapped_text) ─ the log's lines ─▶ text_window
    text_window ─▶ kill_search ◀─ line_search (which lines matter)
    kill_search ─ lines ─▶ feeder ─ structured_lines, line_prefix, record_joining ─▶ text_record
    text_record ─▶ kernel's Assembler ─ OomKill ─▶ json_output, or text_output on text_layout

Rules:
- Memory does not grow with the input. No kill depends on where a block ends.
- Where the log says who wrote a line, lines of user space are refused.
- No control character of a process name reaches the terminal.
"""
