"""otel-oom: every kill by the Linux kernel's OOM killer as one OTLP log record and one count."""

__version__ = "0.1.0"
